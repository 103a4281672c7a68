"""Shapes of machines, services, and of how provisioning ended."""

from __future__ import annotations

from repman.model.service import ServiceState
from repman.web.shapes.common import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    REASON,
    STRING,
    array,
    each,
    nullable,
    one_of,
    record,
)

SERVICE = record(
    {
        **each("name address", STRING),
        "type": one_of("database", "proxy"),
        "state": one_of(*ServiceState),
        **each("pid memBytes threads diskBytes", nullable(INTEGER)),
        **each("cpuPercent cpuSeconds uptimeSeconds", nullable(NUMBER)),
    },
    "Service",
)
AGENT = record(
    {
        **each("hostName osKernel osName version error", STRING),
        "status": one_of("up", "down"),
        **each("id cpuCores cpuFreq memBytes memFreeBytes", INTEGER),
        "services": array(SERVICE),
    },
    "Agent",
)
UNAVAILABLE = record({"available": BOOLEAN, "reason": STRING}, "Unavailable")
AGENTS = {"anyOf": [array(AGENT), UNAVAILABLE]}
_NAMES = "provisioned unprovisioned started jobs troubles"
TOLD = record(
    {"status": one_of("done", "started"), **each("sentence job", STRING), **each(_NAMES, array(STRING))},
    "Provisioned",
    optional=tuple(_NAMES.split()),
)
REFUSED = record(
    {**each("error code", STRING), "reasons": array(REASON), **each(_NAMES, array(STRING))},
    "NotProvisioned",
    optional=("reasons", *_NAMES.split()),
)
