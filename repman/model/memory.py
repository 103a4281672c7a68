"""What a cluster remembers between two looks.  Kept in the store, so that a restart does not forget it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from repman.model.observation import ServerSeen
from repman.model.position import Position


@dataclass(frozen=True, slots=True)
class Progress:
    """The last sign of life that a replica had of its source."""

    source: str
    heartbeats: int
    received: Position
    changed_at: float
    """Monotonic seconds of the look that last saw one of the two move."""


class Rating(StrEnum):
    """Whether a server should become the writer."""

    CONFIGURED = ""
    PREFERRED = "preferred"
    IGNORED = "ignored"
    UNRATED = "unrated"


@dataclass(frozen=True, slots=True)
class RollingRestart:
    """A rolling restart under way: whoever still runs as noted here is to be restarted."""

    by: str
    """Who asked for it."""
    runs: tuple[tuple[str, str], ...]
    """(address, run of its process (`ServerSeen.boot`)) of every server when it began."""
    home: str
    """The writer when it began, which is the writer again at the end."""
    moved_at: float
    """Unix seconds of its last move."""
    current: str = ""
    """The server whose turn it is; it takes no reads."""


@dataclass(frozen=True, slots=True)
class ServerMemory:
    """What is remembered of one server."""

    address: str
    last: ServerSeen | None = None
    """The latest look at which it answered."""
    progress: Progress | None = None
    highest_received: Position | None = None
    """The most it was ever seen to have received: what it may have vouched for by an acknowledgement."""
    failing_since: float | None = None
    failures: int = 0
    """Looks in a row without an answer."""
    acker: bool = False
    """At the last look at which the writer lived, this server was receiving from it."""
    maintenance: bool = False
    held: str = ""
    """Why a job or an operator asked to leave this server alone in every way; empty: it is not held."""
    stopped_by: str = ""
    """The operator who stopped its process; empty as soon as it answers again."""
    detached_by: str = ""
    """The operator who stopped its replication; empty as soon as it replicates again."""
    rating: Rating = Rating.CONFIGURED
    """An operator's word on elections, which goes before the configuration's."""
    fenced_unknown: bool = False
    """A failover went on without proof that this old writer is fenced."""
    unacknowledged: str = ""
    """Transactions it committed that no client was told of, noted when it was fenced."""
    rolled_back: str = ""
    """What it took back by itself when it came back to a set that had gone on without it."""
    acker_boot: str = ""
    """The run of its process at that look: one that was restarted since may have lost what it acknowledged."""
    open_boot: str = ""
    """The run of the server process (`ServerSeen.boot`) in which it was last seen open."""
    missed_at: Position | None = None
    """What the open writer had when this server was missed: it can have received and acknowledged no more, unless it is
    still an `acker`.  Kept until a replica has all of that, for a server that comes back may have lost it."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one cluster."""

    cluster: str
    writer: str = ""
    """The server that is, or was last, the writer."""
    writer_position: Position | None = None
    """The last position seen on it while it was the writer."""
    servers: tuple[ServerMemory, ...] = ()
    failovers: int = 0
    """Automatic failovers since an operator reset the counter."""
    last_failover: float | None = None
    """Unix seconds, so that it keeps its meaning over a reboot."""
    last_failover_monotonic: float | None = None
    degraded: bool = False
    """repman itself switched semi-sync off."""
    unacked_since: float | None = None
    """Since when the writer has had no replica that acknowledges."""
    stalled_since: float | None = None
    """Since when no commit that waits for an acknowledgement got one, though replicas are attached to give it."""
    looked_at: float | None = None
    """Monotonic seconds of the look before."""
    reopen: bool = False
    """repman itself closed the writer for a plan that has not opened another one yet."""
    condemned: str = ""
    """The writer that a failover has begun to replace: it stays condemned until somebody is open again, because
    the plan itself silences the witnesses."""
    exposed: Position | None = None
    """The writer's position when it last acknowledged writes that no replica was waited for; None as soon as a
    replica has received all of that."""
    closed_by: str = ""
    """The operator who closed the cluster for writes; empty as soon as a writer is open."""
    rolling: RollingRestart | None = None
    unprotected_seconds: float = 0.0
    """Time in which an acknowledged write could have been lost, since counting began."""
    refused_plans: tuple[tuple[str, float], ...] = field(default=())
    """Repairs that failed lately (key, not again before this monotonic time)."""

    def server(self, address: str) -> ServerMemory:
        """What is remembered of that server; an empty memory when it is new."""
        for server in self.servers:
            if server.address == address:
                return server
        return ServerMemory(address)

    def with_writer(self, address: str) -> Memory:
        """This memory after that server was opened by a plan."""
        exposed = self.exposed if address == self.writer else None
        return replace(
            self, writer=address, writer_position=None, reopen=False, condemned="", exposed=exposed, closed_by=""
        )

    def with_server(self, server: ServerMemory) -> Memory:
        """This memory with that server's part replaced or added."""
        others = tuple(other for other in self.servers if other.address != server.address)
        return replace(self, servers=(*others, server))
