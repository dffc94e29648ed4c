"""What a killed engine leaves in Pulumi's file backend: its lock, which a living one holds, and files half written."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

from hashistack.cli.errors import Refusal
from hashistack.ops.api.lock import alive


def release_stale(backend: Path, project: str, stack: str, say: Callable[[str], None]) -> None:
    """Remove locks of this stack whose process is dead on this host, and say so.

    Raises:
        Refusal: someone living, or someone on another host, holds the lock: who, and since when.
    """
    folder = backend / ".pulumi" / "locks" / "organization" / project / stack
    for file in sorted(folder.glob("*.json")):
        try:
            held = json.loads(file.read_text())
            pid, host = int(held["pid"]), str(held["hostname"])
            holder = f"{held['username']}@{host}, process {pid}, since {str(held['timestamp'])[:19]}"
        except FileNotFoundError:
            continue  # its holder ended meanwhile
        except (ValueError, KeyError, TypeError):
            raise Refusal(f"the lock {file} can't be read. If no Pulumi works on this stack, remove it.") from None
        if host != socket.gethostname():
            raise Refusal(
                f"the stack {stack} is locked by {holder}. Wait for it; if that machine is gone, remove {file}."
            )
        if alive(pid):
            raise Refusal(f"the stack {stack} is locked by {holder}, which is at work. Wait for it, then repeat.")
        file.unlink(missing_ok=True)
        say(f"removed the lock that a killed run left ({holder})")


def drop_half_written(backend: Path, project: str) -> None:
    """Remove attributes of a stack's file that were being written when the engine was killed.

    The state itself is written beside and moved; its attributes (`.attrs`) are not, and without them the back end reads
    it as well. With half of them it reads nothing.
    """
    root = backend / ".pulumi"
    for file in (root / "meta.yaml.attrs", *(root / "stacks" / project).glob("*.attrs")):
        try:
            json.loads(file.read_text())
        except FileNotFoundError:
            continue
        except ValueError:
            file.unlink(missing_ok=True)
