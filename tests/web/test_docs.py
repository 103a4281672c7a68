"""docs/api.md lists every path with its grant, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from repman.web.acl import ANY, PUBLIC
from repman.web.routes import ROUTES

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(/[^`]*)` \| ([\w-]+|.*?) \|", TEXT, re.MULTILINE))


def documented(path: str) -> str:
    return re.sub(r"<(?:any\(.*?\):)?(\w+)>", r"{\1}", path)


def test_every_path_is_documented_with_its_grant() -> None:
    assert {documented(route.path) for route in ROUTES} == set(ROWS)
    for route in ROUTES:
        if route.grant != PUBLIC:
            assert ROWS[documented(route.path)] == ("any" if route.grant == ANY else route.grant), route.path
