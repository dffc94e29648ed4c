"""Claims: what every platform's program does where a name is claimed once more."""

from __future__ import annotations

from .sandbox import Sandbox


def count_once_a_generation(machine: Sandbox, program: str) -> None:
    """What the last generation's claimant wrote is read by all; who comes late changes nothing."""

    def claim(text: str, *generation: str) -> tuple[int, str]:
        done = machine.run(program, "claim", "vault-init", *generation, stdin=text)
        return done.returncode, done.stderr

    def read() -> str:
        return machine.run(program, "secret", "vault-init").stdout

    assert claim("the first") == (0, "")
    for generation in ("1", "2"):
        assert claim(f"number {generation}", generation) == (0, "")
        assert claim("late", generation) == (1, "")
        assert read() == f"number {generation}"
    assert claim("late") == claim("late", "1") == (1, "")
    assert machine.run(program, "store", "vault-init", stdin="without the token").returncode == 0
    assert claim("late", "2") == (1, "")
    assert read() == "without the token"
