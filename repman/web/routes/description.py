"""The API's description of itself."""

from __future__ import annotations

from repman.web.acl import PUBLIC
from repman.web.routes.route import Answer, Route
from repman.web.shapes.common import ERROR, OBJECT, STRING, record
from repman.web.views import description

_PROOF = "tests/integration/test_page_reads.py::test_the_api_describes_itself"
_UNCHANGED = Answer(304, "It is the one that `If-None-Match` names.", "")

ROUTES: tuple[Route, ...] = (
    Route(
        "/api/openapi.json",
        description.description,
        PUBLIC,
        ("GET",),
        summary="*Own*: this API as an OpenAPI 3.1 document.",
        answers=(
            Answer(200, "", schema=record({"openapi": STRING, "info": OBJECT, "paths": OBJECT}, "OpenApi")),
            _UNCHANGED,
        ),
        proof=_PROOF,
    ),
    Route(
        "/api/docs",
        description.browse,
        PUBLIC,
        ("GET",),
        summary="*Own*: a page to browse that document.",
        answers=(
            Answer(200, "", "text/html"),
            _UNCHANGED,
            Answer(404, "The page is not installed.", schema=ERROR),
        ),
        proof=_PROOF,
    ),
)
