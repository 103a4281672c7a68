"""The rooms of the worker, composed."""

from __future__ import annotations

import logging

from repman.config.settings import ClusterSettings, Settings
from repman.errors import RepmanError
from repman.inspection.room import InspectionRoom
from repman.orchestrators.base import Orchestrator
from repman.orchestrators.local import LocalOrchestrator
from repman.scenarios.room import ScenarioRoom
from repman.worker.handler import Room

LOG = logging.getLogger(__name__)


def rooms(settings: Settings) -> tuple[Room, ...]:
    """Every room, not started yet."""
    return (
        InspectionRoom(settings, _runs_here),
        ScenarioRoom(settings, orchestrator),
    )


def _runs_here(cluster: ClusterSettings, address: str) -> bool:
    """Whether the server is a process of this machine under our control, so that its files are ours to read."""
    local = orchestrator(cluster) if cluster.orchestrator == "local" else None
    return local is not None and local.controls(address)


def orchestrator(cluster: ClusterSettings) -> Orchestrator | None:
    """Who runs the cluster's processes; None when nobody does, or the sandbox cannot be used (which is logged)."""
    if cluster.orchestrator != "local" or cluster.sandbox is None:
        return None
    try:
        return LocalOrchestrator(cluster.sandbox)
    except RepmanError as error:
        LOG.error("orchestrator cluster=%s: %s", cluster.policy.name, error)
        return None
