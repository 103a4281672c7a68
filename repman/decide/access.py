"""Who may write, by an operator's wish: the cluster is closed through its writer, and opened again.

A replica is never opened: two servers that take writes would be two clusters.
"""

from __future__ import annotations

from dataclasses import replace

from repman.decide.failover import reopen
from repman.decide.guards import may_act
from repman.decide.proposal import Proposal
from repman.decide.service import held
from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.command import Command
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.problem import Refusal


def read_only(view: View, command: Command) -> Proposal:
    """Close a server for writes, or open it."""
    one, name = view.seen.server(command.server), view.name(command.server)
    wanted = one.open if command.toggle else command.on
    if command.server == view.writer:
        return _close(view, command) if wanted else _open(view, command)
    if not wanted:
        sentence = f"{name} is not the writer, and only one server may take writes: ask for a switchover to it"
        return Proposal(refusals=(Refusal("not-the-writer", sentence, one.address),))
    if one.answered and not one.open:
        return Proposal(unchanged=f"{name} is read-only already")
    refusals = [*may_act(view), *held(view, one.address)]
    if not one.answered:
        refusals.append(Refusal("target-lost", f"{name} does not answer ({one.reach})", one.address))
    if refusals:
        return Proposal(refusals=tuple(refusals))
    step = Step(StepKind.CLOSE, one.address, timeout=view.policy.fence_timeout)
    return Proposal(Plan(PlanKind.ACCESS, view.policy.name, (step,), f"asked to make {name} read-only"))


def _close(view: View, command: Command) -> Proposal:
    name, by = view.name(view.writer), command.user or "an operator"
    if view.memory.closed_by:
        return Proposal(unchanged=f"{view.memory.closed_by} closed the cluster already")
    if view.life is Life.CLOSED:  # by hand, or after a start: it stays so from now on
        refusals = may_act(view)
        memory = None if refusals else replace(view.memory, closed_by=by, reopen=False)
        return Proposal(refusals=refusals, memory=memory, done="" if refusals else f"{name} stays read-only")
    refusals = may_act(view)
    if view.life is not Life.OPEN:
        told = f"{name}, the writer, cannot be closed: it does not answer, or there is none"
        refusals = (*refusals, Refusal("writer-failed", told, view.writer))
    if refusals:
        return Proposal(refusals=refusals)
    away = Step(StepKind.ROUTE_AWAY, view.writer, timeout=2.0, essential=False)
    fence = Step(StepKind.FENCE, view.writer, timeout=view.policy.fence_timeout, note=by)
    undo = (Step(StepKind.OPEN, view.writer), Step(StepKind.ROUTE, view.writer, timeout=2.0, essential=False))
    reason = f"{by} asked to close the cluster for writes"
    return Proposal(Plan(PlanKind.ACCESS, view.policy.name, (away, fence), reason, undo=undo))


def _open(view: View, command: Command) -> Proposal:
    if view.life is Life.OPEN:
        return Proposal(unchanged=f"{view.name(view.writer)} accepts writes already")
    if view.life is not Life.CLOSED:
        sentence = f"{view.name(view.writer)} cannot be opened: it does not answer"
        return Proposal(refusals=(Refusal("writer-failed", sentence, view.writer), *may_act(view)))
    return reopen(view, command.server, asked=True, force=command.force)
