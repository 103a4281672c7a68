"""Every state with every call and every event."""

from __future__ import annotations

import pytest

from repman.errors import StreamRefused
from repman.streams.states import ACTIVE, LIVING, TERMINAL, Call, Event, State, after_call, after_event

ALLOWED = {
    (State.READY, Call.PAUSE): State.PAUSED,
    (State.READY, Call.STOP): State.STOPPED,
    (State.RUNNING, Call.PAUSE): State.PAUSED,
    (State.RUNNING, Call.STOP): State.STOPPED,
    (State.PAUSED, Call.RESUME): State.RUNNING,
    (State.PAUSED, Call.STOP): State.STOPPED,
}


@pytest.mark.parametrize("call", list(Call))
@pytest.mark.parametrize("state", list(State))
def test_every_state_with_every_call(state: State, call: Call) -> None:
    if (state, call) in ALLOWED:
        assert after_call(state, call) is ALLOWED[state, call]
        return
    with pytest.raises(StreamRefused) as refused:
        after_call(state, call)
    assert refused.value.code == "ILLEGAL_STATE"
    assert state in str(refused.value)


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_moves_a_stream_that_is_over(state: State, event: Event) -> None:
    assert after_event(state, event) is state


@pytest.mark.parametrize(
    ("state", "event", "after"),
    [
        (State.READY, Event.FLOWING, State.RUNNING),
        (State.READY, Event.FINISHED, State.FINISHED),
        (State.READY, Event.FAILED, State.FAILED),
        (State.RUNNING, Event.FLOWING, State.RUNNING),
        (State.RUNNING, Event.FINISHED, State.FINISHED),
        (State.RUNNING, Event.FAILED, State.FAILED),
        # Told before the process knew of the pause.
        (State.PAUSED, Event.FLOWING, State.PAUSED),
        (State.PAUSED, Event.FINISHED, State.FINISHED),
        (State.PAUSED, Event.FAILED, State.FAILED),
    ],
)
def test_what_a_process_tells(state: State, event: Event, after: State) -> None:
    assert after_event(state, event) is after


def test_the_six_states_are_those_of_the_page() -> None:
    assert {state.value for state in State} == {"READY", "RUNNING", "PAUSED", "STOPPED", "FINISHED", "FAILED"}
    assert set(State) == LIVING | TERMINAL
    assert ACTIVE < LIVING
