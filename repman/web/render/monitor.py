"""The daemon in the form of ``/api/monitor``."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import repman
from repman.config.settings import Settings
from repman.model.orchestrator import orchestrators_available
from repman.model.scenario import NAMES
from repman.model.snapshot import Snapshot
from repman.web.acl import GRANTS
from repman.web.render import vocabulary
from repman.web.render.config import render_config
from repman.web.render.logs import newest_first, render_log

_LOG_LINES = 80
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Host:
    """Where repman runs."""

    os: str
    arch: str
    hostname: str

    @classmethod
    def here(cls) -> Host:
        """This machine, in the words that replication-manager uses."""
        machine = platform.machine()
        return cls(platform.system().lower() or os.name, _ARCHITECTURES.get(machine, machine), socket.gethostname())


def render_monitor(settings: Settings, snapshots: Sequence[Snapshot], host: Host) -> dict[str, Any]:
    """Every key of the contract.  The configuration of clusters stands in their own objects."""
    published = [snapshot for snapshot in snapshots if snapshot.generation]
    return {
        "version": repman.__version__,
        "fullVersion": f"repman-{repman.__version__}",
        "os": host.os,
        "arch": host.arch,
        "hostname": host.hostname,
        "memprofile": "",
        "cpuprofile": "",
        "agents": None,
        "uuid": published[0].run if published else "",
        "status": "A" if any(snapshot.active for snapshot in published) else "S",
        "spitBrain": False,
        "clusters": [cluster.policy.name for cluster in settings.clusters],
        "tests": list(NAMES),
        "config": render_config(settings.service.options),
        "Confs": {cluster.policy.name: render_config(cluster.options) for cluster in settings.clusters},
        "logs": _logs(snapshots),
        "serviceAcl": [{"grant": grant, "enable": False} for grant in GRANTS],
        **_services(),
    }


def _logs(snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """The newest lines of all clusters together."""
    owner = {id(event): snapshot.cluster for snapshot in snapshots for event in snapshot.events}
    newest = newest_first(event for snapshot in snapshots for event in snapshot.events)[:_LOG_LINES]
    buffer = [render_log(owner[id(event)], [event])["buffer"][0] for event in newest]
    return {"buffer": buffer, "len": len(buffer), "line": len(buffer)}


def _services() -> dict[str, Any]:
    return {
        "servicePlans": None,
        "serviceOrchestrators": [
            {
                "id": index,
                "name": name,
                "available": available,
                "label": "",
            }
            for index, (name, available) in enumerate(orchestrators_available().items(), 1)
        ],
        "serviceRepos": [],
        "serviceTarballs": [],
        "serviceFS": vocabulary.FILE_SYSTEMS,
        "serviceVM": vocabulary.CONTAINERS,
        "serviceDisk": vocabulary.DISKS,
        "servicePool": vocabulary.POOLS,
        "backupLogicalList": vocabulary.LOGICAL_BACKUPS,
        "backupPhysicalList": vocabulary.PHYSICAL_BACKUPS,
    }
