"""The rooms of the worker, composed."""

from __future__ import annotations

from repman.config.settings import Settings
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
        InspectionRoom(settings),
        ScenarioRoom(settings, orchestrator_of),
        maintenance,
        ProvisioningRoom(settings, maintenance.handlers["reseed"], maintenance.claim),
    )
