"""Every route, as data, by room.

A test walks the application and finds each rule here, closed without a token and without its grant.
"""

from __future__ import annotations

from repman.web.routes import (
    actions,
    description,
    front,
    jobs,
    links,
    polled,
    probes,
    provisioning,
    reads,
    scenarios,
    server_actions,
    server_reads,
    server_switches,
    settings,
    users,
)
from repman.web.routes.route import Route

ROUTES: tuple[Route, ...] = (
    *front.ROUTES,
    *description.ROUTES,
    *reads.ROUTES,
    *actions.ROUTES,
    *server_actions.ROUTES,
    *server_reads.ROUTES,
    *server_switches.ROUTES,
    *jobs.ROUTES,
    *scenarios.ROUTES,
    *settings.ROUTES,
    *users.ROUTES,
    *provisioning.ROUTES,
    *links.ROUTES,
    *polled.ROUTES,
    *probes.ROUTES,
)

__all__ = ["ROUTES", "Route"]
