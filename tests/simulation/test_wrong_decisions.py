"""Seeded mistakes: each replaces one function of the decision core by a wrong one, and must be caught.

What is caught is told by the enumeration's oracle or by the history of a simulated run.  A mistake that nobody
notices means that the checks are too weak, and fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from repman.decide import election, failover, guards, repair, switchover, tick, witness
from repman.decide.election import Election
from repman.decide.view import View
from repman.decide.witness import Life
from repman.engines import memory
from repman.engines.memory_server import MemoryServer
from repman.engines.memory_steps import PERFORMERS, Acting
from repman.model.memory import Memory
from repman.model.observation import ServerSeen
from repman.model.plan import Outcome, Plan, PlanKind, Step, StepKind
from repman.model.position import MariadbGtid
from simulation.alphabet import clusters
from simulation.oracle import judge
from simulation.scenarios import BY_NAME
from simulation.test_simulation import judged

pytestmark = pytest.mark.slow

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mistake:
    """One wrong decision, and where it must be noticed."""

    name: str
    patch: Patch
    caught_by: tuple[str, ...]
    """Invariants of which one at least must be reported broken."""
    scenarios: tuple[str, ...] = ()
    """Stories to simulate when the enumeration alone does not notice."""


def _plans(change: Callable[[tuple[Step, ...], Plan], tuple[Step, ...]]) -> Patch:
    """Change the steps of every plan that replaces a writer, behind the back of all playbooks."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        right = failover._replace

        def wrong(*arguments: Any, **more: Any) -> Plan:
            plan = right(*arguments, **more)
            return replace(plan, steps=change(plan.steps, plan))

        monkeypatch.setattr(failover, "_replace", wrong)

    return patch


def _nothing_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last look before each step is skipped too: without it the executor would refuse most of these."""
    from repman.monitor import executor

    monkeypatch.setattr(executor, "forbidden", lambda *arguments, **more: ())


def _without(*kinds: StepKind) -> Patch:
    return _plans(lambda steps, plan: tuple(step for step in steps if step.kind not in kinds))


def _moved(kind: StepKind, before: StepKind) -> Patch:
    def change(steps: tuple[Step, ...], plan: Plan) -> tuple[Step, ...]:
        moved = [step for step in steps if step.kind is kind]
        rest = [step for step in steps if step.kind is not kind]
        at = next((number for number, step in enumerate(rest) if step.kind is before), 0)
        return (*rest[:at], *moved, *rest[at:])

    return _plans(change)


def _open_two(steps: tuple[Step, ...], plan: Plan) -> tuple[Step, ...]:
    other = next((step.server for step in steps if step.kind is StepKind.FOLLOW), plan.old_writer)
    return (*steps, Step(StepKind.OPEN, other))


def _sequence_sum(position: Any) -> int:
    return sum(sequence for _, _, sequence in position.last) if isinstance(position, MariadbGtid) else 0


def _count_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions are compared by the sum of their sequence numbers."""

    def covers(one: ServerSeen, other: ServerSeen) -> bool:
        return _sequence_sum(one.executed) >= _sequence_sum(other.executed)

    monkeypatch.setattr(election, "_covers", covers)
    monkeypatch.setattr(election, "_donor", lambda *arguments: ("", ()))
    monkeypatch.setattr(election, "errant", lambda *arguments: "")


def _ignore_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "_covers", lambda one, other: True)
    monkeypatch.setattr(election, "_donor", lambda *arguments: ("", ()))


def _ignore_unelectable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most advanced server is forgotten because it may not be elected."""
    monkeypatch.setattr(election, "_donor", lambda *arguments: ("", ()))


def _elect_anyone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "reasons_against", lambda *arguments: ())


def _one_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    def life(writer: ServerSeen, memory: Memory, testimonies: Any) -> Life:
        return Life.HUNG

    monkeypatch.setattr(witness, "_life", life)


def _no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(View, "leased", property(lambda view: True))


def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (guards, failover, switchover, tick):
        monkeypatch.setattr(module, "may_act", lambda view: ())


def _missing_acker(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (failover, tick):
        monkeypatch.setattr(module, "keeps_acknowledged", lambda *arguments, **more: ())


def _reopen_from_habit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was the writer is opened again, whatever the others have."""

    def elect(view: View, without: Any = (), wanted: str = "", prefer: str = "") -> Election:
        return Election(prefer) if prefer else election.elect(view, without, wanted, prefer)

    monkeypatch.setattr(failover, "elect", elect)


def _degrade_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Semi-sync goes off as soon as no replica acknowledges, whatever the policy says."""
    right = repair._protection

    def wrong(view: View, writer: ServerSeen) -> Iterator[Plan]:
        if writer.semi_sync is not None and writer.semi_sync.source_enabled and not view.seen.replicas_of(view.writer):
            step = Step(StepKind.SEMI_SYNC_OFF, view.writer)
            yield Plan(PlanKind.PROTECTION, view.policy.name, (step,), "quietly")
            return
        yield from right(view, writer)

    monkeypatch.setattr(repair, "_protection", wrong)


def _follow_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (repair, failover):
        monkeypatch.setattr(module, "errant", lambda *arguments: "")
    monkeypatch.setattr(MariadbGtid, "covers", lambda self, other: True)


def _say_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick, "blocked_by", lambda view: ())


def _hide_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    right = tick._by_itself

    def wrong(view: View) -> Any:
        return replace(right(view), refusals=())

    monkeypatch.setattr(tick, "_by_itself", wrong)


def _discard_the_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was received and not applied is thrown away on promotion, and nobody looks."""

    def promote(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
        server.channel = None
        server.semi_sync.source_enabled = True
        return Outcome(True, "promoted")

    monkeypatch.setattr(memory, "PERFORMERS", {**PERFORMERS, StepKind.PROMOTE: promote})
    _without(StepKind.DRAIN)(monkeypatch)
    _nothing_is_forbidden(monkeypatch)


MISTAKES = (
    Mistake("follow before promote", _moved(StepKind.FOLLOW, StepKind.PROMOTE), ("I4",)),
    Mistake("no drain", _without(StepKind.DRAIN), ("I7",)),
    Mistake("no catching up with the most advanced", _without(StepKind.CATCH_UP), ("I7",)),
    Mistake("open before fence", _moved(StepKind.OPEN, StepKind.FENCE), ("I1",)),
    Mistake("no fence", _without(StepKind.FENCE, StepKind.KILL), ("I1",)),
    Mistake("no promotion", _without(StepKind.PROMOTE), ("I1",)),
    Mistake("open two", _plans(_open_two), ("I1",)),
    Mistake("election by sum of sequence numbers", _count_transactions, ("I6", "I7")),
    Mistake("divergence ignored", _ignore_divergence, ("I7",)),
    Mistake("unelectable most advanced ignored", _ignore_unelectable, ("I7",)),
    Mistake("anybody may be elected", _elect_anyone, ("I6", "I7")),
    Mistake("one witness is enough", _one_witness, ("I9",)),
    Mistake("lease not asked for", _no_lease, ("I8",)),
    Mistake("pause and lease ignored", _no_pause, ("I13", "I8")),
    Mistake("a missing acker is no reason", _missing_acker, ("I2",)),
    Mistake("the old writer is reopened from habit", _reopen_from_habit, ("I7",)),
    Mistake("diverged servers follow", _follow_diverged, ("I6",)),
    Mistake("protected is always said", _say_protected, ("I12",)),
    Mistake("refusals are kept quiet", _hide_refusals, ("I12",)),
    Mistake("semi-sync degraded silently", _degrade_silently, ("I5", "I2", "semi-sync"), ("no-replicas-block",)),
    Mistake("the backlog is discarded", _discard_the_backlog, ("I2",), ("kill-slow-replicas",)),
)


def noticed(mistake: Mistake) -> set[str]:
    """The invariants that are reported broken, by the enumeration first."""
    found: set[str] = set()
    for cluster in clusters(7):
        found |= {sentence.partition(":")[0] for sentence in judge(tick.decide, cluster)}
        if found & set(mistake.caught_by):
            return found
    for name in mistake.scenarios:
        for seed in range(3):
            sim = BY_NAME[name].build(seed=seed)
            sim.run(BY_NAME[name].seconds)
            found |= {sentence.partition(":")[0] for sentence in judged(BY_NAME[name], sim)}
            if any(write.unprotected for write in sim.world.writes):
                found.add("semi-sync")
    return found


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.name)
def test_is_caught(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake.patch(monkeypatch)
    assert noticed(mistake) & set(mistake.caught_by), f"nobody noticed: {mistake.name}"


def test_without_a_mistake_nothing_is_noticed() -> None:
    """The positive control: the same checks stay quiet on the real decisions, apart from what is known."""
    from simulation.test_enumeration import KNOWN

    for mistake in MISTAKES:
        silent = replace(mistake, caught_by=tuple(one for one in mistake.caught_by if one not in KNOWN))
        if silent.caught_by and silent.scenarios:
            assert not noticed(silent) & set(silent.caught_by)
