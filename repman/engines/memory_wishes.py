"""Steps that only an operator asks for, on a simulated server."""

from __future__ import annotations

from collections.abc import Mapping

from repman.engines.memory_server import MemoryServer
from repman.engines.memory_steps import Acting, Performer
from repman.model.plan import Outcome, Step, StepKind


def _stop_applying(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    server.stop_receiver()
    if server.channel is not None:
        server.channel.applier_running = False
    return Outcome(True, f"stands still at {server.executed()}")


def _unfollow(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    server.channel = None
    return Outcome(True, f"follows nobody, at {server.executed()}")


def _skip_event(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    channel = server.channel
    if channel is None or not channel.applier_errno:
        return Outcome(True, "its applier shows no error: nothing was skipped")
    if channel.applier_error != step.note:
        return Outcome(False, f"its applier fails otherwise by now, nothing was skipped: {channel.applier_error}")
    source = acting.world.servers[channel.source]
    acting.talk(source)
    if not source.executed().covers(server.received()):
        return Outcome(False, f"{channel.source} lacks what was received and would be fetched anew")
    event, _ = channel.relay.popleft()
    server.applied[event.domain] = event.gtid
    server.stop_receiver()
    channel.applier_running = False
    server.start_threads()
    return Outcome(True, f"skipped {event}")


def _reset_binlog(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    if not server.read_only:
        return Outcome(False, "it accepts writes: what is written meanwhile would be numbered anew")
    server.log.purged = len(server.log.events)
    server.log.generation += 1
    return Outcome(True, f"its binary log is empty, at {server.executed()}")


WISHED: Mapping[StepKind, Performer] = {
    StepKind.STOP_APPLYING: _stop_applying,
    StepKind.UNFOLLOW: _unfollow,
    StepKind.SKIP_EVENT: _skip_event,
    StepKind.RESET_BINLOG: _reset_binlog,
}
