"""Writes the tables of docs/api.md anew: ``python -m repman.web.reference [--check] [FILE]``.

Only what stands between the markers is replaced.  ``--check`` changes nothing and exits 1 when it would.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from repman.web.description.tables import page_table, route_tables
from repman.web.routes import ROUTES

_PAGE = Path("docs/api.md")


def render(text: str) -> str:
    """The page with its generated parts made anew; raises ValueError when a marker is missing."""
    parts = {"routes": route_tables(ROUTES), "page": page_table(ROUTES)}
    for name, part in parts.items():
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the markers of the part {name!r} must stand in the page once: {begin.strip()} ... {end}")
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{part}\n{end}{after}"
    return text


def main(arguments: list[str]) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="only say whether the page is current")
    parser.add_argument("file", nargs="?", type=Path, default=_PAGE)
    chosen = parser.parse_args(arguments)
    before = chosen.file.read_text(encoding="utf-8")
    after = render(before)
    if chosen.check:
        if before != after:
            print(f"{chosen.file} is not current: run python -m repman.web.reference", file=sys.stderr)
        return int(before != after)
    chosen.file.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
