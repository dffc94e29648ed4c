"""How Pulumi's engine finds the plugin: the program links it into Pulumi's plugin cache.

The engine looks at `plugins:` in Pulumi.yaml, then at PATH, then in its cache `$PULUMI_HOME/plugins`, and
tries to download what it misses. PATH only works in an activated environment, and there the engine warns at
each run ("using … from $PATH"); a path in Pulumi.yaml is different on each machine; there is nothing to
download for a Python package that is installed already. The cache works always, so the first hashistack
resource that a program declares puts a small executable there, which starts this very Python. The engine
starts a provider only when a resource of the program needs it, so it is there in time: in an environment
that is activated, in one that isn't, under `uv run`, and from the Automation API. `pulumi destroy` and
`pulumi refresh` run no program and find what the last `up` on the machine linked; on a machine that never
ran one, `python -m hashistack.provider.link` does it.
"""

from __future__ import annotations

import os
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import Final

from hashistack.errors import HashistackError
from hashistack.home import home
from hashistack.version import VERSION

_EXECUTABLE: Final = "pulumi-resource-hashistack"

# The engine starts the plugin in the project's directory: -P keeps the user's own files (`secrets.py`) from
# taking the place of modules.
_SHIM: Final = """\
#!/bin/sh
python={python}
if [ ! -x "$python" ]; then
  echo "hashistack: the Python that this plugin was linked to is gone: $python" >&2
  echo "Run 'pulumi preview', or 'python -m hashistack.provider.link', in the project's environment." >&2
  exit 2
fi
exec "$python" -P -c {start} "$@"
"""
_START: Final = """\
import sys
root = {root!r}
root in sys.path or sys.path.insert(0, root)
from hashistack.provider.plugin import main
main()
"""


class PluginNotLinked(HashistackError):
    """The plugin cache can't be written; the text says where and what to do."""


def pulumi_home() -> Path:
    """Pulumi's own directory, as the engine finds it: `PULUMI_HOME`, else `~/.pulumi`."""
    return Path(os.environ.get("PULUMI_HOME") or home() / ".pulumi")


@cache
def link(home: Path | None = None) -> Path:
    """Make the plugin of this Python the one in Pulumi's cache; returns the executable.

    home: Pulumi's directory (default: `pulumi_home()`). Costs one read when nothing has changed, and nothing
    the second time in a process. Raises `PluginNotLinked`.
    """
    executable = (home or pulumi_home()) / "plugins" / f"resource-hashistack-v{VERSION}" / _EXECUTABLE
    root = str(Path(__file__).resolve().parents[2])
    start = shlex.quote(_START.format(root=root))
    wanted = _SHIM.format(python=shlex.quote(sys.executable), start=start)
    try:
        if _read(executable) != wanted:
            executable.parent.mkdir(parents=True, exist_ok=True)
            # Written beside and moved: another engine that starts the plugin now sees the old or the new one.
            fresh = executable.with_name(f".{_EXECUTABLE}.{os.getpid()}")
            fresh.write_text(wanted)
            fresh.chmod(0o755)
            fresh.replace(executable)
    except OSError as error:
        raise PluginNotLinked(
            f"cannot link the hashistack plugin into Pulumi's plugin cache: {error.strerror}: {executable}\n"
            "Make that directory writable, or set PULUMI_HOME to one that is."
        ) from None
    return executable


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    try:
        print(link())
    except PluginNotLinked as error:
        sys.exit(str(error))
