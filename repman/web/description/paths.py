"""How a route's path, its chapter and its parameters are written for readers."""

from __future__ import annotations

import re

from repman.web.acl import ANY, PUBLIC
from repman.web.routes.route import CLUSTER, PROXY, SERVER, Route

_VARIABLE = re.compile(r"<(?:(?P<converter>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")

CHAPTERS = (
    "Without a token",
    "The daemon",
    "Reads of a cluster",
    "Actions on a cluster",
    "Settings and users",
    "Reads of a server",
    "Actions on a server",
    "Proxies",
    "Links",
)
"""In the order of the documentation."""


def written(path: str) -> str:
    """The path with its variable parts in braces, as the documentation and OpenAPI have it."""
    return _VARIABLE.sub(lambda found: "{" + found["name"] + "}", path)


def variables(path: str) -> tuple[str, ...]:
    """The names of the variable parts, in their order."""
    return tuple(found["name"] for found in _VARIABLE.finditer(path))


def chapter(route: Route) -> str:
    """The chapter that the route belongs to."""
    path = route.path
    if route.grant == PUBLIC:
        return "Without a token"
    if path.startswith("/api/links"):
        return "Links"
    if path.startswith(PROXY):
        return "Proxies"
    if path.startswith((SERVER, f"{CLUSTER}/servers/")):
        return "Reads of a server" if route.safe else "Actions on a server"
    if not path.startswith(CLUSTER):
        return "The daemon" if route.safe else "Settings and users"
    if path.startswith((f"{CLUSTER}/settings", f"{CLUSTER}/users")):
        return "Settings and users"
    return "Reads of a cluster" if route.safe else "Actions on a cluster"


def grant(route: Route) -> str:
    """The grant in words."""
    return {ANY: "any user", PUBLIC: "no token"}.get(route.grant, route.grant)
