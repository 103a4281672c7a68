"""The page and the door."""

from __future__ import annotations

from repman.web.acl import PUBLIC
from repman.web.routes.route import Route
from repman.web.views import login, page

ROUTES: tuple[Route, ...] = (
    Route("/", page.page, PUBLIC, ("GET",)),
    Route("/static/<name>", page.static, PUBLIC, ("GET",)),
    Route("/api/login", login.login, PUBLIC, ("POST",), safe=False),
)
