"""What we ask an executable's ELF header: for which machine it is, and whether it needs a dynamic loader."""

import struct
from pathlib import Path
from typing import Final

_MACHINES: Final = {62: "amd64", 183: "arm64"}
_PT_INTERP: Final = 3


def _header(path: Path) -> tuple[bytes, bytes]:
    """The file header and program headers of a little-endian 64-bit ELF file; empty for any other file."""
    with path.open("rb") as file:
        header = file.read(64)
        if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
            return b"", b""
        (offset,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        return header, file.read(size * count)


def arch(path: Path) -> str | None:
    """The architecture the file is built for ("amd64", "arm64"); None when it is no ELF file of either."""
    header, _ = _header(path)
    return _MACHINES.get(struct.unpack_from("<H", header, 18)[0]) if header else None


def is_static(path: Path) -> bool:
    """Whether the executable, or each one in the directory, runs without a dynamic loader (no PT_INTERP)."""
    if path.is_dir():
        return all(is_static(file) for file in path.iterdir() if arch(file))
    header, programs = _header(path)
    if not header:
        return False
    (size,) = struct.unpack_from("<H", header, 54)
    return all(struct.unpack_from("<I", programs, start)[0] != _PT_INTERP for start in range(0, len(programs), size))
