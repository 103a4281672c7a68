"""The playbooks that move a primary, or let one be elected: by asking the members, never by force.

A switchover keeps every other member from standing for election, lets the primary step down when the wished one has
all of its writes, and asks the wished one to stand.  A member that was kept from standing, and the old primary, stay
ineligible for as long as they were told to; without the thaw at the end the set could not survive the death of its new
primary meanwhile.
"""

from __future__ import annotations

from repman.decide.electing.majority import candidates, no_majority, preference
from repman.decide.guards import may_act
from repman.decide.proposal import Proposal
from repman.decide.view import View, one_witness
from repman.decide.witness import Life
from repman.model.command import Command, CommandKind
from repman.model.observation import ServerSeen
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.policy import ServerPolicy
from repman.model.problem import Refusal

_MARGIN = 5.0
"""Seconds for which members are kept from standing beyond the deadline of the plan that thaws them."""
_ELECTION = 10.0
"""Seconds for an election that was asked for."""


def switchover(view: View, wanted: str = "", force_reason: str = "") -> Proposal:
    """Move the primary to `wanted`, or to the best member.  `force_reason`: why this was asked as something else."""
    if view.life is not Life.OPEN:
        told = f"{view.name(view.writer)} takes no writes" if view.writer else "no primary is known"
        sentence = f"{told}: a switchover needs a living primary"
        return Proposal(refusals=(Refusal("writer-failed", sentence, view.writer), *may_act(view)))
    if wanted == view.writer:
        return Proposal(unchanged=f"{view.name(wanted)} is the writer already")
    target, ranking, against = _choose(view, wanted, view.policy.switchover_max_lag)
    refusals = (*may_act(view), *no_majority(view), *against)
    if refusals or target is None:
        return Proposal(refusals=refusals, ranking=ranking)
    reason = force_reason or f"asked to move the writer to {view.name(target.address)}"
    return Proposal(_switchover(view, target.address, reason, ranking), ranking=ranking)


def _choose(view: View, wanted: str, longest: float) -> tuple[ServerSeen | None, tuple[str, ...], tuple[Refusal, ...]]:
    """(the best member or None, everybody's place with its reason, why nobody can be chosen)."""
    known = list(candidates(view, longest))
    ranking = tuple(f"{policy.name}: {'; '.join(reasons) or 'ready'}" for policy, _, reasons in known)
    fit: list[tuple[ServerPolicy, ServerSeen]] = []
    for policy, one, reasons in known:
        if wanted == one.address and reasons:
            sentence = f"{policy.name} cannot become the writer: it {'; it '.join(reasons)}"
            return None, ranking, (Refusal("candidate-unfit", sentence, wanted),)
        if not reasons and wanted in ("", one.address):
            fit.append((policy, one))
    if not fit:
        sentence = "no member can become the primary: " + ("; ".join(ranking) or "there is no other one")
        return None, ranking, (Refusal("no-candidate", sentence),)
    return min(fit, key=lambda pair: preference(view, *pair))[1], ranking, ()


def _switchover(view: View, new: str, reason: str, ranking: tuple[str, ...]) -> Plan:
    old, deadline = view.writer, view.policy.switchover_timeout
    rivals = tuple(
        one.address
        for policy, one, _ in candidates(view, -1.0)
        if one.address != new and one.answered and one.member and (not one.member.seat or one.member.seat.electable)
    )
    seconds = f"{deadline + _MARGIN:.0f}"
    thaw = tuple(Step(StepKind.THAW, address, timeout=2.0, essential=False) for address in (old, *rivals))
    steps = (
        Step(StepKind.CATCH_UP, new, old, timeout=deadline / 2),
        *(Step(StepKind.FREEZE, address, timeout=1.0, essential=False, note=seconds) for address in rivals),
        Step(StepKind.ROUTE_AWAY, old, timeout=1.0, essential=False),
        Step(StepKind.STEP_DOWN, old, new, timeout=deadline / 2, note=seconds),
        Step(StepKind.STEP_UP, new, timeout=deadline / 2),
        Step(StepKind.ROUTE, new, timeout=1.0, essential=False),
        *thaw,
    )
    undo = (
        *thaw,
        Step(StepKind.STEP_UP, old, timeout=_ELECTION, essential=False),
        Step(StepKind.ROUTE, old, timeout=1.0, essential=False),
    )
    return Plan(
        PlanKind.SWITCHOVER,
        view.policy.name,
        steps,
        reason,
        old_writer=old,
        new_writer=new,
        undo=undo,
        deadline=deadline,
        ranking=ranking,
    )


def failover(view: View, command: Command) -> Proposal:
    """An operator asks for a failover: of a living primary a switchover; else the election is asked for, not forced."""
    preview = command.kind is CommandKind.PREVIEW
    if view.life is Life.OPEN and not preview:
        if command.force:
            return switchover(view, command.server, "a forced failover of a living writer is a switchover")
        sentence = f"{view.name(view.writer)} is alive: ask for a switchover, or force the failover"
        return Proposal(refusals=(Refusal("writer-alive", sentence, view.writer),))
    doubt = (one_witness(view),) if view.life in (Life.ALIVE, Life.SUSPECT) and not preview else ()
    gone = "" if view.life is Life.CLOSED else view.writer
    target, ranking, against = _choose(view, command.server, -1.0)
    refusals = (*may_act(view), *doubt, *no_majority(view, gone), *against)
    if refusals or target is None:
        return Proposal(refusals=refusals, ranking=ranking)
    new = target.address
    steps = (
        Step(StepKind.THAW, new, timeout=2.0, essential=False),
        Step(StepKind.STEP_UP, new, timeout=_ELECTION),
        Step(StepKind.ROUTE, new, timeout=2.0, essential=False),
    )
    reason = f"the set has no primary, and {view.name(new)} was asked to stand for election"
    return Proposal(
        Plan(
            PlanKind.FAILOVER,
            view.policy.name,
            steps,
            reason,
            old_writer=view.writer,
            new_writer=new,
            deadline=view.policy.failover_timeout,
            ranking=ranking,
        ),
        ranking=ranking,
    )


def blocked_by(view: View) -> tuple[Refusal, ...]:
    """Why the set would not survive its primary's death right now; empty: it is protected."""
    if view.life is Life.NONE:
        return (Refusal("no-writer", "the cluster has no writer"),)
    _, _, against = _choose(view, "", view.policy.max_lag)
    return (*no_majority(view, view.writer), *against)


def by_itself(view: View) -> Proposal:
    """Nothing: the members elect.  Where they cannot, that is told."""
    if view.life.dead or view.life is Life.CLOSED:
        return Proposal(refusals=tuple(no_majority(view, view.writer if view.life.dead else "")))
    return Proposal(refusals=(one_witness(view),)) if view.life is Life.SUSPECT else Proposal()
