"""What an operator may ask of a replica set, beside its primary's moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from repman.decide.electing.majority import no_majority
from repman.decide.electing.moves import failover, switchover
from repman.decide.guards import may_act
from repman.decide.holding import hold, maintenance, not_the_writer, rate, reset_availability
from repman.decide.proposal import Playbook, Proposal
from repman.decide.service import SHUTDOWN, held, start_server, uncontrolled
from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.command import Command, CommandKind
from repman.model.observation import Reach
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.problem import Refusal


def bootstrap(view: View, command: Command) -> Proposal:
    """Make a set of servers that are in none.  A set that exists is left as it is, whatever is asked."""
    members = [one for one in view.seen.answering() if one.member is not None and one.member.set_name]
    missing = [one for one in view.seen.servers if not one.answered]
    if not missing and len(members) == len(view.seen.servers) and view.life is Life.OPEN:
        return Proposal(unchanged=f"{view.name(view.writer)} is the primary and every other server is a member")
    refusals = list(may_act(view))
    for one in missing:
        sentence = f"{view.name(one.address)} does not answer ({one.reach}); every server is needed"
        refusals.append(Refusal("server-missing", sentence, one.address))
    for one in members:
        name = one.member.set_name if one.member else ""
        sentence = (
            f"{view.name(one.address)} is a member of the set {name} already: repman does not take a set apart; "
            "add missing members with rs.add, or empty their data directories first"
        )
        refusals.append(Refusal("has-replication", sentence, one.address))
    if refusals:
        return Proposal(refusals=tuple(refusals))
    first = command.server or view.policy.addresses[0]
    steps = (
        Step(StepKind.INITIATE, first, timeout=30.0, note=view.policy.replica_set),
        Step(StepKind.STEP_UP, first, timeout=30.0),
        Step(StepKind.ROUTE, first, timeout=2.0, essential=False),
    )
    reason = f"asked to make a replica set with {view.name(first)} as its first primary"
    return Proposal(Plan(PlanKind.BOOTSTRAP, view.policy.name, steps, reason, new_writer=first, deadline=90.0))


def stop_server(view: View, command: Command) -> Proposal:
    """Shut a member down and leave it so; never the primary, and never one without which there is no majority."""
    address, name = command.server, view.name(command.server)
    remembered = view.memory.server(address)
    if remembered.stopped_by:
        return Proposal(unchanged=f"{name} was stopped by {remembered.stopped_by} already")
    by = command.user or "an operator"
    if view.seen.server(address).reach is Reach.REFUSED and address != view.writer:
        memory = view.memory.with_server(replace(remembered, stopped_by=by))
        return Proposal(memory=memory, done=f"{name} does not run; it stays so until it is started")
    refusals = [*may_act(view), *uncontrolled(view, address), *held(view, address)]
    refusals += not_the_writer(view, address, "stop it")
    if not command.force:
        refusals += no_majority(view, address)
    if refusals:
        return Proposal(refusals=tuple(refusals))
    stop = Step(StepKind.STOP, address, timeout=SHUTDOWN, note=by)
    plan = Plan(PlanKind.SERVICE, view.policy.name, (stop,), f"{by} asked to stop {name}", deadline=SHUTDOWN + 15.0)
    return Proposal(plan, memory=view.memory.with_server(replace(remembered, stopped_by=by)))


def reset_failover_control(view: View, command: Command) -> Proposal:
    """Start counting anew, and take note of what was rolled back."""
    servers = tuple(replace(server, rolled_back="") for server in view.memory.servers)
    memory = replace(view.memory, failovers=0, last_failover=None, last_failover_monotonic=None, servers=servers)
    return Proposal(memory=memory, done="the counter of failovers is zero")


def by_the_set(view: View, command: Command) -> Proposal:
    """What has no meaning here."""
    sentence = (
        f"{command.kind} is for servers that repman makes replicas; the members of a replica set do that by themselves"
    )
    return Proposal(refusals=(Refusal("not-for-this-kind", sentence, command.server),))


PLAYBOOKS: Mapping[CommandKind, Playbook] = {
    **dict.fromkeys(CommandKind, by_the_set),
    CommandKind.SWITCHOVER: lambda view, command: switchover(view, command.server),
    CommandKind.FAILOVER: failover,
    CommandKind.BOOTSTRAP: bootstrap,
    CommandKind.RESET_FAILOVER_CONTROL: reset_failover_control,
    CommandKind.MAINTENANCE: maintenance,
    CommandKind.HOLD: hold,
    CommandKind.RATE: rate,
    CommandKind.START_SERVER: start_server,
    CommandKind.STOP_SERVER: stop_server,
    CommandKind.RESET_AVAILABILITY: reset_availability,
}
