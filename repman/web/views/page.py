"""The first page: static files, which talk to the API like any other client."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from flask import Response, send_from_directory
from werkzeug.exceptions import NotFound

import repman
from repman.web import replies
from repman.web.call import Call

_CHECKOUT = Path(repman.__file__).resolve().parents[1] / "share" / "dashboard"
_INSTALLED = Path(sys.prefix) / "share" / "repman" / "dashboard"


def page(call: Call) -> Response:
    """``/``."""
    return _file("index.html")


def static(call: Call) -> Response:
    """A file that the page needs."""
    return _file(call.arguments["name"])


@cache
def dashboard() -> Path | None:
    """Where the page's files lie: in a checkout, or where an installation has put them; None: nowhere."""
    for directory in (_CHECKOUT, _INSTALLED):
        if (directory / "index.html").is_file():
            return directory
    return None


def _file(name: str) -> Response:
    directory = dashboard()
    if directory is None:
        return replies.error(404, "The page is not installed with this repman; the API is complete without it.")
    try:
        answer = send_from_directory(directory, name, max_age=0)
    except NotFound:
        return replies.error(404, "The page has no such file; begin at /.")
    answer.direct_passthrough = False
    return answer
