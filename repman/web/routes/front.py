"""The page and the door."""

from __future__ import annotations

from repman.web.acl import PUBLIC
from repman.web.routes.route import Answer, Parameter, Route
from repman.web.shapes.common import ERROR, TOKEN
from repman.web.views import login, page

_NO_FILE = Answer(404, "The page has no such file, or is not installed.", schema=ERROR)
_UNCHANGED = Answer(304, "The file is the one that `If-None-Match` names.", "")

ROUTES: tuple[Route, ...] = (
    Route(
        "/",
        page.page,
        PUBLIC,
        ("GET",),
        summary="The page.",
        answers=(Answer(200, "", "text/html"), _UNCHANGED, _NO_FILE),
        proof="tests/integration/test_page_reads.py::test_the_page_and_the_probes_are_public",
    ),
    Route(
        "/static/<name>",
        page.static,
        PUBLIC,
        ("GET",),
        summary="A file that the page needs.",
        answers=(Answer(200, "", "*/*"), _UNCHANGED, _NO_FILE),
        proof="tests/integration/test_page_reads.py::test_the_page_and_the_probes_are_public",
    ),
    Route(
        "/api/login",
        login.login,
        PUBLIC,
        ("POST",),
        safe=False,
        summary="Name and password, as a JSON object in the body, for a token.",
        parameters=(
            Parameter("username", "the account", required=True),
            Parameter("password", "its password", required=True),
        ),
        answers=(
            Answer(200, "", schema=TOKEN),
            Answer(200, "The bare token, for a client that prefers `text/html`.", "text/plain"),
            Answer(403, "`Invalid credentials`, or `Error in request` when the body is no such object.", "text/plain"),
            Answer(429, "Too many failures; `Retry-After` says for how many seconds.", schema=ERROR),
        ),
        proof="tests/integration/test_page_reads.py::test_a_token_is_asked_for_and_given",
    ),
)
