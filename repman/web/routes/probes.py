"""Health probes for balancers: no token, no database, no lock."""

from __future__ import annotations

from repman.web.acl import PUBLIC
from repman.web.routes.route import Route, no_cluster_at_all
from repman.web.views import probes

_CHECKS = "<any('master-status','slave-status','is-master','is-slave'):check>"
_METHODS = ("GET", "HEAD", "POST", "OPTIONS")


def _probes(root: str) -> tuple[Route, ...]:
    return tuple(
        Route(
            f"{root}/clusters/<cluster>/servers/{server}/{_CHECKS}",
            probes.probe,
            PUBLIC,
            _METHODS,
            no_cluster=no_cluster_at_all,
            cross_origin=True,
        )
        for server in ("<server>", "<host>/<port>")
    )


ROUTES: tuple[Route, ...] = (*_probes(""), *_probes("/api"))
