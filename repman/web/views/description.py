"""The API, described."""

from __future__ import annotations

import json
from functools import cache

from flask import Response, request

from repman.web.call import Call
from repman.web.views.page import dashboard_file


def description(call: Call) -> Response:
    """The OpenAPI document."""
    answer = Response(_encoded(), content_type="application/json")
    answer.headers["Cache-Control"] = "no-cache"
    answer.add_etag()
    answer.make_conditional(request)
    return answer


def browse(call: Call) -> Response:
    """A page that shows it."""
    return dashboard_file("api.html")


@cache
def _encoded() -> bytes:
    # Only here, for the table that is described has a row for this view itself.
    from repman.web.description import openapi
    from repman.web.routes import ROUTES

    return json.dumps(openapi.document(ROUTES), ensure_ascii=False, separators=(",", ":")).encode()
