"""Which call is legal in which state.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from repman.link.mongosync.answers import BAD_STATE, NOT_READY, NOT_REVERSIBLE, ApiError, failure
from repman.link.status import Phase, State, Status

MOST_LAG_SECONDS = 30
"""At a greater lag a commit would last too long for the clients that wait for it."""

CALLS = ("start", "pause", "resume", "commit", "reverse")

NAMES: Mapping[State, str] = MappingProxyType(
    {
        State.IDLE: "IDLE",
        State.RUNNING: "RUNNING",
        State.PAUSED: "PAUSED",
        State.FINALIZING: "COMMITTING",
        State.FINALIZED: "COMMITTED",
        State.REVERSING: "REVERSING",
    }
)
"""This API's words for the states; it has none for a link that failed."""

_LEGAL_IN = {
    "start": State.IDLE,
    "pause": State.RUNNING,
    "resume": State.PAUSED,
    "commit": State.RUNNING,
    "reverse": State.FINALIZED,
}
_NEXT = {
    State.IDLE: "POST /api/v1/start first",
    State.RUNNING: "it can be paused, or committed when canCommit is true",
    State.PAUSED: "POST /api/v1/resume first",
    State.FINALIZING: "wait until it is COMMITTED",
    State.FINALIZED: "the migration is over; one that was started with reversible can be reversed",
    State.REVERSING: "wait until it is RUNNING",
}


def refusal(call: str, status: Status) -> ApiError | None:
    """Why the call cannot be made now; None when the link may be asked.

    `resume` is passed on to a link that failed: it goes on when the cause is gone.
    """
    if status.state is State.FAILED:
        return None if call == "resume" else failure(status)
    if status.state is not _LEGAL_IN[call]:
        sentence = f"cannot {call}: the state is {NAMES[status.state]}, not {NAMES[_LEGAL_IN[call]]}"
        return ApiError(BAD_STATE, f"{sentence}; {_NEXT[status.state]}")
    if call == "pause" and status.phase in (Phase.NONE, Phase.PREPARING):
        return ApiError(BAD_STATE, "cannot pause: collections and indexes are being created; try again in a moment")
    if call == "commit" and (reasons := not_ready(status)):
        return ApiError(NOT_READY, f"cannot commit: {'; '.join(reasons)}; wait until canCommit is true")
    if call == "reverse" and not status.reversible:
        return ApiError(NOT_REVERSIBLE, "cannot reverse: it was not started with reversible")
    return None


def not_ready(status: Status) -> list[str]:
    """What a commit still waits for in RUNNING; empty when nothing is in its way."""
    reasons = []
    if not status.initial_sync_completed:
        reasons.append("the initial sync is not completed")
    if status.lag_seconds > MOST_LAG_SECONDS:
        reasons.append(f"the lag is {status.lag_seconds} s, more than {MOST_LAG_SECONDS} s")
    if status.indexes_built < status.indexes_total:
        reasons.append(f"{status.indexes_built} of {status.indexes_total} indexes are built")
    return reasons


def can_commit(status: Status) -> bool:
    """Whether a commit would be accepted now."""
    return status.state is State.RUNNING and not not_ready(status)
