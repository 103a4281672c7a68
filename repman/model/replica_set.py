"""What a member of a replica set says of itself, of the set and of the other members."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MemberState(StrEnum):
    """A member's state, in MongoDB's own words.

    Source: MongoDB manual, "Replica Set Member States".
    """

    STARTUP = "STARTUP"
    """Not in a set yet, or reading its configuration."""
    PRIMARY = "PRIMARY"
    SECONDARY = "SECONDARY"
    RECOVERING = "RECOVERING"
    STARTUP2 = "STARTUP2"
    """Copies the data of the set (initial sync)."""
    UNKNOWN = "UNKNOWN"
    ARBITER = "ARBITER"
    DOWN = "DOWN"
    ROLLBACK = "ROLLBACK"
    REMOVED = "REMOVED"

    @property
    def votes_now(self) -> bool:
        """Whether a voter in this state takes part in elections and majorities."""
        return self not in (MemberState.STARTUP, MemberState.UNKNOWN, MemberState.DOWN, MemberState.REMOVED)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one member knows of another one by heartbeats."""

    address: str
    """As configured in repman where that is known, else as the set calls it."""
    state: MemberState
    healthy: bool
    """Whether its last heartbeat was answered."""
    silent_for: float | None = None
    """Seconds, by the clock of the one who tells, since a heartbeat *of* that member came in; None: never."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place in the set's configuration."""

    id: int
    host: str
    """``host:port`` by which the members know it."""
    votes: int = 1
    priority: float = 1.0
    hidden: bool = False
    arbiter: bool = False
    delay: float = 0.0
    """Seconds for which it stays behind on purpose."""
    builds_indexes: bool = True
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def electable(self) -> bool:
        """Whether the set may ever elect it."""
        return self.priority > 0 and self.votes > 0 and not self.arbiter


@dataclass(frozen=True, slots=True)
class ElectionSeen:
    """How the primary of this term was elected, by its own word (``electionCandidateMetrics``)."""

    reason: str
    """``electionTimeout``, ``stepUpRequest``, ``stepUpRequestSkipDryRun``, ``priorityTakeover``, ..."""
    votes_needed: int
    at: float
    """Unix seconds of the election."""
    writable_at: float | None = None
    """Unix seconds from which majority writes were possible in this term."""
    catch_up_operations: int | None = None
    """Operations it fetched before it took writes."""


@dataclass(frozen=True, slots=True)
class RollbackSeen:
    """What a member took back when it came back to a set that had gone on without it."""

    at: float
    """Unix seconds."""
    operations: int
    """Entries of the oplog, those without effect among them."""
    common_point: str
    """Where its history and that of the set part."""
    last: str
    """The last entry that was taken back."""
    directory: str = ""
    """Where the documents that were taken back are, on its host; empty: there are none, or it does not tell."""


@dataclass(frozen=True, slots=True)
class Oplog:
    """The log that members replicate."""

    first: float
    """Unix seconds of its oldest entry."""
    last: float
    size_bytes: int = 0
    limit_bytes: int = 0

    @property
    def window(self) -> float:
        """Seconds for which a member may be away and still catch up from this one."""
        return max(0.0, self.last - self.first)


@dataclass(frozen=True, slots=True)
class Member:
    """One look at one member."""

    state: MemberState
    set_name: str = ""
    role: str = ""
    """``configsvr`` or ``shardsvr`` in a sharded cluster; empty: a set of its own."""
    term: int = -1
    """The highest election term it knows; -1: none."""
    voters_needed: int = 0
    """Votes that a majority needs."""
    config_version: int = 0
    config_term: int = -1
    seat: Seat | None = None
    sync_source: str = ""
    heard: tuple[Heard, ...] = ()
    committed: str = ""
    """The point up to which a majority has everything, ``term:seconds.increment``."""
    heartbeat_interval: float = 2.0
    election_timeout: float = 10.0
    election: ElectionSeen | None = None
    """Only on the primary."""
    rollback: RollbackSeen | None = None
    """The latest rollback in its log."""
    writes_blocked: bool = False
    """User writes are blocked on this cluster (``setUserWriteBlockMode``)."""
    oplog: Oplog | None = None
    connections: int | None = None
    queued: int | None = None
    """Operations that wait for a lock."""

    @property
    def serves(self) -> bool:
        """Whether clients may read from it, apart from its lag: a visible secondary that is not late on purpose."""
        if self.state is not MemberState.SECONDARY:
            return False
        return self.seat is None or not (self.seat.hidden or self.seat.delay)
