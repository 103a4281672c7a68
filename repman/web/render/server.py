"""A server in the form of ``topology/servers``."""

from __future__ import annotations

from typing import Any

from repman.model.decision import ServerState
from repman.model.observation import ServerSeen
from repman.model.position import MariadbGtid, Position
from repman.model.snapshot import ServerView, Snapshot
from repman.model.version import ServerVersion
from repman.web.render import vocabulary
from repman.web.render.member import render_member
from repman.web.render.replication import render_health, render_link

_REPLICA = (
    ServerState.SLAVE,
    ServerState.SLAVE_LATE,
    ServerState.SLAVE_ERR,
    ServerState.RELAY,
    ServerState.RELAY_LATE,
    ServerState.RELAY_ERR,
)


def render_servers(snapshot: Snapshot) -> list[dict[str, Any]]:
    """All servers, in configured order."""
    return [render_server(snapshot, view) for view in snapshot.servers]


def render_writer(snapshot: Snapshot) -> dict[str, Any] | None:
    """The writer, or None when there is none or it is dead."""
    view = snapshot.server(snapshot.writer) if snapshot.writer else None
    return render_server(snapshot, view) if view is not None and snapshot.writer_alive else None


def render_replicas(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The servers that replicate, whatever their condition."""
    return [render_server(snapshot, view) for view in snapshot.servers if view.state in _REPLICA]


def render_server(snapshot: Snapshot, view: ServerView) -> dict[str, Any]:
    """What is known of it now; for a server that does not answer the last known values where they help."""
    known = view.seen if view.seen.answered else view.last or view.seen
    return {
        **_unknown_to_repman(),
        **_identity(view, known),
        **_positions(known),
        **_settings(known),
        **_moment(view.seen),
        **_condition(snapshot, view),
        "replications": [render_link(link) for link in view.seen.links],
        "lastSeenReplications": [render_link(link) for link in (view.last.links if view.last else ())],
        "replicaSet": render_member(known),
        "binlogDumpThreads": sum(1 for other in snapshot.servers if other.seen.follows(view.policy.address)),
    }


def _identity(view: ServerView, known: ServerSeen) -> dict[str, Any]:
    policy = view.policy
    return {
        "id": policy.id,
        "name": policy.name,
        "host": policy.host,
        "port": str(policy.port),
        "url": policy.address,
        "serverId": known.server_id,
        "dbVersion": _version(known.version),
        "prefered": policy.preferred is not None,
        "ignored": not policy.electable,
        "ignoredRO": policy.keep_read_only_alone,
    }


def _positions(known: ServerSeen) -> dict[str, Any]:
    link = known.link
    executed = _gtids(known.executed)
    return {
        "gtidBinlogPos": executed if known.binlog else [],
        "currentGtid": executed,
        "slaveGtid": executed if known.links else [],
        "ioGtid": _gtids(link.received) if link is not None else [],
        "failoverIoGtid": [],
        "gtidExecuted": "",
        "replicationSourceName": link.channel if link is not None else "",
        "domainId": executed[0]["domainId"] if executed else 0,
    }


def _settings(known: ServerSeen) -> dict[str, Any]:
    mariadb = known.version is not None and known.version.flavour == "MariaDB"
    semi_sync = known.semi_sync
    return {
        "strict": _on_off(known.strict_gtid),
        "haveGtidStrictMode": known.strict_gtid,
        "haveMariadbGtid": mariadb,
        "haveBinlog": known.binlog,
        "haveBinlogRow": known.row_format,
        "HaveBinlogSlaveUpdates": known.log_replica_updates,
        "haveSemiSync": semi_sync is not None,
        "replicationTags": " ".join(
            tag
            for tag, held in (
                ("GTID", mariadb),
                ("ROW", known.row_format),
                ("SEMI_SYNC", semi_sync is not None and semi_sync.source_enabled),
                ("RELAY_UPDATES", known.log_replica_updates),
            )
            if held
        ),
    }


def _moment(seen: ServerSeen) -> dict[str, Any]:
    """What an earlier look would tell wrongly: a dead server is not writable."""
    semi_sync = seen.semi_sync
    return {
        "readOnly": _on_off(seen.read_only),
        "haveReadOnly": bool(seen.read_only),
        "semiSyncMasterStatus": semi_sync is not None and semi_sync.waiting_for_acks,
        "semiSyncSlaveStatus": semi_sync is not None and semi_sync.replica_enabled and bool(seen.links),
    }


def _condition(snapshot: Snapshot, view: ServerView) -> dict[str, Any]:
    followers = [other for other in snapshot.servers if other.seen.follows(view.policy.address)]
    return {
        "state": view.state.value,
        "prevState": view.previous_state.value,
        "failCount": view.failures,
        "replicationHealth": render_health(snapshot, view),
        "isMaintenance": view.maintenance,
        "isSlave": view.state in _REPLICA,
        "isRelay": bool(view.seen.links) and bool(followers),
        "isVirtualMaster": False,
        "HaveHealthyReplica": any(link.healthy for other in followers for link in other.seen.links),
        "reach": view.seen.reach.value,
        "error": view.seen.error,
        "unacknowledged": view.unacknowledged,
        "isWriter": view.policy.address == snapshot.writer,
    }


def _version(version: ServerVersion | None) -> dict[str, Any]:
    if version is None:
        return {"flavor": "", "major": 0, "minor": 0, "release": 0, "suffix": "", "path": "", "dist": None}
    return {
        "flavor": version.flavour,
        "major": version.major,
        "minor": version.minor,
        "release": version.patch,
        "suffix": version.suffix,
        "path": "",
        "dist": None,
    }


def _gtids(position: Position | None) -> list[dict[str, int]]:
    if not isinstance(position, MariadbGtid):
        return []
    return [{"domainId": domain, "serverId": server, "seqNo": sequence} for domain, server, sequence in position.last]


def _on_off(value: bool | None) -> str:
    return "" if value is None else "ON" if value else "OFF"


_NEVER_TEXT = [
    "domain",
    "serviceName",
    "sourceClusterName",
    "ip",
    "tunnelPort",
    "agent",
    "sstPort",
    "datadir",
    "slaposDatadir",
    "postgressDB",
    "tlsConfigUsed",
    "user",
    "binaryLogFile",
    "binaryLogFilePrevious",
    "binaryLogPos",
    "binaryLogFileOldest",
    "failoverMasterLogFile",
    "failoverMasterLogPos",
    "longQueryTime",
    "longQueryTimeSaved",
    "logOutput",
    "slowQueryLog",
    "maxscaleServerName",
    "maxscaleServerStatus",
    "proxysqlHostgroup",
    "isReseeding",
    "BinaryLogDir",
    "DBDataDir",
]
_NEVER_NUMBER = [
    "hashUUID",
    "failSuspectHeartbeat",
    "binaryLogFilesCount",
    "binaryLogOldestTimestamp",
    "binaryLogPurgeBefore",
    "maxSlowQueryTimestamp",
    "qps",
    "relayLogSize",
    "maxscaleVersion",
]
_NEVER_TRUE = [
    "failoverSemiSyncSlaveStatus",
    "HaveSshError",
    "eventScheduler",
    "haveInnodbTrxCommit",
    "haveInnodbChecksum",
    "haveLogGeneral",
    "haveBinLogSync",
    "haveBinlogMixed",
    "haveBinlogStatement",
    "haveBinlogAnnotate",
    "haveBinlogSlowqueries",
    "haveBinlogCompress",
    "haveMysqlGtid",
    "haveSlowQueryLog",
    "havePFSSlowQueryLog",
    "haveMetaDataLocksLog",
    "haveQueryResponseTimeLog",
    "haveDiskMonitor",
    "haveSQLErrorLog",
    "havePFS",
    "haveWsrep",
    "haveNoMasterOnStart",
    "haveSlaveIdempotent",
    "haveSlaveOptimistic",
    "haveSlaveSerialized",
    "haveSlaveAggressive",
    "haveSlaveMinimal",
    "haveSlaveConservative",
    "isWsrepSync",
    "isWsrepDonor",
    "isWsrepPrimary",
    "isMaxscale",
    "isGroupReplicationSlave",
    "isGroupReplicationMaster",
    "isCompute",
    "isDelayed",
    "isFull",
    "isConfigGen",
    "preferedBackup",
    "inCaptureMode",
    "slowQueryCapture",
    "maxscaleHaveGtid",
    "IsInSlowQueryCapture",
    "IsInPFSQueryCapture",
    "InPurgingBinaryLog",
    "IsBackingUpBinaryLog",
    "IsRefreshingBinlog",
    "IsRefreshingBinlogMeta",
    "IsLoadingJobList",
    "NeedRefreshJobs",
]


def _unknown_to_repman() -> dict[str, Any]:
    """Keys of the contract that repman does not watch yet, with the documented empty value."""
    counters = {"delay": 0, "delayCount": 0, "slaveErrCount": 0, "counter": 0}
    return {
        **dict.fromkeys(_NEVER_TEXT, ""),
        **dict.fromkeys(_NEVER_NUMBER, 0),
        **dict.fromkeys(_NEVER_TRUE, False),
        "masterStatus": {"file": "", "position": 0, "binlogDoDB": "", "binlogIgnoreDB": ""},
        "binaryLogFiles": {},
        "eventStatus": None,
        "engineInnodb": {},
        "workLoad": {},
        "jobResults": {},
        "errorLog": vocabulary.empty_log(),
        "process": None,
        "delayStat": {
            "total": counters,
            "rotated": counters,
            "current": counters,
            "currentDT": vocabulary.NO_TIME,
            "delayHistory": [],
        },
        "slaveVariables": {
            "slaveParallelMaxQueued": 0,
            "slaveParallelMode": "",
            "slaveParallelThreads": 0,
            "slaveParallelWorkers": 0,
            "slaveTypeConversions": "",
        },
        "lastBackupMeta": {"logical": None, "physical": None},
        "PointInTimeMeta": {"IsInPITR": False, "UseBinlog": False, "Backup": 0, "RestoreTime": 0},
    }
