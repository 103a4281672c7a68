"""Settings of the processes of servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How the hosts of a cluster are reached, and what is run there."""

    user: str
    password: str = field(repr=False)
    port: int = 22
    private_key: Path | None = None
    known_hosts: Path | None = None
    connect_timeout: float = 5.0
    start_script: Path | None = None
    stop_script: Path | None = None
    provision_script: Path | None = None
    unprovision_script: Path | None = None
    start_proxy_script: Path | None = None
    stop_proxy_script: Path | None = None
