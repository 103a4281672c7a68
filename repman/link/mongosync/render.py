"""The progress document.  Pure."""

from __future__ import annotations

from typing import Any

from repman.link.mongosync.transitions import NAMES, can_commit
from repman.link.status import Phase, Side, State, Status, Verifying

_NULL_IN_IDLE = (
    "canWrite",
    "info",
    "ceaStage",
    "lag",
    "lagTimeSeconds",
    "totalEventsApplied",
    "collectionCopy",
    "directionMapping",
    "mongosyncID",
    "coordinatorID",
    "source",
    "destination",
    "estimatedSecondsToCEACatchup",
    "estimatedOplogTimeRemaining",
    "indexBuilding",
    "verification",
    "warnings",
)
_INFO_OF_PHASE = {
    Phase.PREPARING: "initializing collections and indexes",
    Phase.CLONING: "collection copy",
    Phase.CATCHING_UP: "change event application",
    Phase.REPLICATING: "change event application",
}
_INFO_OF_STATE = {
    State.FINALIZING: "waiting for commit to complete",
    State.FINALIZED: "commit completed",
}
_STAGES = {Phase.CATCHING_UP: "collection copy drain", Phase.REPLICATING: "steady state"}
"""Of change event application."""
_MINUTE, _HOUR = 60, 3600


def progress(status: Status, identity: str) -> dict[str, Any]:
    """The document of a link that did not fail; `identity` is what the operator calls this process."""
    head = {"state": NAMES[status.state], "canCommit": can_commit(status)}
    if status.state is State.IDLE:
        return head | dict.fromkeys(_NULL_IN_IDLE)
    applying = status.state in (State.RUNNING, State.PAUSED) and status.phase in _STAGES
    lag = None if status.state is State.PAUSED else status.lag_seconds
    shown = head | {
        "canWrite": status.can_write,
        "info": _INFO_OF_STATE.get(status.state) or _INFO_OF_PHASE.get(status.phase),
        "ceaStage": _STAGES[status.phase] if applying else None,
        # One ordered stream brings documents and definitions, so neither is ever behind the other.
        "lag": None if lag is None else {"overallLagSeconds": lag, "crudLagSeconds": lag, "ddlLagSeconds": lag},
        "lagTimeSeconds": lag,
        "totalEventsApplied": status.events_applied,
        "collectionCopy": collection_copy(status),
        "directionMapping": {"Source": _side(status.source), "Destination": _side(status.target)},
        "mongosyncID": identity,
        "coordinatorID": identity,
        "source": _ping(status.source),
        "destination": _ping(status.target),
        "estimatedSecondsToCEACatchup": _catch_up(status) if applying else None,
        "estimatedOplogTimeRemaining": _oplog_left(status),
        "indexBuilding": _index_building(status) if applying else None,
        "verification": _verification(status, lag),
    }
    return shown | ({"warnings": list(status.warnings)} if status.warnings else {})


def collection_copy(status: Status) -> dict[str, int]:
    """Bytes to copy and bytes copied: 0 of 1 before the copy, never more than all, and all of them at its end.

    The total stays at 1 where there is nothing to copy, so that whoever divides by it gets 0 % and then 100 %.
    """
    total = max(status.total_bytes, 1)
    if status.clone_completed:
        return {"estimatedTotalBytes": total, "estimatedCopiedBytes": total}
    if not status.clone_started or status.phase in (Phase.NONE, Phase.PREPARING):
        return {"estimatedTotalBytes": 1, "estimatedCopiedBytes": 0}
    return {"estimatedTotalBytes": max(total, status.copied_bytes), "estimatedCopiedBytes": status.copied_bytes}


def time_in_words(seconds: float | None) -> str:
    """How long the oplog will last, as roughly as it is known; rounded down, as too little is the safer answer."""
    if seconds is None:
        return "not checked yet"
    if seconds > 72 * _HOUR:
        return "more than 72 hours"
    if seconds < 15 * _MINUTE:
        return "less than 15 minutes"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} minutes"
    hours = int(seconds // _HOUR)
    return "1 hour" if hours == 1 else f"{hours} hours"


def _side(side: Side) -> str:
    return f"{side.name}: {side.address}"


def _ping(side: Side) -> dict[str, int]:
    """Empty below one millisecond and before the first ping."""
    return {"pingLatencyMs": side.ping_ms} if side.ping_ms else {}


def _catch_up(status: Status) -> int | None:
    return None if status.catch_up_seconds is None else round(status.catch_up_seconds)


def _oplog_left(status: Status) -> str | None:
    matters = status.state is State.RUNNING and not status.can_write
    return time_in_words(status.oplog_seconds_left) if matters else None


def _index_building(status: Status) -> dict[str, int] | None:
    """None where no index is built after the copy."""
    if not status.indexes_total:
        return None
    return {
        "indexesBuilt": status.indexes_built,
        "totalIndexesToBuild": status.indexes_total,
        "collectionsFinished": status.collections_done,
        "collectionsTotal": status.collections_total,
    }


def _verification(status: Status, lag: int | None) -> dict[str, Any] | None:
    if status.verification is None:
        return None
    sides = {"source": "source", "destination": "target"}
    return {name: _verifying(status.verification.get(side, Verifying()), lag) for name, side in sides.items()}


def _verifying(side: Verifying, lag: int | None) -> dict[str, Any]:
    return {
        "phase": side.phase,
        "estimatedDocumentCount": side.documents,
        "hashedDocumentCount": side.documents_done,
        "totalCollectionCount": side.collections,
        "scannedCollectionCount": side.collections_done,
        "lagTimeSeconds": lag,
    }
