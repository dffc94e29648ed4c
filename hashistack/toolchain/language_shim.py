"""Pulumi's Python language host where the archive has none: a three-line script in front of ours."""

import shlex
import sys
from pathlib import Path
from typing import Final

_NAME: Final = "pulumi-language-python"
_MARK: Final = "# hashistack's Python language host"


def write(directory: Path) -> None:
    """Write the script beside `pulumi`, unless the vendor's own host is there; anew when Python moved."""
    host = directory / _NAME
    script = _script(sys.executable)
    if host.exists():
        present = host.read_bytes()
        if _MARK.encode() not in present[:200] or present == script.encode():
            return
    draft = directory / f".{_NAME}.{id(host)}"
    draft.write_text(script)
    draft.chmod(0o755)
    draft.rename(host)


def _script(interpreter: str) -> str:
    return (
        "#!/bin/sh\n"
        f"{_MARK}: the active environment's interpreter, else the one that fetched pulumi\n"
        f"python={shlex.quote(interpreter)}\n"
        'if [ -x "${VIRTUAL_ENV:-}/bin/python" ]; then python=$VIRTUAL_ENV/bin/python; fi\n'
        'exec "$python" -m hashistack.toolchain.language_host "$@"\n'
    )
