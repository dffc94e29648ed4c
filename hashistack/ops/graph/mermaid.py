"""A cluster's picture as Mermaid, which code hosts and documentation tools draw from text."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hashistack.ops.graph.topology import Cell, Machine, Pool, Topology, cells, heading, others, releases, title, told

_STYLES = {
    "healthy": "fill:#d9f2e3,stroke:#1f9d5c",
    "usual": "fill:#f1f3f7,stroke:#8b90a0",
    "changing": "fill:#ffe7bf,stroke:#b36b00",
    "bad": "fill:#ffd9d9,stroke:#c11d24",
}
"""Each with its own dark text, so that it can be read on a dark page too."""


def mermaid(topology: Topology) -> str:
    """The picture as a flowchart: a box a pool, in it one a zone, and the machines with what they lead."""
    return "\n".join(_lines(topology)) + "\n"


def _lines(topology: Topology) -> Iterator[str]:
    # As JSON, which is YAML: a title may hold what YAML takes for its own.
    yield from ("---", f"title: {json.dumps(f'{title(topology)} · {releases(topology)}', ensure_ascii=False)}", "---")
    yield "flowchart TB"
    for number, pool in enumerate(topology.pools):
        yield from _pool(topology, pool, f"pool{number}")
    roles = {f"pool{number}": pool.role for number, pool in enumerate(topology.pools)}
    servers, clients = ([name for name, of in roles.items() if of == role] for role in ("server", "client"))
    yield from (f"  {server} --- {client}" for server in servers for client in clients)
    if topology.notes:
        yield f'  notes["{_text(*topology.notes)}"]:::bad'
    yield from (f"  classDef {kind} {style},color:#1c1d22" for kind, style in _STYLES.items())


def _pool(topology: Topology, pool: Pool, name: str) -> Iterator[str]:
    yield f'  subgraph {name}["{_text(heading(pool))}"]'
    yield "    direction TB"
    for number, cell in enumerate(cells(pool, topology.zones)):
        if not cell.machines and not cell.more:
            continue
        zone = f"{name}zone{number}"
        if cell.zone:
            yield f'    subgraph {zone}["{_text(cell.zone)}"]'
        yield from _cell(topology, pool, cell, zone)
        if cell.zone:
            yield "    end"
    yield "  end"


def _cell(topology: Topology, pool: Pool, cell: Cell, name: str) -> Iterator[str]:
    for number, machine in enumerate(cell.machines):
        leads = f"leads {', '.join(machine.leads)}" if machine.leads else ""
        label = _text(machine.name or pool.name, leads, told(machine), others(machine, topology))
        yield f'      {name}m{number}["{label}"]:::{kind(machine)}'
    if cell.more:
        yield f'      {name}more["{_text(cell.more)}"]:::usual'


def kind(machine: Machine) -> str:
    """The class of a machine's box: `healthy`, `usual` (nothing is known of its health), `changing`, `bad`."""
    if machine.state in ("unhealthy", "stopped", "terminated", "missing"):
        return "bad"
    if machine.draining or machine.outdated or not machine.eligible or machine.state in ("booting", "leaving"):
        return "changing"
    return "healthy" if machine.state == "healthy" else "usual"


def _text(*lines: str) -> str:
    """Lines of a quoted label; what Mermaid or HTML would take for its own is written as Mermaid's entities."""
    return "<br>".join("".join(_ENTITIES.get(letter, letter) for letter in line) for line in lines if line)


_ENTITIES = {letter: f"#{ord(letter)};" for letter in '"<>&#`\\'}
