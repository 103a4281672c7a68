"""Wishes about a server's process: start it, shut it down and leave it so."""

from __future__ import annotations

from dataclasses import replace

from repman.decide.guards import may_act
from repman.decide.proposal import Proposal
from repman.decide.repair import can_acknowledge
from repman.decide.switchover import switchover
from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.command import Command
from repman.model.observation import Reach
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.problem import Refusal

SHUTDOWN = 60.0
"""Seconds that a clean shutdown may take."""


def start_server(view: View, command: Command) -> Proposal:
    """Start its process; what it needs to replicate again is repaired when it answers."""
    address, name = command.server, view.name(command.server)
    if view.seen.server(address).answered:
        return Proposal(unchanged=f"{name} runs and answers")
    # Where nobody answers there is no vote to be had, and whoever is started is read-only.
    against = may_act(view) if view.policy.paused or view.seen.answering() else ()
    refusals = [*against, *uncontrolled(view, address), *held(view, address)]
    if refusals:
        return Proposal(refusals=tuple(refusals))
    return Proposal(_plan(view, f"asked to start {name}", Step(StepKind.START, address)))


def stop_server(view: View, command: Command) -> Proposal:
    """Shut it down.  The writer hands its role over first, and only by force."""
    address, name = command.server, view.name(command.server)
    remembered = view.memory.server(address)
    if remembered.stopped_by:
        return Proposal(unchanged=f"{name} was stopped by {remembered.stopped_by} already")
    by = command.user or "an operator"
    if view.seen.server(address).reach is Reach.REFUSED and address != view.writer:
        memory = view.memory.with_server(replace(remembered, stopped_by=by))
        return Proposal(memory=memory, done=f"{name} does not run; it stays so until it is started")
    refusals = [*may_act(view), *uncontrolled(view, address), *held(view, address)]
    if address == view.writer and not command.force:
        sentence = f"{name} is the writer: move that role away first (switchover), or force this, which does so"
        refusals.append(Refusal("is-writer", sentence, address))
    elif address != view.writer and not command.force:
        refusals += last_acker(view, address, "stopping it")
    if refusals:
        return Proposal(refusals=tuple(refusals))
    stop = Step(StepKind.STOP, address, timeout=SHUTDOWN, note=by)
    if address == view.writer:
        return _stop_writer(view, stop)
    steps = (
        (Step(StepKind.ROUTE, view.writer, timeout=2.0, essential=False), stop) if view.life is Life.OPEN else (stop,)
    )
    memory = view.memory.with_server(replace(remembered, stopped_by=by))  # so that the routes do without it
    return Proposal(_plan(view, f"{by} asked to stop {name}", *steps), memory=memory)


def _stop_writer(view: View, stop: Step) -> Proposal:
    """After a switchover; a writer that is all there is goes without one."""
    name = view.name(stop.server)
    moved = switchover(view, force_reason=f"{stop.note} asked to stop the writer {name}")
    if moved.plan is not None:
        plan = replace(moved.plan, steps=(*moved.plan.steps, stop), deadline=moved.plan.deadline + SHUTDOWN)
        return replace(moved, plan=plan)
    others = [one for one in view.seen.answering() if one.address != stop.server]
    if others and view.life is Life.OPEN:
        return moved
    fence = Step(StepKind.FENCE, stop.server, timeout=view.policy.fence_timeout, essential=False)
    away = Step(StepKind.ROUTE_AWAY, stop.server, timeout=2.0, essential=False)
    reason = f"{stop.note} forced to stop {name}, the writer, and no other server can take its place"
    return Proposal(replace(_plan(view, reason, away, fence, stop), old_writer=stop.server))


def _plan(view: View, reason: str, *steps: Step) -> Plan:
    return Plan(PlanKind.SERVICE, view.policy.name, steps, reason, deadline=SHUTDOWN + 15.0)


def uncontrolled(view: View, address: str) -> list[Refusal]:
    """The refusal to start or stop a process that is not ours."""
    policy = view.policy.server(address)
    if policy.controlled or policy.startable:
        return []
    sentence = (
        f"the process of {view.name(address)} is not ours to start or stop: prov-orchestrator does not control it"
    )
    return [Refusal("not-controlled", sentence, address)]


def held(view: View, address: str) -> list[Refusal]:
    """The refusal to touch a server that a job works on."""
    if not view.memory.server(address).held:
        return []
    sentence = f"{view.name(address)} {view.why_left_alone(address)}; wait until that ends"
    return [Refusal("held", sentence, address)]


def last_acker(view: View, address: str, what: str) -> list[Refusal]:
    """The refusal to take away the only replica whose acknowledgement the writer's commits wait for."""
    writer = view.writer_seen
    if not view.policy.semi_sync or writer is None or not writer.open or not _acknowledges(view, address):
        return []
    if any(_acknowledges(view, one.address) for one in view.seen.replicas_of(writer.address) if one.address != address):
        return []
    sentence = (
        f"{view.name(address)} is the only replica that acknowledges: after {what} writes would wait, or be unprotected"
    )
    return [Refusal("last-acker", sentence, address)]


def _acknowledges(view: View, address: str) -> bool:
    writer = view.writer_seen
    return writer is not None and can_acknowledge(view.seen.server(address), writer)
