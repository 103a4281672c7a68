"""Every route, as data: path, methods, the grant it asks for, and the view.

A test walks the application and finds each rule here, closed without a token and without its grant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response

from repman.web import replies
from repman.web.acl import ANY, PUBLIC
from repman.web.call import View
from repman.web.views import actions, login, page, probes, reads


def _no_cluster(name: str) -> Response:
    return replies.text("No Cluster", 500)


def _no_cluster_found(name: str) -> Response:
    return replies.text(f"No cluster found : {name}", 400)


def _no_cluster_at_all(name: str) -> Response:
    return replies.text("No cluster!", 500)


def _unknown_cluster(name: str) -> Response:
    return replies.error(404, f"No cluster is called {name!r}; GET /api/clusters lists those there are.")


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
    no_cluster: Callable[[str], Response] = _no_cluster
    """The answer for a cluster that is not configured."""
    cross_origin: bool = False
    """Whether pages of other origins may read the answer."""
    plain_401: bool = False
    """Upstream words the 401 of this route differently."""

    @property
    def name(self) -> str:
        """A name for Flask: the path, which is unique."""
        return self.path.replace(".", "_")


_C = "/api/clusters/<cluster>"
_CHECKS = "<any('master-status','slave-status','is-master','is-slave'):check>"
_PROBE_METHODS = ("GET", "HEAD", "POST", "OPTIONS")


def _probes(root: str) -> tuple[Route, ...]:
    return tuple(
        Route(
            f"{root}/clusters/<cluster>/servers/{server}/{_CHECKS}",
            probes.probe,
            PUBLIC,
            _PROBE_METHODS,
            no_cluster=_no_cluster_at_all,
            cross_origin=True,
        )
        for server in ("<server>", "<host>/<port>")
    )


def _action(path: str, view: View, grant: str) -> Route:
    return Route(f"{_C}/actions/{path}", view, grant, safe=False)


ROUTES: tuple[Route, ...] = (
    Route("/", page.page, PUBLIC, ("GET",)),
    Route("/static/<name>", page.static, PUBLIC, ("GET",)),
    Route("/api/login", login.login, PUBLIC, ("POST",), safe=False),
    Route("/api/status", reads.daemon_status, PUBLIC, cross_origin=True),
    Route("/api/monitor", reads.monitor),
    Route("/api/clusters", reads.clusters, plain_401=True),
    Route(_C, reads.cluster),
    Route(f"{_C}/status", reads.cluster_status, PUBLIC, no_cluster=_no_cluster_found, cross_origin=True),
    Route(f"{_C}/settings", reads.settings, "cluster-settings"),
    Route(f"{_C}/topology/servers", reads.servers),
    Route(f"{_C}/topology/master", reads.writer),
    Route(f"{_C}/topology/slaves", reads.replicas),
    Route(f"{_C}/topology/proxies", reads.proxies),
    Route(f"{_C}/topology/logs", reads.log_lines),
    Route(f"{_C}/topology/alerts", reads.alerts),
    Route(f"{_C}/topology/crashes", reads.crashes),
    Route(f"{_C}/snapshot", reads.snapshot, no_cluster=_unknown_cluster),
    Route(f"{_C}/events", reads.events, no_cluster=_unknown_cluster),
    Route(f"{_C}/plan/<kind>", actions.plan, no_cluster=_unknown_cluster),
    _action("switchover", actions.switchover, "cluster-switchover"),
    _action("failover", actions.failover, "cluster-failover"),
    _action("reset-failover-control", actions.reset_failover_control, "cluster-settings"),
    _action("replication/bootstrap/<topology>", actions.bootstrap, "cluster-replication"),
    _action("replication/cleanup", actions.cleanup, "cluster-replication"),
    *_probes(""),
    *_probes("/api"),
)
