"""The one door to the decision core.

    decide(policy, seen, memory, command, now, wall) -> Decision

Total, deterministic, without I/O; time is a value.  One decision reads one observation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from repman.decide.electing import health as members
from repman.decide.electing import moves
from repman.decide.electing.problems import REGISTRY as ELECTING_REGISTRY
from repman.decide.electing.takeover import takeover
from repman.decide.election import elect
from repman.decide.failover import failover, reopen
from repman.decide.guards import (
    fence_allows,
    keeps_acknowledged,
    may_act,
    may_act_automatically,
    nobody_else_open,
    protection_refusals,
)
from repman.decide.health import routes, states, topology
from repman.decide.problems import REGISTRY, Row, problems
from repman.decide.proposal import Proposal
from repman.decide.remember import remember
from repman.decide.repair import repairs
from repman.decide.rolling import next_restart
from repman.decide.view import View, look, one_witness
from repman.decide.wishes import asked
from repman.decide.witness import Life
from repman.model.command import Command, CommandKind
from repman.model.decision import Decision, Routes, ServerState, Takeover
from repman.model.memory import Memory
from repman.model.nature import Nature
from repman.model.observation import ClusterSeen
from repman.model.plan import Plan, StepKind
from repman.model.policy import ClusterPolicy
from repman.model.problem import Refusal


def decide(
    policy: ClusterPolicy, seen: ClusterSeen, memory: Memory, command: Command | None, now: float, wall: float
) -> Decision:
    """What this look means, and the plan that it (or the operator's command) asks for."""
    view = look(policy, seen, remember(policy, seen, memory, now), now, wall)
    rules = _rules(policy.nature)
    moved = rules.takeover(memory, view)
    if moved is not None:
        counted = replace(view.memory, failovers=memory.failovers + 1, last_failover=wall, last_failover_monotonic=now)
        view = look(policy, seen, counted, now, wall)
    proposal = asked(view, command) if command is not None else rules.by_itself(view)
    if command is not None and command.kind is CommandKind.PREVIEW:
        proposal = replace(proposal, memory=None, done="")
    if proposal.memory is not None:
        view = look(policy, seen, proposal.memory, now, wall)  # what is published at once knows of the wish
    return Decision(
        memory=view.memory,
        writer=view.writer,
        writer_alive=view.life in rules.alive,
        states=rules.states(view),
        problems=problems(view, rules.registry),
        blocked_by=rules.blocked_by(view),
        routes=rules.routes(view),
        topology=rules.topology(view),
        plan=proposal.plan,
        refusals=proposal.refusals,
        unchanged=proposal.unchanged,
        ranking=proposal.ranking,
        done=proposal.done,
        takeover=moved,
    )


@dataclass(frozen=True, slots=True)
class _Rules:
    """By what one kind of cluster is judged, and what is done with it unasked."""

    by_itself: Callable[[View], Proposal]
    states: Callable[[View], tuple[tuple[str, ServerState], ...]]
    routes: Callable[[View], Routes]
    topology: Callable[[View], str]
    blocked_by: Callable[[View], tuple[Refusal, ...]]
    registry: tuple[Row, ...]
    alive: frozenset[Life]
    """The verdicts under which somebody is in charge."""
    takeover: Callable[[Memory, View], Takeover | None]
    """A change of the writer since the look before that nobody asked repman for."""


def _rules(nature: Nature) -> _Rules:
    if nature is Nature.ELECTING:
        return _Rules(
            moves.by_itself,
            members.states,
            members.routes,
            members.topology,
            moves.blocked_by,
            ELECTING_REGISTRY,
            frozenset({Life.OPEN, Life.ALIVE}),
            takeover,
        )
    return _Rules(
        _by_itself,
        states,
        routes,
        topology,
        blocked_by,
        REGISTRY,
        frozenset({Life.OPEN, Life.CLOSED, Life.ALIVE}),
        lambda before, view: None,
    )


def _by_itself(view: View) -> Proposal:
    """What repman does unasked: replace a dead writer, reopen a returned one, then one repair at a time."""
    if view.life.dead:
        return failover(view)
    if view.life is Life.CLOSED:
        return reopen(view)
    if view.life is Life.SUSPECT:
        return Proposal(refusals=(one_witness(view),))
    if may_act(view):
        return Proposal()
    resting = {key for key, until in view.memory.refused_plans if until > view.now}
    for plan in repairs(view):
        if repair_key(plan) not in resting:
            return Proposal(plan)
    return next_restart(view)


def repair_key(plan: Plan) -> str:
    """Identifies a repair, so that one which failed is not tried again at once."""
    return f"{plan.kind}:" + ",".join(
        f"{step.kind}@{step.server}" for step in plan.steps if step.kind is not StepKind.ROUTE_AWAY
    )


def blocked_by(view: View) -> tuple[Refusal, ...]:
    """Why the cluster would not survive its writer's death right now; empty: it is protected."""
    if view.life is Life.NONE:
        return (Refusal("no-writer", "the cluster has no writer"),)
    election = elect(view, without=(view.writer,))
    return (
        *may_act(view),
        *may_act_automatically(view),
        *election.refusals,
        *keeps_acknowledged(view, election),
        *nobody_else_open(view, election.winner),
        *fence_allows(view, view.writer in view.policy.addresses and view.policy.server(view.writer).controlled),
        *protection_refusals(view),
    )
