"""Wishes about a whole cluster, carried out by the monitor."""

from __future__ import annotations

from repman.web.call import View
from repman.web.routes.route import CLUSTER, Route, unknown_cluster
from repman.web.views import actions


def _action(path: str, view: View, grant: str) -> Route:
    return Route(f"{CLUSTER}/actions/{path}", view, grant, safe=False)


ROUTES: tuple[Route, ...] = (
    _action("switchover", actions.switchover, "cluster-switchover"),
    _action("failover", actions.failover, "cluster-failover"),
    _action("reset-failover-control", actions.reset_failover_control, "cluster-settings"),
    _action("replication/bootstrap/<topology>", actions.bootstrap, "cluster-replication"),
    _action("replication/cleanup", actions.cleanup, "cluster-replication"),
    Route(f"{CLUSTER}/plan/<kind>", actions.plan, no_cluster=unknown_cluster),
)
