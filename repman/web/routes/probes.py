"""Health probes for balancers: no token, no database, no lock."""

from __future__ import annotations

from repman.web.acl import PUBLIC
from repman.web.routes.route import Answer, Route, no_cluster_at_all
from repman.web.views import probes

_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_CHECKS = {"master-status": "Master", "is-master": "Master", "slave-status": "Slave", "is-slave": "Slave"}
_SUMMARIES = {
    "Master": "Whether the server takes writes.",
    "Slave": "Whether the server takes reads as a replica.",
}
_SHOWN = ("/api", "<server>", "master-status")
"""Not a probe under ``/api``: there it shows the position of the server's own binary log."""
_PAGE = {
    ("", "<server>"): "{serverName}",
    ("", "<host>/<port>"): "{serverHost}/{serverPort}",
    ("/api", "<server>"): "{serverName}",
    ("/api", "<host>/<port>"): "{serverName}/{serverPort}",
}


def _probe(root: str, server: str, check: str) -> Route:
    role = _CHECKS[check]
    on_page = not root or check.startswith("is-")
    page = f"{root}/clusters/{{clusterName}}/servers/{_PAGE[root, server]}/{check}"
    return Route(
        f"{root}/clusters/<cluster>/servers/{server}/{check}",
        probes.probe,
        PUBLIC,
        _METHODS,
        no_cluster=no_cluster_at_all,
        cross_origin=True,
        summary=_SUMMARIES[role],
        answers=(
            Answer(200, f"`200 -Valid {role}!`", "text/plain"),
            Answer(503, f"`503 -Not a Valid {role}!`, also for an unknown server.", "text/plain"),
        ),
        page=page if on_page else "",
        proof="tests/integration/test_page_reads.py::test_the_page_and_the_probes_are_public",
    )


ROUTES: tuple[Route, ...] = tuple(
    _probe(root, server, check)
    for root in ("", "/api")
    for server in ("<server>", "<host>/<port>")
    for check in _CHECKS
    if (root, server, check) != _SHOWN
)
