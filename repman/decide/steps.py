"""May this step be done now?  Asked by the executor before each mutating step, about a fresh look.

This is where the safety order of a plan is held at the moment of acting: whatever a plan says, nothing is
opened beside an open server, nothing is promoted with a gap, nothing follows what it does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from repman.decide.electing import checks as electing
from repman.decide.view import View, errant
from repman.model.nature import Nature
from repman.model.observation import Reach, ServerSeen
from repman.model.plan import FenceOutcome, Plan, PlanKind, Step, StepKind
from repman.model.policy import UnknownFencePolicy
from repman.model.problem import Refusal

Fences = Mapping[str, FenceOutcome]


def forbidden(view: View, plan: Plan, step: Step, fences: Fences, undo: bool = False) -> tuple[Refusal, ...]:
    """Every reason not to do this step now.

    `fences`: how the fences of this plan ended, by address.  `undo`: the step puts the old writer back.
    """
    for address in (step.server, step.source):
        if address and address not in view.policy.addresses:
            return (_refuse("unknown-server", f"{address} is no longer configured", step),)
    nature = view.policy.nature
    if step.kind not in nature.steps:
        return (_refuse("not-for-this-kind", f"{step.kind} is nothing that can be done to such a cluster", step),)
    refusals = [_refuse("paused", "monitoring-pause was set", step)] if view.policy.paused else []
    first = step.kind is StepKind.START and not view.seen.answering()  # nobody is there to grant the lease yet
    if not view.leased and not first:
        refusals.append(_refuse("no-lease", "the lease was lost: another repman may be acting", step))
    check = (electing.CHECKS if nature is Nature.ELECTING else _CHECKS).get(step.kind)
    if check is not None:
        refusals += check(view, plan, step, fences)
    if undo:  # The old writer goes back to how it served before.
        refusals = [refusal for refusal in refusals if refusal.code != "would-be-unprotected"]
    return tuple(refusals)


def _refuse(code: str, sentence: str, step: Step) -> Refusal:
    return Refusal(code, sentence, step.server)


def _target(view: View, step: Step) -> ServerSeen:
    return view.seen.server(step.server)


def _may_open(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    target = _target(view, step)
    if not target.answered:
        return [_refuse("target-lost", f"{view.name(step.server)} does not answer ({target.reach})", step)]
    if target.open:
        return []
    refusals = []
    if any(link.source in view.policy.addresses for link in target.links):
        refusals.append(_refuse("still-replica", f"{view.name(step.server)} still follows another server", step))
    if view.policy.semi_sync and not view.memory.degraded and not (target.semi_sync and target.semi_sync.lossless):
        refusals.append(
            _refuse("would-be-unprotected", f"commits on {view.name(step.server)} would not wait for a replica", step)
        )
    for one in view.seen.servers:
        if one.address != step.server:
            refusals += _possibly_open(view, plan, one, step, fences)
    return refusals


def _possibly_open(view: View, plan: Plan, one: ServerSeen, step: Step, fences: Fences) -> list[Refusal]:
    """Why another server could acknowledge client writes beside the one that is to be opened."""
    name = view.name(one.address)
    if one.address not in (plan.old_writer, view.writer) and view.policy.server(one.address).keep_read_only_alone:
        return []  # Writable by the operator's wish, as a replica: nobody's writes are routed there.
    if one.open:
        return [_refuse("another-open", f"{name} is open", step)]
    if one.answered or one.reach is Reach.REFUSED:
        return []
    if one.address not in (plan.old_writer, view.writer) and not _was_promoted(view, plan, one):
        return []  # It was no writer before, and servers start read-only.
    fence = fences.get(one.address)
    if fence in (FenceOutcome.DONE, FenceOutcome.DEAD):
        return []
    if fence is FenceOutcome.UNKNOWN and unknown_fence_allowed(view, one.address):
        return []
    return [_refuse("not-fenced", f"{name} does not answer ({one.reach}) and was not fenced", step)]


def _was_promoted(view: View, plan: Plan, one: ServerSeen) -> bool:
    """Whether this plan promoted it before it fell silent: an OPEN without an answer may have opened it."""
    last = view.memory.server(one.address).last
    return one.address == plan.new_writer and (last is None or last.open or not last.links)


def unknown_fence_allowed(view: View, address: str) -> bool:
    """Whether policy lets a plan go on although that old writer could not be fenced.

    With semi-sync that never falls back, and no reachable replica receiving from it, it can acknowledge nothing.
    """
    if view.policy.unknown_fence is UnknownFencePolicy.PROCEED:
        return True
    if view.policy.unknown_fence is UnknownFencePolicy.REFUSE:
        return False
    last = view.memory.server(address).last
    lossless = last is not None and last.semi_sync is not None and last.semi_sync.lossless
    if view.policy.semi_sync and not lossless:
        return False
    return not any(one.receives_from(address) for one in view.seen.answering())


def _may_promote(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    target = _target(view, step)
    name = view.name(step.server)
    if not target.answered or target.executed is None:
        return [_refuse("target-lost", f"{name} does not answer ({target.reach})", step)]
    if plan.kind is PlanKind.BOOTSTRAP:
        return []
    if target.open and step.server == plan.old_writer:
        return [_refuse("still-open", f"{name} was never closed: there is nothing to undo", step)]
    refusals = []
    if not target.drained:
        refusals.append(_refuse("not-drained", f"{name} has not applied everything it received", step))
    for one in view.seen.answering():
        if one.address == step.server or one.received is None:
            continue
        if errant(view, one):
            continue  # It is shown as diverged; what it wrote by itself is nobody's acknowledged write.
        if not target.executed.covers(one.received):
            missing = one.received.minus(target.executed)
            refusals.append(
                _refuse(
                    "would-lose", f"{view.name(one.address)} has what {name} lacks: {missing or one.received}", step
                )
            )
        if plan.kind is PlanKind.FAILOVER and plan.old_writer and one.receives_from(plan.old_writer):
            refusals.append(
                _refuse("still-received", f"{view.name(one.address)} still receives from the old writer", step)
            )
    return refusals


def _may_follow(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    target, source = _target(view, step), view.seen.server(step.source)
    if not target.answered or not source.answered:
        lost = step.server if not target.answered else step.source
        return [_refuse("target-lost", f"{view.name(lost)} does not answer", step)]
    refusals = []
    if _would_cycle(view, step.server, step.source):
        refusals.append(
            _refuse("would-cycle", f"{view.name(step.source)} itself replicates from {view.name(step.server)}", step)
        )
    live = target.receives_from(step.source)
    if not live and source.executed and target.executed and not source.executed.covers(target.executed):
        extra = target.executed.minus(source.executed)
        refusals.append(
            _refuse("diverged", f"{view.name(step.server)} has what {view.name(step.source)} lacks: {extra}", step)
        )
    return refusals


def _would_cycle(view: View, replica: str, source: str) -> bool:
    """Whether following `source` would make `replica` its own ancestor."""
    waiting, known = [source], set()
    while waiting:
        address = waiting.pop()
        if address == replica:
            return True
        if address in known or address not in view.policy.addresses:
            continue
        known.add(address)
        waiting += [link.source for link in view.seen.server(address).links]
    return False


def _may_take_down(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    """Killing is for servers that a plan replaces or that stand beside the writer, never for the writer itself."""
    target = _target(view, step)
    if target.open and step.server == view.writer:
        return [_refuse("is-writer", f"{view.name(step.server)} answers and is the writer", step)]
    return []


def _may_stop(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    """The open writer is stopped only by a plan that says so from the beginning."""
    if view.memory.server(step.server).held:
        return [_refuse("held", f"{view.name(step.server)} {view.why_left_alone(step.server)}", step)]
    forced = plan.kind is PlanKind.SERVICE and plan.old_writer == step.server
    if _target(view, step).open and step.server == view.writer and not forced:
        return [_refuse("is-writer", f"{view.name(step.server)} answers and is the writer", step)]
    return []


def _may_stand_still(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    target = _target(view, step)
    if target.open and step.server == view.writer:
        return [_refuse("is-writer", f"{view.name(step.server)} answers and is the writer", step)]
    return []


def _may_empty(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    """An open server could write between the loss of its position and its return."""
    refusals = []
    if _target(view, step).open:
        refusals.append(_refuse("still-open", f"{view.name(step.server)} accepts writes", step))
    for one in view.seen.replicas_of(step.server):
        refusals.append(_refuse("has-replicas", f"{view.name(one.address)} replicates from it", step))
    return refusals


def _may_clean(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    if plan.kind not in (PlanKind.BOOTSTRAP, PlanKind.CLEANUP):
        return [_refuse("not-asked", "replication is only removed when an operator asks for it", step)]
    target = _target(view, step)
    if target.open:
        return [_refuse("another-open", f"{view.name(step.server)} is open", step)]
    return []


_CHECKS: dict[StepKind, Callable[[View, Plan, Step, Fences], list[Refusal]]] = {
    StepKind.OPEN: _may_open,
    StepKind.PROMOTE: _may_promote,
    StepKind.FOLLOW: _may_follow,
    StepKind.KILL: _may_take_down,
    StepKind.CLEAN: _may_clean,
    StepKind.STOP: _may_stop,
    StepKind.STOP_APPLYING: _may_stand_still,
    StepKind.SKIP_EVENT: _may_stand_still,
    StepKind.RESET_BINLOG: _may_empty,
}
