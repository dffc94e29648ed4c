"""Pulumi's Python language host where the archive has none: a script that starts ours."""

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
    """The host needs an interpreter that has hashistack: the active environment's if it does, else ours.

    The engine starts it in the project's directory: -P keeps the user's files from taking the place of modules.
    """
    return f"""\
#!/bin/sh
{_MARK}
python={shlex.quote(interpreter)}
for ours in "${{VIRTUAL_ENV:-}}"/lib/python3*/site-packages/hashistack-*.dist-info; do
  if [ -d "$ours" ]; then python=$VIRTUAL_ENV/bin/python; fi
done
if [ ! -x "$python" ]; then
  echo "pulumi-language-python: $python is gone; next: hashistack toolchain fetch pulumi" >&2
  exit 1
fi
exec "$python" -P -m hashistack.toolchain.pulumi_python.host "$@"
"""
