"""The table of servers as replication-manager-cli prints it.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_COLUMNS = (
    ("Id", 19),
    ("Host", 15),
    ("Port", 6),
    ("Status", 15),
    ("Failures", 10),
    ("Using GTID", 12),
    ("Current GTID", 20),
    ("Slave GTID", 20),
    ("Replication Health", 30),
    ("Delay", 6),
    ("RO", 3),
    ("MAINT", 5),
)


def topology_lines(cluster: str, document: Mapping[str, Any], servers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The heading, the names of the columns and a line for each server."""
    interactive = bool((document.get("config") or {}).get("failoverMode") == "manual")
    yield f"| Group: {cluster} |  Mode: {'Manual' if interactive else 'Automatic'} "
    yield " ".join(name.rjust(width) for name, width in _COLUMNS)
    for server in servers:
        cells = _cells(server)
        yield " ".join(cell.rjust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True))


def _cells(server: Mapping[str, Any]) -> tuple[str, ...]:
    link = _link(server)
    read_only = server.get("readOnly")
    return (
        str(server.get("id", "")),
        str(server.get("host", "")),
        str(server.get("port", "")),
        str(server.get("state", "")),
        str(server.get("failCount", 0)),
        _text(link.get("usingGtid")) or "No",
        _gtids(server.get("currentGtid")),
        _gtids(server.get("slaveGtid")),
        str(server.get("replicationHealth", "")),
        str((link.get("secondsBehindMaster") or {}).get("Int64", 0)),
        "Y" if read_only in ("ON", True) else "N",
        "Y" if server.get("isMaintenance") else "N",
    )


def _link(server: Mapping[str, Any]) -> Mapping[str, Any]:
    """The channel of that name, or an empty one."""
    wanted = server.get("replicationSourceName", "")
    for link in server.get("replications") or ():
        if _text(link.get("connectionName")) == wanted:
            found: Mapping[str, Any] = link
            return found
    return {}


def _gtids(value: Any) -> str:
    return ",".join(f"{one['domainId']}-{one['serverId']}-{one['seqNo']}" for one in value or ())


def _text(value: Any) -> str:
    return str(value.get("String", "")) if isinstance(value, Mapping) else ""
