"""What an operator asks, and the playbook that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from repman.decide.access import read_only
from repman.decide.bootstrap import bootstrap, cleanup
from repman.decide.electing import wishes as electing
from repman.decide.failover import failover, reopen
from repman.decide.holding import hold, maintenance, rate, reset_availability
from repman.decide.proposal import Playbook, Proposal
from repman.decide.replicating import reset_binlog, reset_replication, skip_event, start_replication, stop_replication
from repman.decide.rolling import rolling_restart
from repman.decide.service import start_server, stop_server
from repman.decide.switchover import switchover
from repman.decide.view import View, one_witness
from repman.decide.witness import Life
from repman.model.command import Command, CommandKind
from repman.model.nature import Nature
from repman.model.problem import Refusal


def asked(view: View, command: Command) -> Proposal:
    """The answer to a command; that of a preview changes nothing."""
    kind = CommandKind(command.preview_of) if command.kind is CommandKind.PREVIEW else command.kind
    if command.server and command.server not in view.policy.addresses:
        known = ", ".join(view.policy.addresses)
        sentence = f"{command.server!r} is not of this cluster; known: {known}"
        return Proposal(refusals=(Refusal("unknown-server", sentence),))
    if kind not in _ABOUT_THE_CLUSTER and not command.server:
        return Proposal(refusals=(Refusal("no-server-named", f"say which server: {kind} is about one"),))
    playbooks = electing.PLAYBOOKS if view.policy.nature is Nature.ELECTING else _PLAYBOOKS
    return playbooks[kind](view, command)


def _failover(view: View, command: Command) -> Proposal:
    preview = command.kind is CommandKind.PREVIEW
    if view.life is Life.CLOSED:
        return reopen(view, command.server, asked=True, force=command.force)
    if view.life is Life.OPEN and not preview:
        if command.force:
            return switchover(view, command.server, "a forced failover of a living writer is a switchover")
        sentence = f"{view.name(view.writer)} is alive: ask for a switchover, or force the failover"
        return Proposal(refusals=(Refusal("writer-alive", sentence, view.writer),))
    if view.life is Life.NONE:
        return Proposal(refusals=(Refusal("no-writer", "the cluster has no writer to replace; bootstrap it first"),))
    doubt = (one_witness(view),) if view.life in (Life.ALIVE, Life.SUSPECT) and not preview else ()
    return failover(view, command.server, asked=True, force=command.force, doubt=doubt)


def _reset_failover_control(view: View, command: Command) -> Proposal:
    memory = replace(view.memory, failovers=0, last_failover=None, last_failover_monotonic=None)
    return Proposal(memory=memory, done="the counter of failovers is zero")


_PLAYBOOKS: Mapping[CommandKind, Playbook] = {
    CommandKind.SWITCHOVER: lambda view, command: switchover(view, command.server),
    CommandKind.FAILOVER: _failover,
    CommandKind.BOOTSTRAP: lambda view, command: bootstrap(view, command.topology, command.server, command.clean),
    CommandKind.CLEANUP: lambda view, command: cleanup(view, command.force),
    CommandKind.RESET_FAILOVER_CONTROL: _reset_failover_control,
    CommandKind.MAINTENANCE: maintenance,
    CommandKind.HOLD: hold,
    CommandKind.RATE: rate,
    CommandKind.START_SERVER: start_server,
    CommandKind.STOP_SERVER: stop_server,
    CommandKind.READ_ONLY: read_only,
    CommandKind.START_REPLICATION: start_replication,
    CommandKind.STOP_REPLICATION: stop_replication,
    CommandKind.SKIP_EVENT: skip_event,
    CommandKind.RESET_BINLOG: reset_binlog,
    CommandKind.RESET_REPLICATION: reset_replication,
    CommandKind.ROLLING_RESTART: rolling_restart,
    CommandKind.RESET_AVAILABILITY: reset_availability,
}
_ABOUT_THE_CLUSTER = frozenset(
    {
        CommandKind.SWITCHOVER,
        CommandKind.FAILOVER,
        CommandKind.BOOTSTRAP,
        CommandKind.CLEANUP,
        CommandKind.RESET_FAILOVER_CONTROL,
        CommandKind.ROLLING_RESTART,
        CommandKind.RESET_AVAILABILITY,
    }
)
