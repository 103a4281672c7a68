"""The six states of a stream, and which call and which event leads from one to another.

The words are those of the DBConvert Streams API.  Decisions only: who stores a state does so with the one it was
decided from, so that of two calls at the same time one wins and the other is refused.
"""

from __future__ import annotations

from enum import StrEnum

from repman.errors import StreamRefused


class State(StrEnum):
    """Where a stream is."""

    READY = "READY"
    """It was started; its structure is looked at or made."""
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    """Ended by its user; cannot be resumed."""
    FINISHED = "FINISHED"
    """Everything is moved, or a limit was reached."""
    FAILED = "FAILED"


class Call(StrEnum):
    """What a client asks of a stream."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class Event(StrEnum):
    """What the process of a stream tells."""

    FLOWING = "flowing"
    FINISHED = "finished"
    FAILED = "failed"


ACTIVE = frozenset({State.READY, State.RUNNING})
"""There is a process, or there has to be one."""
LIVING = ACTIVE | {State.PAUSED}
"""Not over yet."""
TERMINAL = frozenset(State) - LIVING

_CALLS: dict[tuple[State, Call], State] = {
    (State.READY, Call.PAUSE): State.PAUSED,
    (State.READY, Call.STOP): State.STOPPED,
    (State.RUNNING, Call.PAUSE): State.PAUSED,
    (State.RUNNING, Call.STOP): State.STOPPED,
    (State.PAUSED, Call.RESUME): State.RUNNING,
    (State.PAUSED, Call.STOP): State.STOPPED,
}
_EVENTS: dict[tuple[State, Event], State] = {
    (State.READY, Event.FLOWING): State.RUNNING,
    (State.READY, Event.FINISHED): State.FINISHED,
    (State.READY, Event.FAILED): State.FAILED,
    (State.RUNNING, Event.FINISHED): State.FINISHED,
    (State.RUNNING, Event.FAILED): State.FAILED,
    # The last rows were under way when somebody paused it: there is nothing left to resume.
    (State.PAUSED, Event.FINISHED): State.FINISHED,
    (State.PAUSED, Event.FAILED): State.FAILED,
}
_INSTEAD = {
    State.READY: "it has not begun yet",
    State.RUNNING: "it runs already",
    State.PAUSED: "it is paused already: resume it",
    State.STOPPED: "it was stopped and cannot be resumed: start its configuration again",
    State.FINISHED: "it is finished: start its configuration again",
    State.FAILED: "it has failed: look at its error, then start its configuration again",
}


def after_call(state: State, call: Call) -> State:
    """The state that the call leads to; raises StreamRefused, with what can be done instead."""
    try:
        return _CALLS[state, call]
    except KeyError:
        raise StreamRefused(f"a stream that is {state} cannot {call}: {_INSTEAD[state]}", "ILLEGAL_STATE") from None


def after_event(state: State, event: Event) -> State:
    """The state that what was told leads to: the same one where it comes too late, or says nothing new."""
    return _EVENTS.get((state, event), state)
