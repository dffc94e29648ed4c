"""`python -m website`: writes the site to website/build/html. A broken link or anchor is an error."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from hashistack.ops.report import write
from hashistack.ops.report.samples import read as read_samples
from hashistack.ops.rollout.events import read as read_events
from website import reference
from website.pages import REPORT, ROOT, copy, on_site

HERE = Path(__file__).parent
PAGES = HERE / "build" / "pages"
"""What the builder reads. Zensical has no hooks, so all pages are put together here first."""
HTML = HERE / "build" / "html"


def assemble(pages: Path) -> None:
    """Writes all pages, in place of what is there."""
    shutil.rmtree(pages, ignore_errors=True)
    copy(pages)
    shutil.copyfile(HERE / "site.css", pages / "site.css")
    report(pages)
    for name, text in reference.pages().items():
        place = pages / "reference" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)


def report(pages: Path) -> None:
    """Writes the page of the roll whose events are kept, as `hashistack report` does."""
    events, probe = ROOT / REPORT, ROOT / "docs/pictures/roll-probe.ndjson"
    rolled = read_events(events.read_text().splitlines(), events.name)
    seen = read_samples(probe.read_text().splitlines(), probe.name)
    write(rolled, seen, pages / on_site(REPORT))


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
