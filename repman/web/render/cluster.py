"""A cluster in the form of ``/api/clusters/{cluster}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repman.config.settings import ClusterSettings
from repman.model.decision import ServerState
from repman.model.problem import Refusal
from repman.model.snapshot import PlanView, Snapshot
from repman.state.history import Crash
from repman.web.acl import GRANTS, User
from repman.web.render import vocabulary
from repman.web.render.config import render_config
from repman.web.render.crash import render_crash
from repman.web.render.logs import is_failing, render_log
from repman.web.render.proxy import proxy_id


def render_cluster(
    snapshot: Snapshot,
    cluster: ClusterSettings,
    users: Mapping[str, User],
    datadir: str,
    crashes: Sequence[Crash] = (),
) -> dict[str, Any]:
    """Every key of the contract; those that repman has no knowledge for hold the documented empty value.

    `crashes`: the changes of the writer, newest first.
    """
    return {
        **_identity(snapshot, cluster, datadir),
        **_condition(snapshot),
        **_not_watched(),
        **_changes(snapshot, crashes),
        **_figures(snapshot),
        "config": render_config(cluster.options),
        "log": render_log(snapshot.cluster, snapshot.events),
        "apiUsers": {
            name: _user(user, snapshot.cluster) for name, user in sorted(users.items()) if user.sees(snapshot.cluster)
        },
        **_vocabulary(),
        **_native(snapshot),
        "clusterType": "mongodb" if cluster.mongodb else "mariadb",
        "clusterGroup": cluster.mongodb.group if cluster.mongodb else "",
    }


def render_plan(plan: PlanView | None) -> dict[str, Any] | None:
    """The plan that runs or ran last."""
    if plan is None:
        return None
    return {
        "id": plan.id,
        "kind": plan.kind,
        "reason": plan.reason,
        "state": plan.state,
        "detail": plan.detail,
        "current": plan.current,
        "startedAt": plan.started_at,
        "seconds": plan.seconds,
        "oldWriter": plan.old_writer,
        "newWriter": plan.new_writer,
        "lostToUndo": plan.lost_to_undo,
        "steps": [
            {
                "kind": step.kind.value,
                "server": step.server,
                "source": step.source,
                "essential": step.essential,
                "seconds": plan.step_seconds[index] if index < len(plan.step_seconds) else None,
            }
            for index, step in enumerate(plan.steps)
        ],
    }


def _identity(snapshot: Snapshot, cluster: ClusterSettings, datadir: str) -> dict[str, Any]:
    return {
        "name": snapshot.cluster,
        "tenant": "",
        "workingDir": datadir,
        "dbServers": [view.policy.id for view in snapshot.servers],
        "proxyServers": [proxy_id(snapshot.cluster, proxy) for proxy in cluster.haproxies],
        "failoverCounter": snapshot.failovers,
        "failoverLastTime": int(snapshot.last_failover or 0),
        "activePassiveStatus": "A" if snapshot.active else "S",
        "topology": snapshot.topology,
    }


def _condition(snapshot: Snapshot) -> dict[str, Any]:
    down = [view.state.down for view in snapshot.servers]
    return {
        "isSplitBrain": False,
        "isFailedArbitrator": False,
        "isLostMajority": False,
        "isDown": all(view.state is ServerState.FAILED for view in snapshot.servers),
        "isClusterDown": all(down),
        "isAllDbUp": not any(down),
        "isFailable": not is_failing(snapshot),
        "isProvision": any(view.seen.links for view in snapshot.servers),
        "isNotMonitoring": snapshot.in_failover,
        "inRollingRestart": snapshot.rolling is not None,
        "stateMachine": {
            "discovered": snapshot.generation > 0,
            "inFailover": snapshot.in_failover,
            "inSchemaMonitor": False,
        },
    }


def _changes(snapshot: Snapshot, crashes: Sequence[Crash]) -> dict[str, Any]:
    """The changes of the writer; as long as a server is down also as crashes."""
    told = [render_crash(crash) for crash in crashes]
    down = any(view.state.down for view in snapshot.servers)
    return {"failoverHistory": told, "dbServersCrashes": told if down else None}


def _not_watched() -> dict[str, Any]:
    """What this release does not do."""
    never = (
        "isPostgres isNeedProxyRestart isNeedProxiesRestart isNeedDatabasesRestart isNeedDatabasesRollingRestart "
        "isNeedDatabasesRollingReprov isNeedDatabasesReprov isValidBackup isCapturing isGitPull isAlertDisable "
        "cleanReplication haveDBTLSCert haveDBTLSOldCert canInitNodes canConnectVault isGitPush isExportPush "
        "isGettingSlowLog isNeedProxiesConfigChange isNeedDatabasesConfigChange inPhysicalBackup inLogicalBackup "
        "inBinlogBackup inResticBackup UseWhitelist UseBlacklist"
    )
    workload = ("dbTableSize", "dbIndexSize", "connections", "qps", "cpuThreadPool", "cpuUserStats")
    return {
        **dict.fromkeys(never.split(), False),
        "workLoad": {**dict.fromkeys(workload, 0), "BusyTime": ""},
        "jobResults": {},
        "sqlGeneralLog": vocabulary.empty_log(),
        "sqlErrorLog": vocabulary.empty_log(),
        "logTask": vocabulary.empty_log(),
        "backupStat": {"total_size": 0, "total_file_count": 0, "total_blob_count": 0},
        "backupList": {},
        "Whitelist": [],
        "Blacklist": [],
        "VersionsMap": {},
        "agents": None,
        "slaHistory": None,
        "waitingRejoin": 0,
        "waitingSwitchover": 0,
        "waitingFailover": 0,
        "configurator": {"configTags": [], "configPrxTags": [], "dbServersTags": [], "proxyServersTags": []},
        "diffVariables": [],
        "sstAvailablePorts": {},
        "LastDelayStatPrint": vocabulary.NO_TIME,
        "SlavesOldestMasterFile": {"Prefix": "", "Suffix": 0, "OldestTimestamp": vocabulary.NO_TIME},
    }


def _figures(snapshot: Snapshot) -> dict[str, Any]:
    watched = snapshot.watched_seconds
    return {
        "uptime": _percent(snapshot.writer_seconds, watched),
        "uptimeFailable": _percent(snapshot.protected_seconds, watched),
        "uptimeSemisync": _percent(watched - snapshot.unprotected_seconds, watched),
        "monitorSpin": snapshot.ticks,
        "SlavesConnected": sum(1 for view in snapshot.servers if view.seen.follows(snapshot.writer)),
    }


def _vocabulary() -> dict[str, Any]:
    return {
        "monitorType": vocabulary.MONITOR_TYPES,
        "topologyType": {name: name for name in vocabulary.TOPOLOGIES},
        "fsType": vocabulary.FILE_SYSTEMS,
        "diskType": vocabulary.DISKS,
        "vmType": vocabulary.CONTAINERS,
    }


def _native(snapshot: Snapshot) -> dict[str, Any]:
    """What repman adds to the contract."""
    blocked_by = [_refusal(refusal) for refusal in snapshot.blocked_by]
    return {
        "protected": snapshot.protected,
        "blockedBy": blocked_by,
        "blocked_by": blocked_by,
        "refusals": [_refusal(refusal) for refusal in snapshot.refusals],
        "writer": snapshot.writer,
        "writerAlive": snapshot.writer_alive,
        "degraded": snapshot.degraded,
        "paused": snapshot.paused,
        "lease": snapshot.lease,
        "unprotectedSeconds": snapshot.unprotected_seconds,
        "observedAt": snapshot.at,
        "plan": render_plan(snapshot.plan),
    }


def _refusal(refusal: Refusal) -> dict[str, str]:
    return {"code": refusal.code, "sentence": refusal.sentence, "server": refusal.server}


def _user(user: User, cluster: str) -> dict[str, Any]:
    held = user.held(cluster)
    return {"user": user.name, "grants": {grant: grant in held for grant in GRANTS}}


def _percent(part: float, whole: float) -> float:
    return round(100.0 * max(0.0, min(part, whole)) / whole, 5) if whole > 0 else 0.0
