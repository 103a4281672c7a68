"""What the worker read of one server, in the forms of the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from repman.web.render.nullable import integer, number, text, whole

Record = Mapping[str, str | None]

_LINK = {
    "connectionName": "connection_name",
    "channelName": "connection_name",
    "masterHost": "master_host",
    "masterUser": "master_user",
    "masterPort": "master_port",
    "masterLogFile": "master_log_file",
    "readMasterLogPos": "read_master_log_pos",
    "relayMasterLogFile": "relay_master_log_file",
    "slaveIoRunning": "slave_io_running",
    "slaveSqlRunning": "slave_sql_running",
    "execMasterLogPos": "exec_master_log_pos",
    "lastIoErrno": "last_io_errno",
    "lastIoError": "last_io_error",
    "lastSqlErrno": "last_sql_errno",
    "lastSqlError": "last_sql_error",
    "usingGtid": "using_gtid",
    "gtidIoPos": "gtid_io_pos",
    "gtidSlavePos": "gtid_slave_pos",
    "executedGtidSet": "executed_gtid_set",
    "retrievedGtidSet": "retrieved_gtid_set",
    "slaveSQLRunningState": "slave_sql_running_state",
    "postgresExternalId": "external_id",
    "eeplicateDoDomainIds": "replicate_do_domain_ids",
    "replicateDoDomainIds": "replicate_do_domain_ids",
    "replicateIgnoreDomainIds": "replicate_ignore_domain_ids",
    "replicateIgnoreServerIds": "replicate_ignore_server_ids",
    "replicateDoDb": "replicate_do_db",
    "replicateIgnoreDb": "replicate_ignore_db",
    "replicateDoTable": "replicate_do_table",
    "replicateIgnoreTable": "replicate_ignore_table",
    "replicateWildDoTable": "replicate_wild_do_table",
    "replicateWildIgnoreTable": "replicate_wild_ignore_table",
}
"""Keys of the API and the columns of ``SHOW ALL SLAVES STATUS`` that they are; the misspelled one is replication-manager's."""


def render_named(values: Mapping[str, object]) -> list[dict[str, str]]:
    """Variables or counters, in the order given."""
    return [{"variableName": name, "value": str(value)} for name, value in values.items()]


def render_process(process: Record, url: str = "") -> dict[str, Any]:
    """A session.  MariaDB does not tell how many rows it has sent."""
    return {
        "id": whole(process["id"]),
        "user": process["user"] or "",
        "host": process["host"] or "",
        "db": text(process["db"]),
        "command": process["command"] or "",
        "time": number(process["time"]),
        "timeMs": number(process["time_ms"]),
        "state": text(process["state"]),
        "info": text(process["info"]),
        "progress": number(process["progress"]),
        "rowsSent": 0,
        "rowsExamined": max(0, whole(process["examined_rows"])),
        "url": url,
    }


def render_table(table: Record) -> dict[str, Any]:
    """A table; what is zero or not known is left out."""
    found: dict[str, Any] = {name: table[name] for name in ("table_schema", "table_name", "engine")}
    found |= {name: whole(table[name]) for name in ("table_rows", "data_length", "index_length")}
    return {name: value for name, value in found.items() if value}


def render_tables(tables: Iterable[Record]) -> list[dict[str, Any]]:
    """Tables in the order given."""
    return [render_table(table) for table in tables]


def render_named_tables(tables: Iterable[Record]) -> dict[str, Any]:
    """Tables by ``schema.table``."""
    return {f"{table['table_schema']}.{table['table_name']}": render_table(table) for table in tables}


def render_channel(channel: Record) -> dict[str, Any]:
    """What a server replicates over one channel, in its own words."""
    return {
        **{key: text(channel.get(column)) for key, column in _LINK.items()},
        "secondsBehindMaster": integer(channel.get("seconds_behind_master")),
        "masterServerId": whole(channel.get("master_server_id")),
        "slaveHeartbeatPeriod": float(channel.get("slave_heartbeat_period") or 0),
    }


def render_binary_log(position: Record) -> dict[str, Any]:
    """File and position of a server's own binary log."""
    return {
        "file": position["file"] or "",
        "position": whole(position["position"]),
        "binlogDoDB": position["binlog_do_db"] or "",
        "binlogIgnoreDB": position["binlog_ignore_db"] or "",
    }


def render_metadata_lock(lock: Record) -> dict[str, Any]:
    """A metadata lock."""
    return {
        "threadId": whole(lock["thread_id"]),
        "lockMode": text(lock["lock_mode"]),
        "lockDuration": text(lock["lock_duration"]),
        "lockTimeMs": integer(lock["lock_time_ms"]),
        "lockType": text(lock["lock_type"]),
        "lockCatalog": text(lock["table_catalog"]),
        "lockSchema": text(lock["table_schema"]),
        "lockName": text(lock["table_name"]),
    }


def render_response_time(row: Record) -> dict[str, Any]:
    """How many statements took at most so long."""
    return {"time": (row["time"] or "").strip(), "count": whole(row["count"]), "total": (row["total"] or "").strip()}


def render_differences(found: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Variables in which servers differ; a server that lacks the variable has an empty value."""
    return [
        {
            "variableName": each["variable"],
            "diffValues": [
                {"serverName": names.get(address, address), "variableValue": value or ""}
                for address, value in each["values"].items()
            ],
        }
        for each in found
    ]


def render_error_log(cluster: str, lines: list[Mapping[str, Any]]) -> dict[str, Any]:
    """A log object, newest first; times are the server's own."""
    buffer = [
        {"group": cluster, "level": line["level"], "timestamp": line["at"], "text": line["text"]} for line in lines
    ]
    return {"buffer": buffer, "len": len(buffer), "line": len(buffer)}
