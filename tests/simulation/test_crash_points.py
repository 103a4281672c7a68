"""repman is killed before and after each write to its journal, and started again, in every kind of plan (I10).

A crash after the outcome of one step is a crash before the intent of the next.  It must end where it ends without a
crash: one writer, everybody following, nothing lost.  No refusal may stand at the end; only a bootstrap, which nobody
asks for a second time, may be left without a writer.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from repman.model.plan import Outcome, Step, StepKind
from repman.state.journal import Journal
from simulation.journals import MemoryJournal
from simulation.scenarios import BY_NAME, Scenario
from simulation.simulator import A, Simulation, policy
from simulation.wishes import WISHES

pytestmark = pytest.mark.slow

QUANTUM = 0.04
"""Coarse, for there are many runs: a round trip takes two of it."""
ASKED_ONCE = ("bootstrap", "cleanup-and-bootstrap")
STORIES = {**BY_NAME, **{one.name: one for one in WISHES}}
# The role goes home: while repman is dead, the writer that was deposed before acknowledges again, rightly so.
STORIES["rolling-restart"] = replace(STORIES["rolling-restart"], tolerated=("I4",))
CRASHED = (
    "kill",
    "kill-restart-1",
    "kill-slow-replicas",
    "freeze",
    "freeze-thaw",
    "isolated",
    "isolated-uncontrolled",
    "errant-replica",
    "most-advanced-unelectable",
    "whole-cluster",
    "switchover-to",
    "switchover-promote-fails",
    "switchover-follow-fails",
    "bootstrap",
    "cleanup-and-bootstrap",
    "two-writers",
    "no-replicas-degrade",
    "threads-stopped",
    "stopped-and-started",
    "writer-stopped",
    "replication-stopped",
    "replication-removed",
    "closed-and-opened",
    "closed-and-the-writer-dies",
    "binary-log-emptied",
    "rolling-restart",
)


def wrong_at_the_end(scenario: Scenario, sim: Simulation) -> list[str]:
    """What is wrong, a refusal that stands among it."""
    found = sim.recorder.finish((sim.proxy,), scenario.converges, scenario.apart)
    wrong = [sentence for sentence in found if sentence.partition(":")[0] not in scenario.tolerated]
    last = sim.recorder.snapshots[-1]
    unfinished = [plan.id for plan in sim.journal.plans() if plan.state == "running"]  # type: ignore[union-attr,call-arg]
    if unfinished:
        wrong.append(f"I10: plans left open: {unfinished}")
    if last.refusals:
        wrong.append(f"I12: refused at the end: {[refusal.code for refusal in last.refusals]}")
    if scenario.name in ASKED_ONCE and not sim.writer and "no-writer" in {problem.code for problem in last.problems}:
        wrong = [sentence for sentence in wrong if not sentence.startswith("I5")]
    return wrong


def writes_of(scenario: Scenario) -> MemoryJournal:
    """The journal of the run without a crash."""
    journal = MemoryJournal()
    scenario.build(journal=journal, quantum=QUANTUM).run(scenario.seconds)
    return journal


@pytest.mark.parametrize("name", CRASHED)
def test_every_journal_point(name: str) -> None:
    scenario = STORIES[name]
    undisturbed = writes_of(scenario)
    assert undisturbed.writes > 3
    failures = []
    for number, told in enumerate(undisturbed.told, 1):
        for after in (False, True) if told.startswith("intent") else (False,):
            sim = scenario.build(journal=MemoryJournal(number, after), quantum=QUANTUM)
            sim.run(scenario.seconds)
            assert sim.crashes == 1
            if wrong := wrong_at_the_end(scenario, sim):
                side = "after" if after else "before"
                failures.append(f"{side} {told!r} ({number}): {wrong}")
    assert not failures, f"{len(failures)} crashes:\n" + "\n".join(failures)


@pytest.mark.parametrize(
    ("name", "step", "kept"),
    [
        ("replication-stopped", "stop-applying", "detached_by"),
        ("stopped-and-started", "stop ", "stopped_by"),
        ("closed-and-opened", "fence", "closed_by"),
    ],
)
def test_a_wish_that_was_carried_out_is_not_forgotten(name: str, step: str, kept: str) -> None:
    """repman dies between the outcome of the step and the writing of what is remembered of it."""
    scenario = STORIES[name]
    told = writes_of(scenario).told
    outcome = next(number for number, what in enumerate(told, 1) if what.startswith(f"intent {step}")) + 1
    assert told[outcome - 1].startswith("outcome")
    sim = scenario.build(journal=MemoryJournal(outcome, after=True), quantum=QUANTUM)
    sim.run(9.0)  # the wish is taken back later
    assert sim.crashes == 1
    last = sim.recorder.snapshots[-1]
    assert (kept == "closed_by" and last.closed_by) or any(getattr(one, kept, "") for one in last.servers)


class CrashingJournal(Journal):
    """The lasting journal, of a repman that dies after a number of writes."""

    def __init__(self, url: str, crash_at: int) -> None:
        self._script = MemoryJournal(crash_at, after=True)
        super().__init__(url)

    def revive(self) -> None:
        """A new process opens it."""
        self._script.revive()

    def _append(self, plan_id: str, entry: object) -> None:
        super()._append(plan_id, entry)  # type: ignore[arg-type]
        self._script.count()

    def save_memory(self, memory: object) -> None:
        if not self._script.dead:
            super().save_memory(memory)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(1, 18, 2))
def test_the_lasting_journal_tells_the_same(tmp_path: Path, number: int) -> None:
    scenario = BY_NAME["kill-restart-5"]
    journal = CrashingJournal(f"sqlite:///{tmp_path}/journal.db", number)
    try:
        sim = scenario.build(journal=journal, quantum=QUANTUM)
        sim.run(scenario.seconds)
        assert sim.crashes == 1
        assert not sim.recorder.finish((sim.proxy,), converges=True)
        assert {plan.state for plan in journal.plans("c1")} <= {"done", "failed"}
    finally:
        journal.close()


def broken_off_after_the_fence(journal: MemoryJournal) -> Simulation:
    """A frozen writer that nobody controls wakes up as it is fenced, and the first promotion fails."""
    sim = Simulation(policy(controlled=False), journal=journal, quantum=QUANTUM)
    sim.at(3.0, sim.world.freeze, A)
    failed: list[Step] = []

    def story(step: Step) -> Outcome | None:
        if step.kind is StepKind.FENCE:
            sim.world.thaw(A)
        if step.kind is StepKind.PROMOTE and not failed:
            failed.append(step)
            return Outcome(False, "it failed, for the sake of the story")
        return None

    sim.on_step = story
    return sim


def test_what_a_broken_off_plan_closed_is_not_taken_for_closed_by_hand() -> None:
    undisturbed = MemoryJournal()
    broken_off_after_the_fence(undisturbed).run(20.0)
    fenced = next(number for number, told in enumerate(undisturbed.told, 1) if told.startswith("intent fence")) + 1
    closed = undisturbed.told.index("close failed") + 1
    for number in range(fenced, closed + 1):
        sim = broken_off_after_the_fence(MemoryJournal(number, after=True))
        sim.run(30.0)
        assert sim.crashes == 1
        assert sim.writer, f"after {undisturbed.told[number - 1]!r}: {sim.refusals()}"
        assert not sim.recorder.finish((sim.proxy,), converges=True)
