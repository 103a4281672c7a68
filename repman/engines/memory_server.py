"""One simulated MariaDB server: its binary log, its channel, its semi-sync halves and its sessions.

Everything here is local to one server.  What travels between servers, and time, is `memory_world`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from repman.engines.memory_log import BinaryLog, Event
from repman.model.observation import Receiver
from repman.model.position import MariadbGtid

FOREVER = 10_000_000.0
"""A semi-sync timeout that never ends, in seconds."""


class Process(StrEnum):
    """The state of a server's process."""

    RUNNING = "running"
    FROZEN = "frozen"
    """Stopped by a signal: the kernel still accepts connections for it."""
    STARTING = "starting"
    DEAD = "dead"


class WriteState(StrEnum):
    """How a client's write stands, as its client knows it."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    READ_ONLY = "read-only"
    """Error 1290: nothing was written."""
    UNREACHABLE = "unreachable"
    """No connection: nothing was written."""
    LOST = "lost"
    """The connection broke or the client gave up: the outcome is unknown to it."""


@dataclass(eq=False)
class Write:
    """One autocommitted write of a client."""

    payload: int
    address: str
    started: float
    state: WriteState = WriteState.WAITING
    ended: float = 0.0
    proxy: str = ""
    """The proxy it came through; empty: straight to the server."""
    bypass: bool = False
    """Its account may write on a read-only server."""
    lasts: float = 0.0
    """Seconds the statement runs before it commits."""
    event: Event | None = None
    """Its transaction, once it is in the binary log."""
    unprotected: bool = False
    """It was acknowledged though no replica had confirmed it."""

    def end(self, state: WriteState, now: float) -> None:
        """Tell the client, once."""
        if self.state is WriteState.WAITING:
            self.state, self.ended = state, now


@dataclass(eq=False)
class Channel:
    """A replica's connection to its source."""

    source: str
    receiver: Receiver = Receiver.STOPPED
    applier_running: bool = False
    relay: deque[tuple[Event, float]] = field(default_factory=deque)
    """Received and not applied, with the time of receipt."""
    stored: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """``Gtid_IO_Pos``."""
    heartbeats: int = 0
    heartbeat_period: float = 0.5
    source_server_id: int = 0
    receiver_errno: int = 0
    receiver_error: str = ""
    applier_errno: int = 0
    applier_error: str = ""
    connected: tuple[int, int] | None = None
    """Boot and log generation of the source that the connection was made to."""
    acknowledging: bool = False
    """Semi-sync was agreed when the connection was made."""
    cursor: int = 0
    """Index in the source's log of the next event to send."""
    skip: dict[int, int] = field(default_factory=dict)
    """For each domain the last index that was there before the connection."""
    last_sent: float = 0.0
    last_heard: float = 0.0
    retry_at: float = 0.0

    def disconnect(self) -> None:
        """Lose the connection; the state of the receiver is the caller's to say."""
        self.connected, self.acknowledging = None, False

    def received(self, strict: bool) -> MariadbGtid:
        """What the receiver has stored."""
        last = tuple(sorted(self.stored.values()))
        return MariadbGtid(last, last, strict)


@dataclass
class SemiSyncHalves:
    """The semi-sync variables of one server."""

    source_enabled: bool = False
    replica_enabled: bool = True
    timeout: float = FOREVER
    waits_without_replica: bool = True
    fallen_back: bool = False
    """It gave up waiting by itself (``Rpl_semi_sync_master_status`` is OFF though enabled)."""

    @property
    def waits(self) -> bool:
        """Whether commits wait now."""
        return self.source_enabled and not self.fallen_back


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """A server's configuration file: what it comes back with after a restart."""

    read_only: bool = True
    source_enabled: bool = False
    replica_enabled: bool = True
    timeout: float = FOREVER
    waits_without_replica: bool = True
    strict: bool = True
    starts_replication: bool = True
    """False: ``skip-slave-start``."""
    start_seconds: float = 0.3
    apply_rate: float = 20_000.0
    """Events a second that its applier manages."""
    flushes_commits: bool = True
    """A commit is on disk before its client is told (``innodb_flush_log_at_trx_commit`` 3), not a moment later."""
    apply_delay: float = 0.0
    """Seconds its applier waits after an event was written (``MASTER_DELAY``)."""


class MemoryServer:
    """One server.  Its methods are what SQL or a signal can do to it; they ask nobody else."""

    def __init__(self, address: str, server_id: int, config: MemoryConfig) -> None:
        self.address, self.server_id, self.config = address, server_id, config
        self.process = Process.RUNNING
        self.ready_at = 0.0
        self.truncates = False
        self.boot = 1
        self.log = BinaryLog(config.strict)
        self.tables: set[int] = set()
        """Payloads of all transactions that the storage engine has committed."""
        self.read_only = config.read_only
        self.closing = False
        """A ``SET read_only`` waits for commits; new ones wait behind it."""
        self.semi_sync = SemiSyncHalves(
            config.source_enabled, config.replica_enabled, config.timeout, config.waits_without_replica
        )
        self.channel: Channel | None = None
        self.applied: dict[int, tuple[int, int, int]] = {}
        """``gtid_slave_pos``: where replication goes on; what it wrote itself is not in it."""
        self.in_doubt: list[Write] = []
        self.waits_ended = 0
        """Commits in doubt that an acknowledgement let go on."""
        """In the binary log, prepared in the engine, waiting for an acknowledgement; in order."""
        self.running: list[Write] = []
        """Statements that have not reached their commit."""
        self.inbox: list[Write] = []
        """Sent by clients while it could not read, or held back by `closing`."""
        self.acknowledged: deque[Event] = deque()
        """Acknowledgements of replicas that it has not read yet."""
        self.accounts = True
        """The replication account exists here."""
        self.budget = 0.0
        self.stalled_applier = False
        self.lease_holder = ""
        self.orphaned = False
        """The holder is gone and the server has not heard of it yet."""
        self.denies = False
        self.busy = False
        self.unflushed: list[tuple[Event, float]] = []
        """Committed, with the time: the engine's commit record is not on disk before the next transaction is prepared
        or a second has passed, so that after a crash they are in doubt too, though clients were told."""
        self.locally_committed: list[Event] = []
        """Committed by a kill, though no client was told."""

    @property
    def up(self) -> bool:
        """Whether it executes anything now."""
        return self.process is Process.RUNNING

    def executed(self) -> MariadbGtid:
        """What it has binlogged: waiting commits are among it."""
        return self.log.position()

    def received(self) -> MariadbGtid:
        """`executed` and what its receiver has stored."""
        if self.channel is None or not self.channel.relay:
            return self.executed()
        return self.executed().union(self.channel.received(self.config.strict))

    def commit_to_log(self, payload: int, now: float) -> Event:
        """Give a local transaction its GTID."""
        event = Event(0, self.server_id, self.log.highest(0) + 1, payload, now)
        self.unflushed.clear()
        self.log.append(event)
        return event

    def commit_in_engine(self, event: Event, now: float) -> None:
        """The storage engine has it."""
        self.tables.add(event.payload)
        if not self.config.flushes_commits:
            self.unflushed.append((event, now))

    def execute(self, write: Write, now: float) -> None:
        """A client's statement reaches the server."""
        if self.closing:
            self.inbox.append(write)
        elif self.read_only and not write.bypass:
            write.end(WriteState.READ_ONLY, now)
        elif write.lasts > 0 and now < write.started + write.lasts:
            self.running.append(write)
        else:
            self._commit(write, now)

    def _commit(self, write: Write, now: float) -> None:
        write.event = self.commit_to_log(write.payload, now)
        if self.semi_sync.waits:
            self.in_doubt.append(write)
        else:
            write.unprotected = True
            self._finish(write, now)

    def _finish(self, write: Write, now: float) -> None:
        if write.event is not None:
            self.commit_in_engine(write.event, now)
        write.end(WriteState.ACKNOWLEDGED, now)

    def finish_running(self, now: float) -> None:
        """Let long statements reach their commit; it fails on a server that became read-only."""
        due = [write for write in self.running if now >= write.started + write.lasts]
        self.running = [write for write in self.running if write not in due]
        for write in due:
            self.execute(write, now)

    def acknowledge(self, event: Event, now: float) -> None:
        """A replica has stored everything up to that event."""
        last = max((at for at, write in enumerate(self.in_doubt) if write.event == event), default=-1)
        done, self.in_doubt = self.in_doubt[: last + 1], self.in_doubt[last + 1 :]
        self.waits_ended += len(done)
        for write in done:
            self._finish(write, now)

    def stop_waiting(self, now: float) -> None:
        """Semi-sync goes off: everything that waits is acknowledged to its client, replica or not."""
        done, self.in_doubt = self.in_doubt, []
        for write in done:
            write.unprotected = True
            self._finish(write, now)

    def kill_sessions(self, now: float) -> tuple[Event, ...]:
        """KILL all client sessions; those that wait for an acknowledgement commit without one."""
        left = tuple(write.event for write in self.in_doubt if write.event is not None)
        for event in left:
            self.commit_in_engine(event, now)
        for write in (*self.in_doubt, *self.running, *self.inbox):
            write.end(WriteState.LOST, now)
        self.in_doubt, self.running, self.inbox = [], [], []
        self.locally_committed += left
        return left

    def set_read_only(self) -> bool:
        """Try ``SET GLOBAL read_only=1``; False while commits or running writes block it."""
        if self.read_only:
            return True
        self.closing = bool(self.in_doubt or self.running)
        self.read_only = not self.closing
        return self.read_only

    def cancel_closing(self, now: float) -> None:
        """Give up a waiting ``SET read_only``."""
        self.closing = False
        self.read_inbox(now)

    def read_inbox(self, now: float) -> None:
        """Execute what clients sent while it could not read."""
        waiting, self.inbox = self.inbox, []
        for write in waiting:
            self.execute(write, now)

    def start_threads(self, receiver: bool = True, applier: bool = True) -> None:
        """START SLAVE.  When both were stopped the relay log is thrown away first (GTID mode)."""
        channel = self.channel
        if channel is None:
            return
        if channel.receiver is Receiver.STOPPED and not channel.applier_running:
            channel.relay.clear()
            channel.stored = dict(self.applied)
        if applier and not channel.applier_running:
            channel.applier_running, channel.applier_errno, channel.applier_error = True, 0, ""
        if receiver and channel.receiver is Receiver.STOPPED:
            channel.receiver, channel.receiver_errno, channel.receiver_error = Receiver.CONNECTING, 0, ""
            channel.retry_at = 0.0

    def stop_receiver(self) -> None:
        """STOP SLAVE IO_THREAD: what was received stays."""
        if self.channel is not None:
            self.channel.receiver = Receiver.STOPPED
            self.channel.disconnect()

    def die(self, now: float) -> None:
        """kill -9: clients lose their connections; waiting transactions stay in doubt in the log."""
        self.process = Process.DEAD
        for write in (*self.in_doubt, *self.running, *self.inbox):
            write.end(WriteState.LOST, now)
        self.running, self.inbox, self.closing = [], [], False
        self.acknowledged.clear()
        self.lease_holder, self.orphaned = "", False
        if self.channel is not None:
            self.channel.disconnect()

    def recover(self) -> None:
        """Come up: crash recovery, then the configuration file.

        Transactions in doubt are committed, except the tail of them on a server that starts as a semi-sync
        replica: it is cut off.
        """
        self.process, self.boot = Process.RUNNING, self.boot + 1
        doubtful = {write.event for write in self.in_doubt if write.event is not None}
        doubtful |= {event for event, _ in self.unflushed}
        self.in_doubt, self.unflushed = [], []
        keep = len(self.log.events)
        if self.truncates and self.config.replica_enabled:
            while keep and self.log.events[keep - 1] in doubtful:
                keep -= 1
        if keep < len(self.log.events):
            self.tables -= {event.payload for event in self.log.events[keep:]}
            self.log.replace(self.log.events[:keep])
            latest = self.log.latest()
            self.applied = {
                domain: gtid if self.log.index(gtid) is not None else latest[domain]
                for domain, gtid in self.applied.items()
                if domain in latest
            }
        self.tables.update(event.payload for event in self.log.events if event in doubtful)
        config = self.config
        self.read_only = config.read_only
        self.semi_sync = SemiSyncHalves(
            config.source_enabled, config.replica_enabled, config.timeout, config.waits_without_replica
        )
        if self.channel is not None:
            self.channel.receiver, self.channel.applier_running = Receiver.STOPPED, False
            if config.starts_replication:
                self.start_threads()
