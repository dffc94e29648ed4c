"""A module of which a tool needs little: the build takes a copy of it that does not import the rest.

HashiCorp's go-discover finds machines to join by the API of any of fourteen clouds, and brings all their SDKs: of what
compiles of Nomad, 30 % by the size of its source. Machines of ours join by name.
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hashistack.toolchain import running

GO_DISCOVER: Final = "github.com/hashicorp/go-discover"
_PROVIDER: Final = re.compile(
    r'^\t(?:"github\.com/hashicorp/go-discover/provider/(\w+)"|"\w+":\s+&(\w+)\.Provider\{\},)\n', re.M
)
_IMPORTED: Final = re.compile(r"go-discover/provider/(\w+)")
_KEPT: Final = ("mdns",)
"""It brings no SDK; one has to stay for the package to compile."""


def thin(go: str, place: Path, environment: Mapping[str, str], log: Path) -> None:
    """Have the build in `place`, where go.mod and go.sum are, take go-discover without its clouds.

    Raises running.Failed where the module can't be had, or has another form than the one that is known here.
    """
    running.run([go, "mod", "download", "-json", GO_DISCOVER], log, cwd=place, env=environment)
    said = log.read_text()
    copy = place / "go-discover"
    # Without the modes: what is in the module cache can't be written.
    shutil.copytree(json.loads(said[said.index("{") :])["Dir"], copy, copy_function=shutil.copyfile)
    for directory in (copy, *(entry for entry in copy.rglob("*") if entry.is_dir())):
        directory.chmod(0o755)
    source = copy / "discover.go"
    source.write_text(without_clouds(source.read_text()))
    running.run([go, "mod", "edit", f"-replace={GO_DISCOVER}=./go-discover"], log, cwd=place, env=environment)


def without_clouds(source: str) -> str:
    """go-discover's discover.go without the imports of the clouds, and without them in its table.

    Raises running.Failed where it has another form than the one that is known here.
    """
    thin = _PROVIDER.sub(lambda line: line[0] if (line[1] or line[2]) in _KEPT else "", source)
    if left := sorted({*_IMPORTED.findall(thin)} - {*_KEPT}):
        raise running.Failed(f"{GO_DISCOVER} would still bring {', '.join(left)}: its discover.go has another form")
    return thin
