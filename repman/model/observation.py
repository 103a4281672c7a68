"""What was seen of a cluster at one moment, and what was not.

`None` means "not seen", never "no".  One decision reads one `ClusterSeen` and never asks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from repman.model.position import Position
from repman.model.replica_set import Member
from repman.model.version import ServerVersion

START_TOLERANCE = 2
"""Seconds by which two readings of a server's start may differ."""


class Reach(StrEnum):
    """How our own attempt to talk to a server ended.

    "Dead", "denied" and "unreachable" are different words: only REFUSED says that nobody listens there.
    """

    ANSWERED = "answered"
    """It answered a query in time."""
    REFUSED = "refused"
    """The host answered and nothing listens on the port: the process is gone (or not up yet)."""
    CLOSED = "closed"
    """It closed our kept connection; whether it can be reached again is not known yet."""
    SILENT = "silent"
    """No answer in time: frozen, partitioned or overloaded."""
    UNREACHABLE = "unreachable"
    """The network says there is no way to the host."""
    UNRESOLVED = "unresolved"
    """The host name has no address: our own trouble, no sign of the server."""
    DENIED = "denied"
    """It lives and rejects our account."""
    BUSY = "busy"
    """It lives and has no connection left for us (or is starting up or shutting down)."""
    PENDING = "pending"
    """Not asked yet."""

    @property
    def alive(self) -> bool:
        """Whether the server process certainly lives."""
        return self in (Reach.ANSWERED, Reach.DENIED, Reach.BUSY)

    @property
    def silent(self) -> bool:
        """Whether we got no word of the server at all, which only other witnesses can explain."""
        return self in (Reach.SILENT, Reach.UNREACHABLE)


class Receiver(StrEnum):
    """The state of a replica's receiver (I/O thread)."""

    RUNNING = "running"
    CONNECTING = "connecting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Link:
    """One replication channel, as the replica reports it."""

    source: str
    """``host:port`` of the source, as written in the replica's configuration."""
    source_server_id: int
    """0 while the replica never reached its source."""
    receiver: Receiver
    applier_running: bool
    received: Position
    """What the receiver has stored (MariaDB ``Gtid_IO_Pos``), without what was applied before."""
    heartbeats: int
    """Heartbeats received so far; with `received` the only proof that the source still speaks."""
    heartbeat_period: float
    """Seconds between heartbeats of an idle source; 0 when there are none."""
    lag: float | None
    """Seconds behind, as the server estimates it."""
    uses_gtid: bool = True
    channel: str = ""
    receiver_errno: int = 0
    receiver_error: str = ""
    applier_errno: int = 0
    applier_error: str = ""

    @property
    def healthy(self) -> bool:
        """Whether both halves run."""
        return self.receiver is Receiver.RUNNING and self.applier_running


@dataclass(frozen=True, slots=True)
class SemiSync:
    """Semi-synchronous replication, both halves."""

    source_enabled: bool
    """This server makes commits wait for a replica's acknowledgement when it is the writer."""
    replica_enabled: bool
    """This server acknowledges what it receives."""
    waiting_for_acks: bool
    """The wait is in force now (MariaDB ``Rpl_semi_sync_master_status``)."""
    ackers: int
    """Replicas attached that acknowledge."""
    timeout: float
    """Seconds after which the server would fall back to asynchronous by itself."""
    waits_without_replica: bool
    """Whether commits wait even when no replica is attached."""
    waiting: int = 0
    """Sessions that wait for an acknowledgement at this moment."""
    waits_ended: int = 0
    """How many such waits have ended since the server started: while some wait, this is their progress."""

    @property
    def lossless(self) -> bool:
        """Whether no commit is acknowledged to a client before a replica has it, whatever happens."""
        return self.source_enabled and self.waiting_for_acks and self.timeout >= 86400.0 and self.waits_without_replica


@dataclass(frozen=True, slots=True)
class Inventory:
    """What changes rarely and is read rarely."""

    at: float
    bypassing_accounts: tuple[str, ...] = ()
    """Client accounts whose rights bypass ``read_only``: fencing cannot hold them."""
    user_schemas: tuple[str, ...] = ()
    """Schemas that are not the server's own."""
    commits_survive: bool = False
    """Whether a commit that a client was told of is on this server after any crash of it, however it is started."""
    longest_write: float = 0.0
    """Seconds for which the oldest write under way has been running."""
    binlog_filters: str = ""
    replication_filters: str = ""
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """What one look at one server showed.  Everything below `error` is None or empty unless it answered."""

    address: str
    """``host:port``, the server's identity inside its cluster."""
    reach: Reach
    at: float
    """Monotonic seconds when the look ended."""
    error: str = ""
    """The driver's words when it did not answer."""
    version: ServerVersion | None = None
    server_id: int = 0
    boot: str = ""
    """Identifies the run of the server process.  ``~`` and a Unix time: started about then, which is as much as an
    observer knows that came later; compare with `ran_as`."""
    read_only: bool | None = None
    executed: Position | None = None
    """What it has committed or applied."""
    received: Position | None = None
    """`executed` together with what its receivers have stored."""
    links: tuple[Link, ...] = ()
    semi_sync: SemiSync | None = None
    binlog: bool = False
    log_replica_updates: bool = False
    strict_gtid: bool = False
    row_format: bool = False
    leased: bool | None = None
    """Whether we hold this server's vote for the cluster's lease."""
    lease_holder: str = ""
    """Who holds it, when it is not us and somebody does."""
    inventory: Inventory | None = None
    member: Member | None = None
    """For a server that elects its primary together with others: what it says as a member."""

    @property
    def answered(self) -> bool:
        """Whether the values of this look can be used."""
        return self.reach is Reach.ANSWERED

    @property
    def open(self) -> bool:
        """Whether it would accept client writes."""
        return self.answered and self.read_only is False

    def ran_as(self, boot: str) -> bool:
        """Whether this is still the process that was known by `boot`, perhaps to another observer."""
        if self.boot == boot:
            return True
        starts = [text.removeprefix("~").partition(".")[0] for text in (self.boot, boot)]
        if not (self.boot.startswith("~") or boot.startswith("~")) or not all(text.isdigit() for text in starts):
            return False
        return abs(int(starts[0]) - int(starts[1])) <= START_TOLERANCE

    @property
    def link(self) -> Link | None:
        """The only channel, where there is exactly one."""
        return self.links[0] if len(self.links) == 1 else None

    def follows(self, address: str) -> Link | None:
        """The channel whose source is that server, if there is one."""
        for link in self.links:
            if link.source == address:
                return link
        return None

    def receives_from(self, address: str) -> bool:
        """Whether its receiver for that source is connected, by the server's own word."""
        link = self.follows(address)
        return link is not None and link.receiver is Receiver.RUNNING

    @property
    def drained(self) -> bool:
        """Whether everything received is applied."""
        return self.executed is not None and (self.received is None or self.executed.covers(self.received))

    @property
    def backlog(self) -> int:
        """About how many received transactions it has not applied yet."""
        if self.executed is None or self.received is None:
            return 0
        return self.received.count_minus(self.executed)


@dataclass(frozen=True, slots=True)
class ProxySeen:
    """What a proxy routes at this moment."""

    name: str
    answered: bool
    error: str = ""
    write: tuple[str, ...] = ()
    """Addresses of the servers that take writes through this proxy."""
    read: tuple[str, ...] = ()
    left_in_maintenance: tuple[str, ...] = ()
    """Addresses that somebody put into maintenance by hand."""


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """One look at a whole cluster: the servers in configured order, and its proxies."""

    cluster: str
    at: float
    servers: tuple[ServerSeen, ...]
    proxies: tuple[ProxySeen, ...] = ()
    _answering: tuple[ServerSeen, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        answering = tuple(seen for seen in self.servers if seen.reach is Reach.ANSWERED)
        object.__setattr__(self, "_answering", answering)

    def server(self, address: str) -> ServerSeen:
        """That server's part; raises KeyError for an address that is not configured."""
        for seen in self.servers:
            if seen.address == address:
                return seen
        raise KeyError(address)

    def answering(self) -> tuple[ServerSeen, ...]:
        """The servers that answered."""
        return self._answering

    @property
    def votes(self) -> int:
        """How many servers gave us their vote for the lease."""
        return sum(1 for seen in self._answering if seen.leased)

    @property
    def leased(self) -> bool:
        """Whether a majority of the servers that answer gave us their vote."""
        return 2 * self.votes > len(self._answering)

    @property
    def lease_holders(self) -> tuple[str, ...]:
        """Who else holds votes, in words."""
        return tuple(sorted({seen.lease_holder for seen in self._answering if seen.lease_holder}))

    def replicas_of(self, address: str) -> tuple[ServerSeen, ...]:
        """The answering servers that have a channel from that one."""
        return tuple(seen for seen in self._answering if seen.links and seen.follows(address))
