"""From a link's status to what is published of it."""

from __future__ import annotations

from datetime import UTC, datetime

from bson.timestamp import Timestamp

from repman.link.status import Finalization, Phase, Side, State, Status, UnsuccessfulIndex
from repman.link.view import Face, Moment, connecting, view_of
from repman.model.link import CONNECTING, LinkSide, LinkView
from repman.state.codec import decode, encode

FACE = Face("shop", "percona", "127.0.0.1:2242", LinkSide("source", "a:1"), LinkSide("target", "b:2"))
NOW = Moment(1_700_000_000.0, 12.5, 99)


def status(state: State = State.RUNNING, phase: Phase = Phase.REPLICATING, **more: object) -> Status:
    return Status(state, phase, "run-1", Side("source", "a:1", 3), Side("target", "b:2", -1), **more)  # type: ignore[arg-type]


def test_before_it_is_open_only_the_configuration_is_known() -> None:
    view = connecting(FACE, NOW, "connect to source cluster: nobody answers")
    assert (view.state, view.error) == (CONNECTING, "connect to source cluster: nobody answers")
    assert (view.source, view.target, view.listens, view.pid) == (FACE.source, FACE.target, "127.0.0.1:2242", 99)


def test_all_that_a_link_tells_is_published_and_survives_json() -> None:
    index = UnsuccessfulIndex("shop.orders", "by_day", "failed", {"day": 1}, "by_day cannot be built")
    told = status(
        State.FINALIZED,
        lag_seconds=4,
        events_read=7,
        events_applied=6,
        last_applied=Timestamp(1_700_000_000, 3),
        clone_started=True,
        clone_completed=True,
        initial_sync_completed=True,
        total_bytes=100,
        copied_bytes=90,
        finalization=Finalization(True, datetime.now(UTC), datetime.now(UTC), (index,)),
        can_write=True,
        oplog_seconds_left=12.5,
        catch_up_seconds=1.5,
        reversible=True,
        warnings=("the oplog is short",),
    )
    view = view_of(FACE, NOW, told)
    assert (view.state, view.phase, view.run, view.lag_seconds) == ("finalized", "replicating", "run-1", 4)
    assert (view.last_applied, view.finalize_completed, view.can_write) == ("1700000000.3", True, True)
    assert (view.source.ping_ms, view.target.ping_ms) == (3, -1)
    assert [(each.name, each.reason) for each in view.unsuccessful] == [("by_day", "by_day cannot be built")]
    assert decode(LinkView, encode(view)) == view


def test_a_lag_that_nobody_knows_is_none() -> None:
    assert view_of(FACE, NOW, status(State.IDLE, Phase.NONE)).lag_seconds is None
    assert view_of(FACE, NOW, status(clone_started=True)).lag_seconds == 0
    assert view_of(FACE, NOW, status()).last_applied == ""


def test_why_an_idle_link_was_not_started_is_told_until_it_runs() -> None:
    assert (
        view_of(FACE, NOW, status(State.IDLE, Phase.NONE), "the target is not empty").error == "the target is not empty"
    )
    assert view_of(FACE, NOW, status(), "the target is not empty").error == ""
    assert (
        view_of(FACE, NOW, status(State.FAILED, error="clone: gone"), "the target is not empty").error == "clone: gone"
    )
