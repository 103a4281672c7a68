"""The process of a configured link, with a scripted link behind its door: commands, publication, the order of its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from flask import Flask

from repman.errors import LinkDown, LinkFailed, LinkRefused, StateError
from repman.link import process
from repman.link.doors import Assignment, Door, SteeredPair
from repman.link.mongosync.answers import ApiError
from repman.link.options import LinkOptions, TargetData
from repman.link.process import LinkProcess
from repman.link.serving import Listener
from repman.link.status import Phase, Side, State, Status
from repman.link.view import Face
from repman.model.command import Receipt
from repman.model.link import CONNECTING, LinkAction, LinkCommand, LinkSide, LinkView
from repman.state.bus import ask_link
from repman.state.links import LinkReader

OPTIONS = LinkOptions(target_data=TargetData.REFUSE, reversible=True)


@dataclass
class Scripted:
    """A link that notes what it is asked, and fails as told."""

    unreachable: list[LinkFailed] = field(default_factory=list)
    """What `open` raises, one after the other, before it succeeds."""
    refusal: Exception | None = None
    state: State = State.IDLE
    seen: list[object] = field(default_factory=list)

    def open(self) -> None:
        self.seen.append("open")
        if self.unreachable:
            raise self.unreachable.pop(0)

    def close(self) -> None:
        self.seen.append("close")

    def status(self) -> Status:
        return Status(self.state, Phase.NONE, "", Side("source", "a:1", None), Side("target", "b:2", None))

    def _act(self, *what: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.seen.append(what)

    def start(self, options: LinkOptions, again: bool) -> None:
        self._act("start", options, again)
        self.state = State.RUNNING

    def pause(self) -> None:
        self._act("pause")

    def resume(self, from_failure: bool) -> None:
        self._act("resume", from_failure)

    def finalize(self) -> None:
        self._act("finalize")

    def reverse(self) -> None:
        self._act("reverse")


@dataclass
class Stand:
    """A run directory, a scripted link, and the process in front of it."""

    work: Assignment
    link: Scripted
    process: LinkProcess

    def published(self) -> LinkView:
        view = LinkReader(self.work.rundir).get("shop")
        assert view is not None
        return view

    def ask(self, action: LinkAction, **more: bool) -> Receipt:
        return ask_link(self.work.socket, LinkCommand(action, "shop", "admin", **more), 5.0)


Make = Callable[..., Stand]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[LinkProcess] = []
    monkeypatch.setattr(process, "TOLD_EVERY", 0.01)

    def build(automatic: bool = False, **script: object) -> Stand:
        link = Scripted(**script)  # type: ignore[arg-type]
        face = Face("shop", "scripted", "127.0.0.1:1", LinkSide("source", "a:1"), LinkSide("target", "b:2"))
        work = Assignment(
            face,
            "mongodb://a",
            "mongodb://b",
            Listener(),
            tmp_path,
            tmp_path / "link.sock",
            OPTIONS,
            automatic=automatic,
        )
        monkeypatch.setitem(process.DIALECTS, "scripted", lambda told: Door(link, lambda: Flask(told.name)))  # type: ignore[attr-defined]
        stand = Stand(work, link, LinkProcess(work))
        made.append(stand.process)
        return stand

    yield build
    for each in made:
        each.close()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def test_commands_reach_the_link_and_what_it_is_then_is_published_before_the_receipt(make: Make) -> None:
    stand = make()
    stand.process.open()
    assert stand.published().state == "idle"
    assert stand.ask(LinkAction.START).status == "done"
    assert stand.published().state == "running"
    for action, more in (
        (LinkAction.START, {"again": True}),
        (LinkAction.PAUSE, {}),
        (LinkAction.RESUME, {}),
        (LinkAction.RESUME, {"from_failure": True}),
        (LinkAction.FINALIZE, {}),
        (LinkAction.REVERSE, {}),
    ):
        assert stand.ask(action, **more).status == "done"
    assert stand.link.seen == [
        "open",
        ("start", OPTIONS, False),
        ("start", OPTIONS, True),
        ("pause",),
        ("resume", False),
        ("resume", True),
        ("finalize",),
        ("reverse",),
    ]
    assert stand.process.application().name == "shop"


def test_the_link_s_own_reasons_come_back(make: Make) -> None:
    stand = make(refusal=LinkRefused("is-paused", "the link is paused: resume it"))
    stand.process.open()
    told = ("is-paused", "the link is paused: resume it")
    assert stand.ask(LinkAction.START) == Receipt("refused", told[1], (told,))
    stand.link.refusal = LinkFailed("start: the target does not answer")
    assert stand.ask(LinkAction.START) == Receipt("failed", "start: the target does not answer")


def test_it_begins_by_itself_when_it_was_never_started(make: Make) -> None:
    stand = make(automatic=True)
    stand.process.open()
    assert stand.link.seen == ["open", ("start", OPTIONS, False)]


@pytest.mark.parametrize("state", [State.PAUSED, State.FAILED, State.FINALIZED, State.RUNNING])
def test_it_does_not_begin_anew_what_was_begun_before(make: Make, state: State) -> None:
    stand = make(automatic=True, state=state)
    stand.process.open()
    assert stand.link.seen == ["open"]


def test_why_it_could_not_begin_is_published_until_it_does(make: Make) -> None:
    stand = make(automatic=True, refusal=LinkRefused("target-not-empty", "the target holds shop.orders"))
    stand.process.open()
    assert "the target holds shop.orders" in stand.published().error
    stand.link.refusal = None
    assert stand.ask(LinkAction.START).status == "done"
    assert stand.published().error == ""


def test_clusters_that_do_not_answer_are_tried_until_they_do(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LONGEST_WAIT", 0.01)
    stand = make(
        unreachable=[LinkFailed("connect to source cluster: nobody"), LinkFailed("connect to source cluster: no")]
    )
    stand.process.open()
    assert stand.link.seen == ["open", "close"] * 2 + ["open"]
    assert stand.published().state == "idle"


def test_while_it_connects_the_reason_is_published_and_commands_are_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = make()
    reached = threading.Event()
    failing = LinkFailed("connect to source cluster: nobody")

    def open_once_told() -> None:
        if not reached.is_set():
            raise failing

    monkeypatch.setattr(process, "_LONGEST_WAIT", 0.01)
    monkeypatch.setattr(stand.link, "open", open_once_told)
    opening = threading.Thread(target=stand.process.open)
    opening.start()
    try:
        until(lambda: LinkReader(stand.work.rundir).get("shop") and stand.published().error)
        assert (stand.published().state, stand.published().error) == (CONNECTING, "connect to source cluster: nobody")
        receipt = stand.ask(LinkAction.PAUSE)
        assert (receipt.status, receipt.refusals[0][0]) == ("refused", "connecting")
        assert "connect to source cluster: nobody" in receipt.sentence
    finally:
        reached.set()
        opening.join()
    assert stand.published().state == "idle"


def test_it_publishes_by_itself_and_says_that_it_has_ended(make: Make) -> None:
    stand = make()
    stand.process.open()
    stand.link.state = State.FAILED
    until(lambda: stand.published().state == "failed")
    assert stand.published().pid > 0
    stand.process.close()
    assert stand.published().pid == 0
    assert stand.link.seen[-1] == "close"
    with pytest.raises(LinkDown):
        stand.ask(LinkAction.PAUSE)


def test_a_second_process_of_the_same_link_leaves_the_first_one_alone(make: Make) -> None:
    stand = make()
    stand.process.open()
    before = stand.published().pid
    second = LinkProcess(stand.work)
    with pytest.raises(StateError, match="Another process"):
        second.open()
    second.close()
    assert stand.published().pid == before
    assert stand.ask(LinkAction.PAUSE).status == "done"


class RefusingPair(Scripted):
    """A pair that refuses in mongosync's words."""

    def commit(self) -> None:
        raise ApiError("NotReadyToCommit", "cannot commit: the initial sync is not completed")


def test_a_pair_refuses_in_the_words_of_a_link() -> None:
    pair = SteeredPair(RefusingPair())  # type: ignore[arg-type]
    with pytest.raises(LinkRefused, match="the initial sync is not completed") as refused:
        pair.finalize()
    assert refused.value.code == "NotReadyToCommit"
    failed = RefusingPair(state=State.FAILED)
    with pytest.raises(LinkRefused, match="it has failed"):
        SteeredPair(failed).resume(False)  # type: ignore[arg-type]
    assert failed.seen == []


def test_an_assignment_never_shows_an_account(make: Make) -> None:
    work = replace(make().work, source_uri="mongodb://u:pw@a", listener=Listener(token="pw"))
    assert "pw" not in repr(work)
