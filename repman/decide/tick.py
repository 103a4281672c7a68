"""The one door to the decision core.

    decide(policy, seen, memory, command, now, wall) -> Decision

Total, deterministic, without I/O; time is a value.  One decision reads one observation.
"""

from __future__ import annotations

from dataclasses import replace

from repman.decide.bootstrap import bootstrap, cleanup
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
from repman.decide.problems import problems
from repman.decide.proposal import Proposal
from repman.decide.remember import remember
from repman.decide.repair import repairs
from repman.decide.switchover import switchover
from repman.decide.view import View, look
from repman.decide.witness import Life, Testimony
from repman.model.command import Command, CommandKind
from repman.model.decision import Decision
from repman.model.memory import Memory
from repman.model.observation import ClusterSeen
from repman.model.plan import Plan, StepKind
from repman.model.policy import ClusterPolicy
from repman.model.problem import Refusal


def decide(
    policy: ClusterPolicy, seen: ClusterSeen, memory: Memory, command: Command | None, now: float, wall: float
) -> Decision:
    """What this look means, and the plan that it (or the operator's command) asks for."""
    view = look(policy, seen, remember(policy, seen, memory, now), now, wall)
    proposal = _asked(view, command) if command is not None else _by_itself(view)
    return Decision(
        memory=_with_command(view.memory, command),
        writer=view.writer,
        writer_alive=view.life in (Life.OPEN, Life.CLOSED, Life.ALIVE),
        states=states(view),
        problems=problems(view),
        blocked_by=blocked_by(view),
        routes=routes(view),
        topology=topology(view),
        plan=proposal.plan,
        refusals=proposal.refusals,
        unchanged=proposal.unchanged,
        ranking=proposal.ranking,
    )


def _by_itself(view: View) -> Proposal:
    """What repman does unasked: replace a dead writer, reopen a returned one, then one repair at a time."""
    if view.life.dead:
        return failover(view)
    if view.life is Life.CLOSED:
        return reopen(view)
    if view.life is Life.SUSPECT:
        return Proposal(refusals=(_one_witness(view),))
    if may_act(view):
        return Proposal()
    resting = {key for key, until in view.memory.refused_plans if until > view.now}
    for plan in repairs(view):
        if repair_key(plan) not in resting:
            return Proposal(plan)
    return Proposal()


def repair_key(plan: Plan) -> str:
    """Identifies a repair, so that one which failed is not tried again at once."""
    return f"{plan.kind}:" + ",".join(
        f"{step.kind}@{step.server}" for step in plan.steps if step.kind is not StepKind.ROUTE_AWAY
    )


def _one_witness(view: View) -> Refusal:
    writer = view.writer_seen
    reach = writer.reach if writer else "not configured"
    hears = [view.name(address) for address in view.verdict.saying(Testimony.HEARS)]
    told = f"{', '.join(hears)} still hear it" if hears else "no replica testifies that it is gone"
    return Refusal("one-witness", f"{view.name(view.writer)} is out of our reach ({reach}), but {told}", view.writer)


def _asked(view: View, command: Command) -> Proposal:
    kind = CommandKind(command.preview_of) if command.kind is CommandKind.PREVIEW else command.kind
    if command.server and command.server not in view.policy.addresses:
        known = ", ".join(view.policy.addresses)
        refusal = Refusal("unknown-server", f"{command.server!r} is not of this cluster; known: {known}")
        return Proposal(refusals=(refusal,))
    if kind is CommandKind.SWITCHOVER:
        return switchover(view, command.server)
    if kind is CommandKind.FAILOVER:
        preview = command.kind is CommandKind.PREVIEW
        return _asked_failover(view, command, preview)
    if kind is CommandKind.BOOTSTRAP:
        return bootstrap(view, command.topology, command.server, command.clean)
    if kind is CommandKind.CLEANUP:
        return cleanup(view)
    return Proposal(unchanged="done")


def _asked_failover(view: View, command: Command, preview: bool) -> Proposal:
    if view.life is Life.CLOSED:
        return reopen(view, command.server, asked=True, force=command.force)
    if view.life is Life.OPEN and not preview:
        if command.force:
            return switchover(view, command.server, "a forced failover of a living writer is a switchover")
        sentence = f"{view.name(view.writer)} is alive: ask for a switchover, or force the failover"
        return Proposal(refusals=(Refusal("writer-alive", sentence, view.writer),))
    if view.life is Life.NONE:
        return Proposal(refusals=(Refusal("no-writer", "the cluster has no writer to replace; bootstrap it first"),))
    doubt = (_one_witness(view),) if view.life in (Life.ALIVE, Life.SUSPECT) and not preview else ()
    return failover(view, command.server, asked=True, force=command.force, doubt=doubt)


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


def _with_command(memory: Memory, command: Command | None) -> Memory:
    if command is None:
        return memory
    if command.kind is CommandKind.RESET_FAILOVER_CONTROL:
        return replace(memory, failovers=0, last_failover=None, last_failover_monotonic=None)
    if command.kind is CommandKind.MAINTENANCE and command.server:
        return memory.with_server(replace(memory.server(command.server), maintenance=command.on))
    return memory
