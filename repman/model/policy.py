"""Configuration as values: what a decision may know of the operator's wishes.

Built by `repman.config.build` from the option table; durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from repman.model.nature import Nature


class UnackedPolicy(StrEnum):
    """What happens to writes when no replica is left to acknowledge them."""

    BLOCK = "block"
    DEGRADE = "degrade"


class UnknownFencePolicy(StrEnum):
    """Whether a failover may go on when the old writer could neither be fenced nor be seen dead."""

    SEMI_SYNC = "semi-sync"
    """Only when the old writer cannot acknowledge anything without a replica, or replicas all lost it."""
    PROCEED = "proceed"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """One configured server."""

    address: str
    """``host:port``."""
    host: str
    port: int
    id: str
    """Stable identifier for the API (``db`` and a checksum of the address)."""
    name: str
    """What the API calls it; unique in its cluster."""
    preferred: int | None = None
    """Place in the list of preferred writers, 0 first; None when it is not in it."""
    electable: bool = True
    """False: never made the writer."""
    keep_read_only_alone: bool = False
    """Never enforce read_only on this replica."""
    controlled: bool = False
    """An orchestrator can start and kill its process, at once and without fail: repman does so by itself."""
    startable: bool = False
    """An orchestrator can start and stop its process when an operator asks for it."""


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    """How one cluster is to be watched and moved."""

    name: str
    servers: tuple[ServerPolicy, ...]
    tick: float = 1.0
    """Seconds between looks."""
    answer_timeout: float = 1.0
    """Seconds a server has to answer one look."""
    silence_periods: int = 3
    """Heartbeat periods without any progress after which a replica testifies that its source is silent."""
    heartbeat_period: float = 0.5
    """Heartbeat period written into every channel."""
    automatic_failover: bool = True
    paused: bool = False
    """No mutation at all, whatever happens."""
    failover_limit: int = 0
    """Failovers after which automatic ones stop until an operator resets the counter; 0: no limit."""
    failover_time_limit: float = 0.0
    """Least seconds between two automatic failovers."""
    max_lag: float = 30.0
    """A replica later than this is SlaveLate, takes no reads and is not chosen; negative: no limit."""
    semi_sync: bool = True
    """The writer waits for a replica's acknowledgement."""
    unacked: UnackedPolicy = UnackedPolicy.BLOCK
    degrade_after: float = 10.0
    """Seconds without a replica after which semi-sync is switched off, with UnackedPolicy.DEGRADE."""
    unknown_fence: UnknownFencePolicy = UnknownFencePolicy.SEMI_SYNC
    rejoin: bool = True
    """Returning servers are made replicas again."""
    enforce_read_only: bool = True
    restart_fenced: bool = True
    """A frozen old writer that an orchestrator controls is killed and started again as a replica."""
    read_on_writer: bool = False
    read_on_writer_without_replica: bool = True
    fence_timeout: float = 2.0
    drain_timeout: float = 60.0
    """Longest wait for a replica to apply what it has received, in a failover."""
    switchover_timeout: float = 10.0
    """Deadline of a whole switchover, after which it is rolled back."""
    failover_timeout: float = 120.0
    switchover_max_lag: float = 5.0
    """A switchover to a replica later than this is refused."""
    long_write: float = 10.0
    """A switchover is refused while a write has been running for longer than this."""
    test: bool = False
    """The cluster is there to be tested: what destroys needs no force."""
    multi_tier: bool = False
    """Replicas of replicas are allowed to stay so."""
    nature: Nature = Nature.STEERED
    """Who elects the writer: chooses the rules by which the cluster is judged and moved."""
    replica_set: str = ""
    """Name of the replica set that the servers are, or are to become; empty: whatever it is."""

    def server(self, address: str) -> ServerPolicy:
        """That server's policy; raises KeyError for an address that is not configured."""
        for server in self.servers:
            if server.address == address:
                return server
        raise KeyError(address)

    def find(self, text: str) -> ServerPolicy | None:
        """The server of that id, name or ``host:port``, or None."""
        for server in self.servers:
            if text in (server.id, server.name, server.address):
                return server
        return None

    @property
    def addresses(self) -> tuple[str, ...]:
        """All configured addresses, in order."""
        return tuple(server.address for server in self.servers)
