"""How each step of a plan acts on a simulated server: the same aims and refusals as on a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from repman.engines.memory_log import Event
from repman.engines.memory_replication import change_source
from repman.engines.memory_server import FOREVER, MemoryServer
from repman.engines.memory_world import MemoryWorld
from repman.model.observation import Reach, Receiver
from repman.model.plan import FenceOutcome, Outcome, Step, StepKind
from repman.model.position import MariadbGtid

_STATEMENT = 0.001
_POLL = 0.02


class NoAnswer(Exception):
    """A server could not be talked to while a step needed it."""

    def __init__(self, server: MemoryServer, reach: Reach) -> None:
        self.reach = reach
        super().__init__(f"{server.address} does not answer ({reach})")


@dataclass
class Acting:
    """One step being carried out: the world, and what is left of its time."""

    world: MemoryWorld
    reach: Callable[[MemoryServer], Reach]
    waiting: Callable[[], None]
    timeout: float
    semi_sync: bool
    heartbeat_period: float

    def __post_init__(self) -> None:
        self.end = self.world.now() + self.timeout

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.end - self.world.now()

    def talk(self, server: MemoryServer) -> None:
        """A round trip to that server; raises NoAnswer, after the whole time when it is silent."""
        self.world.sleep(_STATEMENT)
        reach = self.reach(server)
        if reach is Reach.ANSWERED:
            return
        if reach is Reach.SILENT:
            self.until(lambda: False)
        raise NoAnswer(server, reach)

    def until(self, reached: Callable[[], bool], server: MemoryServer | None = None) -> bool:
        """Wait until something is so; False when the time is over.  Raises NoAnswer when `server` goes away."""
        called = self.world.now()
        while not reached():
            if self.left <= 0:
                return False
            self.world.sleep(min(_POLL, self.left))
            if server is not None and self.reach(server) is not Reach.ANSWERED:
                self.talk(server)
            if self.world.now() - called >= 0.1:
                called = self.world.now()
                self.waiting()
        return True

    def source(self, step: Step) -> MemoryServer:
        """The step's source, which must answer.  Raises NoAnswer."""
        source = self.world.servers[step.source]
        self.talk(source)
        return source


Performer = Callable[[Acting, MemoryServer, Step], Outcome]


def _fence(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    left, closed = _shut(acting, server)
    if not closed:
        return Outcome(False, "writes still keep it open", FenceOutcome.UNKNOWN, _range(left))
    return Outcome(True, "read-only, no session left", FenceOutcome.DONE, _range(left))


def _close(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    left, closed = _shut(acting, server)
    return Outcome(closed, "read-only" if closed else "writes still keep it open", None, _range(left))


def _shut(acting: Acting, server: MemoryServer) -> tuple[tuple[Event, ...], bool]:
    """Ask for read-only, and kill the sessions that hold it up until it is so.

    What already waits for an acknowledgement commits when it is killed; new statements queue behind the request.
    """
    left: tuple[Event, ...] = ()
    try:
        server.set_read_only()
        while not server.read_only and acting.left > 0:
            acting.talk(server)
            left += server.kill_sessions(acting.world.now())
            server.set_read_only()
    finally:
        server.cancel_closing(acting.world.now())
    if server.read_only:
        left += server.kill_sessions(acting.world.now())
    return left, server.read_only


def _range(events: tuple[Event, ...]) -> str:
    return ",".join(str(event) for event in events)


def _stop_receiving(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    channel = server.channel
    if channel is None:
        return Outcome(True, "it follows nobody")
    if not channel.applier_running and channel.relay:
        if channel.receiver is Receiver.STOPPED:
            return Outcome(False, "both threads are stopped: starting one would discard what was received")
        server.start_threads(receiver=False)
    server.stop_receiver()
    return Outcome(True, f"receiver stopped at {channel.received(server.config.strict)}")


def _drain(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    channel = server.channel
    if channel is None or not channel.relay:
        return Outcome(True, "everything received is applied")
    if not channel.applier_running:
        if channel.receiver is Receiver.STOPPED:
            return Outcome(False, "both threads are stopped: starting one would discard what was received")
        server.start_threads(receiver=False)
    drained = acting.until(lambda: not channel.relay or not channel.applier_running, server)
    if channel.relay and not channel.applier_running:
        return Outcome(False, f"the applier stopped: error {channel.applier_errno}, {channel.applier_error}")
    detail = "everything received is applied" if drained else f"{len(channel.relay)} events not applied in time"
    return Outcome(drained, detail)


def _catch_up(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    source = acting.source(step)
    if server.executed().covers(source.executed()):
        return Outcome(True, "it has all of it already")
    if server.channel is None or server.channel.source != step.source or not _runs(server):
        outcome = _follow(acting, server, step)
        if not outcome.ok:
            return outcome
    target = source.executed()
    if not acting.until(lambda: server.executed().covers(target) or _applier_failed(server), server):
        return Outcome(False, f"at {server.executed()}, not yet at {target}")
    if _applier_failed(server):
        return Outcome(False, "its applier stopped with an error")
    return Outcome(True, f"has applied {target}")


def _runs(server: MemoryServer) -> bool:
    channel = server.channel
    return channel is not None and channel.receiver is Receiver.RUNNING and channel.applier_running


def _applier_failed(server: MemoryServer) -> bool:
    return server.channel is not None and server.channel.applier_errno != 0


def _promote(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    if not server.read_only and not _shut(acting, server)[1]:
        return Outcome(False, "it cannot be made read-only: writes keep it open")
    if server.channel is not None:
        if not server.executed().covers(server.received()):
            return Outcome(False, f"received {server.received()} is not applied, only {server.executed()}")
        outcome = _stop_receiving(acting, server, step)
        if not outcome.ok:
            return outcome
        acting.talk(server)
        if not server.executed().covers(server.received()):
            return Outcome(False, f"received {server.received()} is not applied, only {server.executed()}")
        server.channel = None
    _set_semi_sync(server, acting.semi_sync)
    return Outcome(True, f"follows nobody, at {server.executed()}")


def _set_semi_sync(server: MemoryServer, on: bool) -> None:
    halves = server.semi_sync
    halves.timeout, halves.waits_without_replica = FOREVER, True
    if on and not halves.source_enabled:
        halves.fallen_back = False
    halves.source_enabled = on


def _follow(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    source = acting.source(step)
    if not server.read_only:
        _, closed = _shut(acting, server)
        if not closed:
            return Outcome(False, "it cannot be made read-only: writes keep it open")
    channel, beat = server.channel, acting.heartbeat_period
    follows = channel is not None and channel.source == step.source and channel.heartbeat_period == beat
    if not (follows and _runs(server)) and (refusal := _would_lose(server, source.executed())):
        return Outcome(False, refusal)
    if not follows:
        _end_source_role(acting, server)
        change_source(acting.world, server, step.source, beat)
        server.start_threads()
    elif not _runs(server):
        outcome = _resume(acting, server, step)
        if not outcome.ok:
            return outcome
    _end_source_role(acting, server)
    return _wait_running(acting, server)


def _would_lose(server: MemoryServer, source: MariadbGtid) -> str:
    if not source.covers(server.executed()):
        return f"it has transactions that the source lacks: {server.executed().minus(source)}"
    if not source.covers(server.received()):
        return f"received and not applied, and lacking on the source: {server.received().minus(source)}"
    return ""


def _end_source_role(acting: Acting, server: MemoryServer) -> None:
    server.semi_sync.replica_enabled = True
    if server.semi_sync.source_enabled:
        server.semi_sync.source_enabled = False
        server.stop_waiting(acting.world.now())


def _wait_running(acting: Acting, server: MemoryServer) -> Outcome:
    channel = server.channel
    assert channel is not None
    ended = acting.until(lambda: _runs(server) or channel.receiver is Receiver.STOPPED, server)
    if ended and _runs(server):
        return Outcome(True, f"replicates from {channel.source}")
    why = f": error {channel.receiver_errno}, {channel.receiver_error}" if channel.receiver_errno else ""
    return Outcome(False, f"its receiver is {channel.receiver}{why}")


def _open(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    server.read_only = False
    return Outcome(True, "accepts writes")


def _resume(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    channel = server.channel
    if channel is None:
        return Outcome(False, "it has no source to follow")
    if _runs(server):
        return Outcome(True, "both threads run already")
    both_stopped = channel.receiver is Receiver.STOPPED and not channel.applier_running
    if both_stopped and channel.relay:
        source = acting.world.servers.get(channel.source)
        if source is None:
            return Outcome(False, "what it received would be discarded, and its source is unknown")
        acting.talk(source)
        if refusal := _would_lose(server, source.executed()):
            return Outcome(False, refusal)
    server.start_threads()
    return _wait_running(acting, server)


def _semi_sync_on(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    _set_semi_sync(server, True)
    return Outcome(True, "commits wait for a replica")


def _semi_sync_off(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    server.semi_sync.source_enabled = False
    server.stop_waiting(acting.world.now())
    return Outcome(True, "commits no longer wait")


def _clean(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    if server.in_doubt:
        return Outcome(False, "commits wait for an acknowledgement")
    server.channel, server.applied = None, {}
    server.log.replace([])
    return Outcome(True, "no replication, no binary log, no position")


def _prepare(acting: Acting, server: MemoryServer, step: Step) -> Outcome:
    server.accounts = True
    return Outcome(True, "the replication account exists")


PERFORMERS: Mapping[StepKind, Performer] = {
    StepKind.FENCE: _fence,
    StepKind.STOP_RECEIVING: _stop_receiving,
    StepKind.DRAIN: _drain,
    StepKind.CATCH_UP: _catch_up,
    StepKind.PROMOTE: _promote,
    StepKind.FOLLOW: _follow,
    StepKind.OPEN: _open,
    StepKind.CLOSE: _close,
    StepKind.RESUME: _resume,
    StepKind.SEMI_SYNC_ON: _semi_sync_on,
    StepKind.SEMI_SYNC_OFF: _semi_sync_off,
    StepKind.CLEAN: _clean,
    StepKind.PREPARE: _prepare,
}
