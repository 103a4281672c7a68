"""Plans are counted once each, whoever asks and however often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repman.errors import StateError
from repman.model.plan import Outcome, Plan, PlanKind
from repman.state import tally as module
from repman.state.journal import Journal
from repman.state.tally import BOUNDS, WHOLE, Tally

from . import values


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/journal.db"


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    kept = Journal(url)
    yield kept
    kept.close()


@pytest.fixture
def tally(url: str) -> Iterator[Tally]:
    kept = Tally(url)
    yield kept
    kept.close()


def plan(kind: PlanKind = PlanKind.FAILOVER) -> Plan:
    return replace(values.plan(), kind=kind)


def play(journal: Journal, state: str, kind: PlanKind = PlanKind.FAILOVER, seconds: float = 0.2) -> str:
    made = plan(kind)
    identifier = journal.open_plan(made, "e", 1.7e9)
    journal.intent(identifier, 0, made.steps[0])
    journal.outcome(identifier, 0, Outcome(state == "done"), seconds)
    if state != "running":
        journal.close_plan(identifier, state, "")
    return identifier


def test_each_plan_counts_once_when_it_has_ended(journal: Journal, tally: Tally) -> None:
    assert tally.counted().plans == {}
    play(journal, "done")
    running = play(journal, "running")
    play(journal, "failed", PlanKind.SWITCHOVER)
    for _ in range(2):
        assert tally.counted().plans == {
            ("shop", PlanKind.FAILOVER, "done"): 1,
            ("shop", PlanKind.SWITCHOVER, "failed"): 1,
        }
    journal.close_plan(running, "done", "")
    play(journal, "abandoned")
    counted = tally.counted()
    assert counted.plans["shop", PlanKind.FAILOVER, "done"] == 2
    assert counted.plans["shop", PlanKind.FAILOVER, "abandoned"] == 1
    step = plan().steps[0].kind.value
    assert counted.steps == {("shop", step, "done"): 1, ("shop", step, "failed"): 3}


def test_durations_fall_into_classes(journal: Journal, tally: Tally) -> None:
    for seconds in (BOUNDS[0], 0.2, 1000.0):
        play(journal, "done", seconds=seconds)
    play(journal, "failed", seconds=0.2)
    play(journal, "done", PlanKind.SWITCHOVER)
    found = tally.counted().failovers
    durations = found["shop", plan().steps[0].kind.value]
    assert durations.classes == (1, 0, 0, 0, 1, *(0 for _ in BOUNDS[5:]), 1)
    assert durations.seconds == pytest.approx(1000.21)
    assert sum(found["shop", WHOLE].classes) == 3


def test_a_step_whose_end_nobody_knows(journal: Journal, tally: Tally) -> None:
    made = plan()
    identifier = journal.open_plan(made, "e", 1.7e9)
    journal.intent(identifier, 0, made.steps[0])
    journal.close_plan(identifier, "abandoned", "")
    assert tally.counted().steps == {("shop", made.steps[0].kind.value, "unknown"): 1}


def test_more_plans_than_are_read_at_once(journal: Journal, tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    running = play(journal, "running")
    for _ in range(10):
        play(journal, "done")
    assert tally.counted().plans == {("shop", PlanKind.FAILOVER, "done"): 10}
    journal.close_plan(running, "done", "")
    assert tally.counted().plans == {("shop", PlanKind.FAILOVER, "done"): 11}


def test_a_journal_that_is_not_there_yet(tally: Tally, url: str) -> None:
    with pytest.raises(StateError, match="start the monitor first"):
        tally.counted()
    journal = Journal(url)
    play(journal, "done")
    journal.close()
    assert tally.counted().plans == {("shop", PlanKind.FAILOVER, "done"): 1}
