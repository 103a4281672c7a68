"""A proxy in the form of ``topology/proxies``."""

from __future__ import annotations

import zlib
from typing import Any

from repman.config.settings import HaproxySettings
from repman.model.snapshot import Snapshot


def render_proxy(snapshot: Snapshot, haproxy: HaproxySettings) -> dict[str, Any]:
    """One HAProxy, as configured and as last seen."""
    seen = next((proxy for proxy in snapshot.proxies if proxy.name == haproxy.name), None)
    answered = seen is not None and seen.answered
    empty = ["hostIPV6", "version", "datadir", "slaposDatadir", "serviceName", "agent", "weight", "prevState"]
    zero = ["tunnelPort", "tunnelWritePort", "readWritePort", "readerHostGroup", "writerHostGroup", "failCount"]
    return {
        "DatabaseProxy": None,
        **dict.fromkeys(empty, ""),
        **dict.fromkeys(zero, 0),
        "id": proxy_id(snapshot.cluster, haproxy),
        "name": haproxy.name,
        "host": haproxy.host,
        "port": str(haproxy.write_port),
        "type": "haproxy",
        "writePort": haproxy.write_port,
        "readPort": haproxy.read_port,
        "tunnel": False,
        "state": "ProxyRunning" if answered else "Suspect" if seen is None else "Failed",
        "error": seen.error if seen is not None else "",
        "backendsWrite": _backends(snapshot, seen.write if seen is not None else ()),
        "backendsRead": _backends(snapshot, seen.read if seen is not None else ()),
        "leftInMaintenance": list(seen.left_in_maintenance) if seen is not None else [],
        "internalProxy": None,
        "shardProxy": None,
        "queryRules": None,
        "process": None,
        "Lock": {},
    }


def proxy_id(cluster: str, haproxy: HaproxySettings) -> str:
    """Stable over restarts: ``px`` and a checksum of cluster, name and write port."""
    return f"px{zlib.crc32(f'{cluster}{haproxy.name}:{haproxy.write_port}'.encode())}"


def _backends(snapshot: Snapshot, routed: tuple[str, ...]) -> list[dict[str, Any]]:
    """The servers that this port routes to now; what HAProxy counts is not read."""
    uncounted = dict.fromkeys(("prxConnections", "prxHostgroup", "prxByteOut", "prxByteIn", "prxLatency"), "")
    backends = []
    for view in snapshot.servers:
        if view.policy.address in routed:
            backends.append(
                {
                    "host": view.policy.host,
                    "port": str(view.policy.port),
                    "status": view.state.value,
                    "prxName": view.policy.name,
                    "prxStatus": "UP",
                    "prxMaintenance": False,
                    **uncounted,
                }
            )
    return backends
