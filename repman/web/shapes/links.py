"""Shapes of links between MongoDB clusters."""

from __future__ import annotations

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

_STATES = ["connecting", "idle", "running", "paused", "finalizing", "finalized", "reversing", "failed"]
_SIDE = record({**each("name address", STRING), "ping_ms": nullable(INTEGER)}, "LinkSide")
_INDEX = record(each("namespace name kind reason", STRING), "UnsuccessfulIndex")

LINK = record(
    {
        **each("name dialect listens run error last_applied phase", STRING),
        "state": one_of(*_STATES, "down", "disabled"),
        "last_state": one_of(*_STATES, "unknown"),
        **each("source target", _SIDE),
        **each("enabled automatic up clone_completed initial_sync_completed", BOOLEAN),
        **each("can_write finalize_completed reversible", BOOLEAN),
        **each("pid events_read events_applied total_bytes copied_bytes", INTEGER),
        **each("collections_total collections_done indexes_total indexes_built", INTEGER),
        **each("at age progress oplog_seconds_left catch_up_seconds", nullable(NUMBER)),
        "lag_seconds": nullable(INTEGER),
        "unsuccessful_indexes": array(_INDEX),
        "warnings": array(STRING),
        "links": record({"self": STRING}),
    },
    "Link",
)
LINKS = array(LINK)
TOLD = record({"status": one_of("done"), "sentence": STRING, "link": LINK}, "LinkTold")
REFUSED = record({"error": STRING, "reasons": array(REASON)}, "LinkRefused")
DOWN = record({"error": STRING, "code": one_of("link-down")}, "LinkDown")
