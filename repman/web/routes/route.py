"""What one route is: path, methods, the grant it asks for, the view, and its description.

The tables of the rooms beside this file hold the rows; documentation, OpenAPI and the tests come from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response

from repman.config.settings import ClusterSettings
from repman.web import replies
from repman.web.acl import ANY
from repman.web.call import View


def no_cluster(name: str) -> Response:
    """The contract's answer for a cluster that is not configured."""
    return replies.text("No Cluster", 500)


def no_cluster_found(name: str) -> Response:
    """The answer of the public status path."""
    return replies.text(f"No cluster found : {name}", 400)


def no_cluster_at_all(name: str) -> Response:
    """The answer of the probes."""
    return replies.text("No cluster!", 500)


def unknown_cluster(name: str) -> Response:
    """The answer of our own paths."""
    return replies.error(404, f"No cluster is called {name!r}; GET /api/clusters lists those there are.")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument in the query, a form or a JSON body (variable parts of the path describe themselves)."""

    name: str
    help: str
    kind: str = "string"
    """A JSON Schema type: ``string``, ``integer``, ``number``, ``boolean``, ``array``."""
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a route answers, beyond those that all routes share (401, 403, 404, 405, 413, 500)."""

    status: int
    meaning: str
    media: str = "application/json"
    """Empty: the answer has no body."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema of the body."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path and what is behind it."""

    path: str
    view: View
    grant: str = ANY
    """The grant, or ANY (every user), or PUBLIC (no token)."""
    methods: tuple[str, ...] = ("GET", "POST")
    safe: bool = True
    """False: it acts, so HEAD (which browsers and proxies send unasked) is refused."""
    no_cluster: Callable[[str], Response] = no_cluster
    """The answer for a cluster that is not configured."""
    opened: Callable[[ClusterSettings], bool] | None = None
    """Whether that cluster's settings open the route to everybody, without a token; None: they never do."""
    cross_origin: bool = False
    """Whether pages of other origins may read the answer."""
    plain_401: bool = False
    """Upstream words the 401 of this route differently."""
    summary: str = ""
    """One sentence: what it answers or does."""
    parameters: tuple[Parameter, ...] = ()
    answers: tuple[Answer, ...] = ()
    page: str = ""
    """The path as the contract's page writes it (``{clusterName}`` and so on), when it is one of the 72."""
    proof: str = ""
    """The test that shows it on a real cluster: ``tests/integration/test_x.py::test_y``."""

    @property
    def name(self) -> str:
        """A name for Flask: the path, which is unique."""
        return self.path.replace(".", "_")


CLUSTER = "/api/clusters/<cluster>"
SERVER = f"{CLUSTER}/servers/<server>"
PROXY = f"{CLUSTER}/proxies/<proxy>"
