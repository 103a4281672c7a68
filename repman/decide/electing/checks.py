"""May this step be done to a member now?  Asked about a fresh look, as `repman.decide.steps` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from repman.decide.electing.claims import claims, term_of
from repman.decide.electing.majority import no_majority, unfit
from repman.decide.view import View
from repman.model.plan import FenceOutcome, Plan, PlanKind, Step, StepKind
from repman.model.problem import Refusal

Fences = Mapping[str, FenceOutcome]
Check = Callable[[View, Plan, Step, Fences], list[Refusal]]


def _refuse(code: str, sentence: str, step: Step) -> Refusal:
    return Refusal(code, sentence, step.server)


def _may_step_up(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    """Nobody is asked to stand against a primary: who takes writes has stepped down before."""
    one = view.seen.server(step.server)
    if not one.answered:
        return [_refuse("target-lost", f"{view.name(step.server)} does not answer ({one.reach})", step)]
    refusals = [
        _refuse("another-open", f"{view.name(other.address)} is the primary of term {term_of(other)}", step)
        for other in claims(view.seen.servers)
        if other.address != step.server and term_of(other) >= term_of(one)
    ]
    return refusals + ([] if one.open or plan.kind is PlanKind.BOOTSTRAP else no_majority(view))


def _may_step_down(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    """Only when somebody is there who can take over, and a majority to elect him."""
    if not view.seen.server(step.server).open:
        return []
    refusals = no_majority(view)
    new = view.seen.server(plan.new_writer)
    if reasons := unfit(view, view.policy.server(plan.new_writer), new, view.policy.switchover_max_lag):
        sentence = f"{view.name(plan.new_writer)} cannot take over any more: it {'; it '.join(reasons)}"
        refusals.append(_refuse("candidate-unfit", sentence, step))
    return refusals


def _may_freeze(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    if view.seen.server(step.server).open:
        return [_refuse("is-writer", f"{view.name(step.server)} answers and is the writer", step)]
    return []


def _may_route(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    if not view.seen.server(step.server).open:
        return [_refuse("not-primary", f"{view.name(step.server)} is not the primary now", step)]
    return []


def _may_stop(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    if view.memory.server(step.server).held:
        return [_refuse("held", f"{view.name(step.server)} {view.why_left_alone(step.server)}", step)]
    return _may_freeze(view, plan, step, fences)


def _may_initiate(view: View, plan: Plan, step: Step, fences: Fences) -> list[Refusal]:
    members = [one for one in view.seen.answering() if one.member is not None and one.member.set_name]
    names = ", ".join(view.name(one.address) for one in members if one.address != step.server)
    return [_refuse("has-replication", f"{names} are members of a set already", step)] if names else []


CHECKS: Mapping[StepKind, Check] = {
    StepKind.STEP_UP: _may_step_up,
    StepKind.STEP_DOWN: _may_step_down,
    StepKind.FREEZE: _may_freeze,
    StepKind.ROUTE: _may_route,
    StepKind.STOP: _may_stop,
    StepKind.INITIATE: _may_initiate,
}
