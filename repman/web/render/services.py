"""Machines and services as the worker tells of them, with replication-manager's keys of an agent."""

from __future__ import annotations

from typing import Any


def render_agents(hosts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One agent for each machine, with the services on it.  No agent software is involved, so it has no version."""
    return [
        {
            "id": index,
            "hostName": host["name"],
            "cpuCores": host["cpu_cores"],
            "cpuFreq": host["cpu_mhz"],
            "memBytes": host["memory_bytes"],
            "memFreeBytes": host["memory_free_bytes"],
            "osKernel": host["kernel"],
            "osName": host["system"],
            "status": "down" if host["error"] else "up",
            "version": "",
            "error": host["error"],
            "services": [_service(service) for service in host["services"]],
        }
        for index, host in enumerate(hosts, 1)
    ]


def _service(service: dict[str, Any]) -> dict[str, Any]:
    usage = service["usage"] or {}
    return {
        "name": service["name"],
        "type": service["kind"],
        "address": service["address"],
        "state": service["state"],
        "pid": service["pid"],
        "memBytes": usage.get("memory_bytes"),
        "cpuPercent": usage.get("cpu_percent"),
        "cpuSeconds": usage.get("cpu_seconds"),
        "threads": usage.get("threads"),
        "uptimeSeconds": usage.get("age_seconds"),
        "diskBytes": service["disk_bytes"],
    }
