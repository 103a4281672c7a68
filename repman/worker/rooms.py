"""The rooms of the worker, composed."""

from __future__ import annotations

from repman.config.settings import ClusterSettings, Settings
from repman.inspection.room import InspectionRoom
from repman.maintenance.room import MaintenanceRoom
from repman.provisioning.choice import orchestrator_of
from repman.provisioning.room import ProvisioningRoom
from repman.scenarios.room import ScenarioRoom
from repman.worker.handler import Room


def rooms(settings: Settings) -> tuple[Room, ...]:
    """Every room, not started yet."""
    maintenance = MaintenanceRoom(settings)
    return (
        InspectionRoom(settings, _runs_here),
        ScenarioRoom(settings, orchestrator_of),
        maintenance,
        ProvisioningRoom(settings, maintenance.handlers["reseed"]),
    )


def _runs_here(cluster: ClusterSettings, address: str) -> bool:
    """Whether the server is a process of this machine under our control, so that its files are ours to read."""
    local = orchestrator_of(cluster) if cluster.orchestrator == "local" else None
    return local is not None and local.controls(address)
