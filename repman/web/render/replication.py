"""A replication channel and its health, in the words of the API."""

from __future__ import annotations

from typing import Any

from repman.model.decision import ServerState
from repman.model.observation import Link, Receiver
from repman.model.snapshot import ServerView, Snapshot

_RECEIVER_WORDS = {Receiver.RUNNING: "Yes", Receiver.CONNECTING: "Connecting", Receiver.STOPPED: "No"}

_NEVER_READ = [
    "masterUser",
    "masterLogFile",
    "readMasterLogPos",
    "relayMasterLogFile",
    "execMasterLogPos",
    "executedGtidSet",
    "retrievedGtidSet",
    "slaveSQLRunningState",
    "postgresExternalId",
    "eeplicateDoDomainIds",
    "replicateIgnoreDomainIds",
    "replicateIgnoreServerIds",
    "replicateDoDb",
    "replicateIgnoreDb",
    "replicateDoTable",
    "replicateIgnoreTable",
    "replicateWildDoTable",
    "replicateWildIgnoreTable",
    "gtidSlavePos",
]


def render_link(link: Link) -> dict[str, Any]:
    """One channel; values that a server may not know are ``{"String", "Valid"}`` pairs, as upstream."""
    host, _, port = link.source.rpartition(":")
    return {
        **{key: _text(None) for key in _NEVER_READ},
        "connectionName": _text(link.channel),
        "channelName": _text(link.channel),
        "masterHost": _text(host),
        "masterPort": _text(port),
        "masterServerId": link.source_server_id,
        "slaveIoRunning": _text(_RECEIVER_WORDS[link.receiver]),
        "slaveSqlRunning": _text("Yes" if link.applier_running else "No"),
        "secondsBehindMaster": {"Int64": int(link.lag or 0), "Valid": link.lag is not None},
        "lastIoErrno": _text(str(link.receiver_errno)),
        "lastIoError": _text(link.receiver_error),
        "lastSqlErrno": _text(str(link.applier_errno)),
        "lastSqlError": _text(link.applier_error),
        "usingGtid": _text("Slave_Pos" if link.uses_gtid else "No"),
        "gtidIoPos": _text(str(link.received)),
        "slaveHeartbeatPeriod": link.heartbeat_period,
    }


def render_health(snapshot: Snapshot, view: ServerView) -> str:
    """``replicationHealth``: one phrase of upstream's vocabulary; empty for a server that does not answer."""
    if view.maintenance:
        return "Maintenance"
    if snapshot.in_failover:
        return "In Failover"
    if not view.seen.answered:
        return ""
    if view.state is ServerState.MASTER:
        return "Master OK"
    if not view.seen.links:
        return "Not a slave"
    return _link_health(view.seen.links)


def _link_health(links: tuple[Link, ...]) -> str:
    for link in links:
        if link.receiver is Receiver.STOPPED and not link.applier_running:
            return "NOT OK, ALL Stopped"
        if link.receiver is Receiver.CONNECTING:
            return "NOT OK, IO Connecting"
        if link.receiver is Receiver.STOPPED:
            return f"NOT OK, IO Stopped ({link.receiver_errno})"
        if not link.applier_running:
            return f"NOT OK, SQL Stopped ({link.applier_errno})"
    return "Behind master" if any(link.lag for link in links) else "Running OK"


def _text(value: str | None) -> dict[str, Any]:
    return {"String": value or "", "Valid": value is not None}
