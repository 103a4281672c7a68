"""A rolling restart: replicas one by one, then the writer after a switchover, then the role goes home.

No plan of its own: between two looks at most one short plan runs, so that a failover is never held up.  Whose turn it is
follows from what is seen: whoever still runs as it did when the restart began.
"""

from __future__ import annotations

from dataclasses import replace

from repman.decide.bootstrap import healthy
from repman.decide.election import lag_of
from repman.decide.guards import may_act
from repman.decide.holding import nobody_held
from repman.decide.proposal import Proposal
from repman.decide.repair import settled
from repman.decide.service import SHUTDOWN, last_acker, uncontrolled
from repman.decide.switchover import switchover
from repman.decide.view import View
from repman.model.command import Command
from repman.model.memory import RollingRestart
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.problem import Refusal

PATIENCE = 300.0
"""Seconds without a move after which it is left off: whoever asked for it does not expect it any more."""


def rolling_restart(view: View, command: Command) -> Proposal:
    """Begin it, or leave off with it."""
    under_way = view.memory.rolling
    if not command.on:
        if under_way is None:
            return Proposal(unchanged="no rolling restart is under way")
        return Proposal(memory=replace(view.memory, rolling=None), done="the rolling restart was left off")
    if under_way is not None:
        return Proposal(unchanged=f"a rolling restart asked by {under_way.by} is under way")
    refusals = [*may_act(view), *nobody_held(view)]
    for policy, one in view.members():
        refusals += uncontrolled(view, one.address)
        if view.stands_still(one.address):
            why = view.why_left_alone(one.address) or "does not replicate, by an operator's wish"
            refusals.append(Refusal("not-settled", f"{policy.name} {why}", one.address))
        if not command.force:
            refusals += last_acker(view, one.address, "its restart began")
    if not settled(view):
        sentence = "not every server is healthy and in its place: wait until the problems are gone"
        refusals.append(Refusal("not-settled", sentence))
    if len(view.policy.servers) > 1:
        refusals += [refusal for refusal in switchover(view).refusals if refusal.code != "long-write"]
    else:
        refusals.append(Refusal("no-candidate", "there is no other server that could take the writes meanwhile"))
    if refusals:
        return Proposal(refusals=tuple(dict.fromkeys(refusals)))
    runs = tuple((one.address, one.boot) for one in view.seen.servers)
    begun = RollingRestart(command.user or "an operator", runs, view.writer, view.wall)
    done = f"{len(runs)} servers are restarted one after the other, the writer {view.name(view.writer)} last"
    return Proposal(memory=replace(view.memory, rolling=begun), done=done)


def next_restart(view: View) -> Proposal:
    """The next move of the rolling restart that is under way, when everything is settled; else nothing."""
    rolling = view.memory.rolling
    if rolling is None:
        return Proposal()
    if not _ready(view):
        if view.wall - rolling.moved_at <= PATIENCE:
            return Proposal()
        left = ", ".join(view.name(address) for address in view.to_restart) or "none"
        return _over(view, f"was left off after {PATIENCE:.0f} s without a move; not restarted: {left}")
    waiting = [address for address in view.to_restart if address != view.writer]
    if waiting:
        moved = replace(rolling, current=waiting[0], moved_at=view.wall)
        return Proposal(_turn(view, waiting[0]), memory=replace(view.memory, rolling=moved))
    moved = replace(rolling, current="", moved_at=view.wall)
    wanted = "" if view.writer in view.to_restart else rolling.home
    if wanted == view.writer:
        return _over(view, "has ended")
    if wanted and wanted not in view.policy.addresses:
        return _over(view, f"has ended; the writer was {wanted}, which is no longer of this cluster")
    move = switchover(view, wanted, f"the rolling restart asked by {rolling.by}")
    if move.plan is None and wanted:  # it is all restarted; the role stays where it is
        why = "; ".join(refusal.sentence for refusal in move.refusals)
        return _over(view, f"has ended, with {view.name(view.writer)} as the writer: {why}")
    return replace(move, refusals=(), memory=replace(view.memory, rolling=moved) if move.plan else None)


def _over(view: View, how: str) -> Proposal:
    by = view.memory.rolling.by if view.memory.rolling else "nobody"
    return Proposal(memory=replace(view.memory, rolling=None), done=f"the rolling restart asked by {by} {how}")


def _ready(view: View) -> bool:
    """Whether every server is healthy and has caught up, so that the next one may go."""
    if any(view.stands_still(one.address) for one in view.seen.servers):
        return False
    late = any(lag_of(view, one) > view.policy.switchover_max_lag for one in view.seen.answering())
    return healthy(view) and settled(view) and not late


def _turn(view: View, address: str) -> Plan:
    steps = (
        # The routes of this look do without it.
        Step(StepKind.ROUTE, view.writer, timeout=2.0, essential=False),
        Step(StepKind.STOP, address, timeout=SHUTDOWN),
        Step(StepKind.START, address),
    )
    reason = f"it is the turn of {view.name(address)} in the rolling restart"
    return Plan(PlanKind.RESTART, view.policy.name, steps, reason, deadline=SHUTDOWN + 15.0)
