"""Machines and the services that run on them, as an orchestrator finds them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ServiceState(StrEnum):
    """What a service's process is about."""

    RUNNING = "running"
    FROZEN = "frozen"
    """Stopped by a signal: it exists and does nothing."""
    STOPPED = "stopped"
    UNPROVISIONED = "unprovisioned"
    """There is nothing it could be started from."""
    UNKNOWN = "unknown"
    """Its host cannot be asked."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process uses."""

    memory_bytes: int
    """Resident."""
    cpu_seconds: float
    cpu_percent: float
    """Of one core, on average since it was started."""
    threads: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Service:
    """One database server or balancer."""

    name: str
    kind: str
    """``database`` or ``proxy``."""
    address: str
    state: ServiceState
    pid: int | None = None
    usage: Usage | None = None
    disk_bytes: int | None = None
    """Of its data directory; None: there is none, or it cannot be measured."""


@dataclass(frozen=True, slots=True)
class Host:
    """One machine; zeros and empty words where it cannot be asked (`error` says why)."""

    name: str
    cpu_cores: int = 0
    cpu_mhz: int = 0
    memory_bytes: int = 0
    memory_free_bytes: int = 0
    kernel: str = ""
    system: str = ""
    error: str = ""
    services: tuple[Service, ...] = ()
