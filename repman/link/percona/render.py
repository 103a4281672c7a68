"""A link's status as JSON, with the keys of both generations side by side."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bson.timestamp import Timestamp

from repman.link.percona.flavour import Flavour
from repman.link.status import Finalization, Phase, State, Status, UnsuccessfulIndex

_STATES = {State.REVERSING: State.RUNNING.value}
"""This dialect has no reversal."""
_INFO_OF_STATES = {
    State.FINALIZING: "Finalizing",
    State.FINALIZED: "Finalized",
    State.FAILED: "Failed",
}
_INFO_OF_PHASES = {
    Phase.NONE: "Initial Sync: Cloning Data",
    Phase.PREPARING: "Initial Sync: Cloning Data",
    Phase.CLONING: "Initial Sync: Cloning Data",
    Phase.CATCHING_UP: "Initial Sync: Replicating Changes",
    Phase.REPLICATING: "Replicating Changes",
}


def status_document(status: Status, flavour: Flavour) -> dict[str, Any]:
    """The answer to ``/status``, keys in the order of the documentation; what is not known is left out."""
    lag = 0 if status.state is State.FAILED else status.lag_seconds
    found: dict[str, Any] = {"ok": not status.error}
    if status.error:
        found |= {"error": status.error, "code": "failed"}
    found["state"] = _STATES.get(status.state, status.state.value)
    if told := info(status):
        found["info"] = told
    if status.pause_on_initial_sync:
        found["pauseOnInitialSync"] = True
    found |= {"lagTime": lag, "lagTimeSeconds": lag}
    found |= {"eventsProcessed": status.events_applied}
    found |= {"eventsRead": status.events_read, "eventsApplied": status.events_applied}
    if status.last_applied is not None:
        found["lastReplicatedOpTime"] = _operation_time(status.last_applied, flavour)
    if status.state is not State.IDLE:
        found["initialSync"] = _initial_sync(status, lag)
    if status.finalization is not None:
        found["finalization"] = _finalization(status.finalization)
    return found


def info(status: Status) -> str:
    """What a link does, in words; empty when it does nothing."""
    if status.state in (State.RUNNING, State.REVERSING):
        return _INFO_OF_PHASES[status.phase]
    return _INFO_OF_STATES.get(status.state, "")


def initial_sync_lag(status: Status, lag: int) -> int:
    """The part of the lag, in seconds, that belongs to an initial sync: all of it or nothing."""
    return 0 if status.initial_sync_completed else lag


def _initial_sync(status: Status, lag: int) -> dict[str, Any]:
    found: dict[str, Any] = {"completed": status.initial_sync_completed}
    if waiting := initial_sync_lag(status, lag):
        found |= {"lagTime": waiting, "lagTimeSeconds": waiting}
    found["cloneCompleted"] = status.clone_completed
    if status.total_bytes:
        found |= {"estimatedCloneSize": status.total_bytes, "estimatedCloneSizeBytes": status.total_bytes}
    return found | {"clonedSize": status.copied_bytes, "clonedSizeBytes": status.copied_bytes}


def _operation_time(moment: Timestamp, flavour: Flavour) -> str | dict[str, str]:
    text = f"{moment.time}.{moment.inc}"
    return text if flavour is Flavour.PLM else {"ts": text, "isoDate": _moment(moment.as_datetime())}


def _finalization(found: Finalization) -> dict[str, Any]:
    told: dict[str, Any] = {"completed": found.completed}
    if found.started_at is not None:
        told["startedAt"] = _moment(found.started_at)
    if found.completed_at is not None:
        told["completedAt"] = _moment(found.completed_at)
    if found.unsuccessful:
        told["unsuccessfulIndexes"] = [_index(each) for each in found.unsuccessful]
    return told


def _index(found: UnsuccessfulIndex) -> dict[str, Any]:
    told: dict[str, Any] = {"namespace": found.namespace, "indexName": found.name, "type": found.kind}
    if found.keys:
        told["keys"] = _keys(found.keys)
    return told | {"reason": found.reason}


def _keys(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Directions may be any BSON number; what JSON does not have is told as text."""
    return {name: way if isinstance(way, int | float | str) else str(way) for name, way in keys.items()}


def _moment(moment: datetime) -> str:
    """RFC 3339 with whole seconds; a time without a zone is one of UTC, as in BSON."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.strftime("%Y-%m-%dT%H:%M:%SZ")
