"""The daemon in the form of ``/api/monitor``."""

from __future__ import annotations

import os
import platform
import pwd
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from operator import attrgetter
from typing import Any

import repman
from repman.config.settings import Settings
from repman.model.orchestrator import orchestrators_available
from repman.model.scenario import NAMES
from repman.model.snapshot import Snapshot
from repman.web.acl import GRANTS
from repman.web.render import vocabulary
from repman.web.render.config import render_config
from repman.web.render.logs import render_log

_LOG_LINES = 80
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Host:
    """Where repman runs."""

    os: str
    arch: str
    hostname: str
    user: Mapping[str, str]
    """The account that repman runs as."""

    @classmethod
    def here(cls) -> Host:
        """This machine, in the words that replication-manager uses."""
        machine = platform.machine()
        system = platform.system().lower() or os.name
        return cls(system, _ARCHITECTURES.get(machine, machine), socket.gethostname(), _account())


def _account() -> dict[str, str]:
    """Who this process is, as far as the system knows the number."""
    known = {"Uid": str(os.getuid()), "Gid": str(os.getgid()), "Username": "", "Name": "", "HomeDir": ""}
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        return known
    return {**known, "Username": entry.pw_name, "Name": entry.pw_gecos.split(",")[0], "HomeDir": entry.pw_dir}


def render_monitor(settings: Settings, snapshots: Sequence[Snapshot], host: Host) -> dict[str, Any]:
    """Every key of the contract."""
    return {**monitor_fixed(settings, host), **monitor_moving(snapshots)}


def monitor_moving(snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """The keys that change with what is observed."""
    published = [snapshot for snapshot in snapshots if snapshot.generation]
    return {
        "uuid": published[0].run if published else "",
        "status": "A" if any(snapshot.active for snapshot in published) else "S",
        "logs": _logs(snapshots),
    }


def monitor_fixed(settings: Settings, host: Host) -> dict[str, Any]:
    """The keys that change with the configuration only."""
    return {
        "version": repman.__version__,
        "fullVersion": f"repman-{repman.__version__}",
        "os": host.os,
        "arch": host.arch,
        "hostname": host.hostname,
        "osUser": host.user,
        "memprofile": "",
        "cpuprofile": "",
        "agents": None,
        "spitBrain": False,
        "clusters": [cluster.policy.name for cluster in settings.clusters],
        "tests": list(NAMES),
        "config": render_config(settings.service.options),
        "Confs": {cluster.policy.name: render_config(cluster.options) for cluster in settings.clusters},
        "serviceAcl": [{"grant": grant, "enable": False} for grant in GRANTS],
        **_services(),
    }


def _logs(snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """The newest lines of all clusters together."""
    owner = {id(event): snapshot.cluster for snapshot in snapshots for event in snapshot.events}
    newest = nlargest(_LOG_LINES, (event for snapshot in snapshots for event in snapshot.events), key=attrgetter("at"))
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
        "backupBinlogList": vocabulary.BINLOG_BACKUPS,
        "binlogParseList": vocabulary.BINLOG_PARSERS,
        "graphiteTemplateList": vocabulary.GRAPHITE_TEMPLATES,
        "isSavingConfig": False,
        "hasSavingConfigQueue": False,
        "isGitPull": False,
        "canConnectVault": False,
    }
