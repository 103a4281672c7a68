"""The first page: static files, which talk to the API like any other client."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from flask import Response, request

import repman
from repman.web import replies
from repman.web.call import Call

_CHECKOUT = Path(repman.__file__).resolve().parents[1] / "share" / "dashboard"
_INSTALLED = Path(sys.prefix) / "share" / "repman" / "dashboard"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page(call: Call) -> Response:
    """``/``."""
    return dashboard_file("index.html")


def static(call: Call) -> Response:
    """A file that the page needs."""
    return dashboard_file(call.arguments["name"])


@cache
def dashboard() -> Path | None:
    """Where the page's files lie: in a checkout, or where an installation has put them; None: nowhere."""
    for directory in (_CHECKOUT, _INSTALLED):
        if (directory / "index.html").is_file():
            return directory
    return None


def dashboard_file(name: str) -> Response:
    """A file of the page, or 404 when there is none of that name."""
    directory = dashboard()
    if directory is None:
        return replies.error(404, "The page is not installed with this repman; the API is complete without it.")
    kind = _KINDS.get(Path(name).suffix)
    # A name is compared with what is there, never made a path of, so it leads nowhere else.
    path = next((path for path in directory.iterdir() if path.name == name), None)
    if kind is None or path is None:
        return replies.error(404, "The page has no such file; begin at /.")
    answer = Response(path.read_bytes(), content_type=kind)
    answer.headers["Cache-Control"] = "no-cache"
    answer.add_etag()
    answer.make_conditional(request)
    return answer
