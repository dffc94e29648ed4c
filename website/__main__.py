"""`python -m website`: writes the site to website/build/html. A broken link or anchor is an error."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from website import reference
from website.pages import ROOT, copy

HERE = Path(__file__).parent
PAGES = HERE / "build" / "pages"
"""What the builder reads. Zensical has no hooks, so all pages are put together here first."""
HTML = HERE / "build" / "html"


def assemble(pages: Path) -> None:
    """Writes all pages, in place of what is there."""
    shutil.rmtree(pages, ignore_errors=True)
    copy(pages)
    shutil.copyfile(HERE / "site.css", pages / "site.css")
    for name, text in reference.pages().items():
        place = pages / "reference" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)


def main() -> int:
    assemble(PAGES)
    builder = Path(sysconfig.get_path("scripts")) / "zensical"
    build = subprocess.run(
        [builder, "build", "--clean", "--strict", "--config-file", HERE / "zensical.toml"], check=False
    )
    if build.returncode == 0:
        print(f"the site is {(HTML / 'index.html').relative_to(ROOT)}; open it, or: python -m http.server -d {HTML}")
    return build.returncode


if __name__ == "__main__":
    sys.exit(main())
