"""A proxy and the servers behind it."""

from __future__ import annotations

from repman.web.shapes.common import BOOLEAN, INTEGER, OBJECT, STRING, array, each, nullable, record

_BACKEND = record(
    {
        **each(
            "host port status prxName prxStatus prxConnections prxHostgroup prxByteOut prxByteIn prxLatency", STRING
        ),
        "prxMaintenance": BOOLEAN,
    },
    "Backend",
)

PROXY = record(
    {
        "DatabaseProxy": {"type": "null"},
        **each(
            "id name host hostIPV6 port version datadir slaposDatadir serviceName agent weight type state prevState "
            "error",
            STRING,
        ),
        **each(
            "tunnelPort tunnelWritePort writePort readPort readWritePort readerHostGroup writerHostGroup failCount",
            INTEGER,
        ),
        "tunnel": BOOLEAN,
        **each("backendsWrite backendsRead", nullable(array(_BACKEND))),
        "leftInMaintenance": array(STRING),
        **each("internalProxy shardProxy", nullable(OBJECT)),
        "queryRules": nullable(array(OBJECT)),
        "process": nullable(record({"Pid": INTEGER})),
        "Lock": OBJECT,
    },
    "Proxy",
)
PROXIES = array(PROXY)
