"""Wishes about one server's replication and its binary log."""

from __future__ import annotations

from repman.decide.guards import may_act
from repman.decide.holding import not_the_writer
from repman.decide.proposal import Proposal
from repman.decide.service import held, last_acker
from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.command import Command
from repman.model.observation import Receiver, ServerSeen
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.problem import Refusal

_PATIENCE = 5.0
"""Seconds that a replica gets to apply what it has received before it stands still."""


def start_replication(view: View, command: Command) -> Proposal:
    """Let a replica replicate again: from where it did, or from the writer when it has no source."""
    address, name = command.server, view.name(command.server)
    one = view.seen.server(address)
    if one.links and all(link.healthy for link in one.links):
        return Proposal(unchanged=f"{name} replicates already")
    refusals = _against(view, one, not_the_writer(view, address, "let it follow the new one"))
    if not one.links and view.life is not Life.OPEN:
        refusals.append(Refusal("no-writer", f"there is no open writer that {name} could follow", address))
    if refusals:
        return Proposal(refusals=tuple(refusals))
    in_place = one.links and (view.life is not Life.OPEN or view.policy.multi_tier or one.follows(view.writer))
    step = Step(StepKind.RESUME, address) if in_place else Step(StepKind.FOLLOW, address, view.writer, timeout=10.0)
    return Proposal(_plan(view, f"asked to start the replication of {name}", step))


def stop_replication(view: View, command: Command) -> Proposal:
    """Let a replica stand still, with everything applied that it has received."""
    return _stand_still(view, command, StepKind.STOP_APPLYING, "stop the replication of")


def reset_replication(view: View, command: Command) -> Proposal:
    """Remove a replica's replication; it stays read-only, and alone until replication is started."""
    return _stand_still(view, command, StepKind.UNFOLLOW, "remove the replication of")


def _stand_still(view: View, command: Command, last: StepKind, wish: str) -> Proposal:
    address, name = command.server, view.name(command.server)
    one = view.seen.server(address)
    stopped = all(link.receiver is Receiver.STOPPED and not link.applier_running for link in one.links)
    wished = view.memory.server(address).detached_by
    if writer := not_the_writer(view, address, f"{wish} it"):
        return Proposal(refusals=tuple(writer))
    if one.answered and stopped and (wished or not one.links) and (last is StepKind.STOP_APPLYING or not one.links):
        return Proposal(unchanged=f"{name} does not replicate" + (f": stopped by {wished}" if wished else ""))
    refusals = _against(view, one, [])
    if not command.force:
        refusals += last_acker(view, address, "this")
        refusals += _writer_away(view, one)
    if refusals:
        return Proposal(refusals=tuple(refusals))
    steps = (
        Step(StepKind.STOP_RECEIVING, address),
        Step(StepKind.DRAIN, address, timeout=_PATIENCE, essential=False),
        Step(last, address, note=command.user or "an operator"),
    )
    return Proposal(_plan(view, f"{command.user or 'an operator'} asked to {wish} {name}", *steps))


def _writer_away(view: View, one: ServerSeen) -> list[Refusal]:
    """While nobody is open, what a replica has received may be the only copy, and it may be the next writer."""
    if view.life is Life.OPEN:
        return []
    sentence = f"the writer {view.name(view.writer)} is not open: {view.name(one.address)} may be needed as it is"
    return [Refusal("writer-failed", sentence, one.address)]


def skip_event(view: View, command: Command) -> Proposal:
    """Go on behind the transaction at which a replica's applier failed."""
    address, name = command.server, view.name(command.server)
    one = view.seen.server(address)
    failed = [link for link in one.links if link.applier_errno]
    refusals = _against(view, one, not_the_writer(view, address, "skip"))
    if one.answered and not failed:
        refusals.append(Refusal("no-applier-error", f"{name} has no transaction that it cannot apply", address))
    if refusals:
        return Proposal(refusals=tuple(refusals))
    error = f"{failed[0].applier_errno}, {failed[0].applier_error}"
    steps = (Step(StepKind.SKIP_EVENT, address, timeout=10.0, note=failed[0].applier_error),)
    diverges = f"{name} lacks the transaction that is skipped: its rows may differ from now on, compare them"
    return Proposal(_plan(view, f"asked to skip what {name} cannot apply: {error}", *steps, assumptions=(diverges,)))


def reset_binlog(view: View, command: Command) -> Proposal:
    """Empty a binary log.  The position stays, so nothing is numbered anew and nothing is taken for missing.

    Whoever has not received yet what the log held cannot get it from this server any more.
    """
    address, name = command.server, view.name(command.server)
    one = view.seen.server(address)
    refusals = _against(view, one, [])
    followers = [view.name(other.address) for other in view.seen.replicas_of(address)]
    if followers:
        sentence = f"{', '.join(followers)} replicate from {name} and would lose their place in its binary log"
        refusals.append(Refusal("has-replicas", sentence, address))
    if not command.force:
        refusals += _cut_off(view, one)
    if not (command.force or view.policy.test):
        sentence = (
            f"the history in the binary log of {name} would be gone: whoever needs it must be reseeded; force this"
        )
        refusals.append(Refusal("needs-force", sentence, address))
    if refusals:
        return Proposal(refusals=tuple(refusals))
    reason = f"asked to empty the binary log of {name}"
    lost = f"who has not yet received what the binary log of {name} held cannot get it there any more"
    reset = Step(StepKind.RESET_BINLOG, address, timeout=10.0)
    if not one.open:
        return Proposal(_plan(view, reason, reset, assumptions=(lost,)))
    steps = (
        Step(StepKind.ROUTE_AWAY, address, timeout=2.0, essential=False),
        Step(StepKind.FENCE, address, timeout=view.policy.fence_timeout),
        reset,
        Step(StepKind.OPEN, address),
        Step(StepKind.ROUTE, address, timeout=2.0, essential=False),
    )
    plan = _plan(view, reason, *steps, assumptions=(lost,))
    return Proposal(
        Plan(
            plan.kind,
            plan.cluster,
            plan.steps,
            plan.reason,
            old_writer=address,
            new_writer=address,
            undo=steps[-2:],
            assumptions=plan.assumptions,
        )
    )


def _cut_off(view: View, one: ServerSeen) -> list[Refusal]:
    """The servers that would need what is in the writer's binary log when they come back."""
    if one.address != view.writer or one.executed is None:
        return []
    missing = []
    for other in view.seen.servers:
        known = other.received if other.answered else view.memory.server(other.address).highest_received
        if other.address != one.address and (known is None or not known.covers(one.executed)):
            missing.append(view.name(other.address))
    if not missing:
        return []
    sentence = (
        f"{', '.join(missing)} have not received all that {view.name(one.address)} has, and could not get it any more: "
        "let them catch up first, or force this and reseed them"
    )
    return [Refusal("would-cut-off", sentence, one.address)]


def _against(view: View, one: ServerSeen, own: list[Refusal]) -> list[Refusal]:
    """What forbids every wish about a server's replication."""
    refusals = [*may_act(view), *held(view, one.address), *own]
    if not one.answered:
        sentence = f"{view.name(one.address)} does not answer ({one.reach})"
        refusals.append(Refusal("target-lost", sentence, one.address))
    return refusals


def _plan(view: View, reason: str, *steps: Step, assumptions: tuple[str, ...] = ()) -> Plan:
    return Plan(PlanKind.REPLICATION, view.policy.name, steps, reason, assumptions=assumptions)
