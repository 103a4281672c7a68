"""The answer of the decision core to one look at one cluster."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from repman.model.memory import Memory
from repman.model.plan import Plan
from repman.model.problem import Problem, Refusal


class ServerState(StrEnum):
    """The state of one server in replication-manager's vocabulary, which people know."""

    SUSPECT = "Suspect"
    FAILED = "Failed"
    ERROR_AUTH = "ErrorAuth"
    MASTER = "Master"
    SLAVE = "Slave"
    SLAVE_LATE = "SlaveLate"
    SLAVE_ERR = "SlaveErr"
    RELAY = "Relay"
    RELAY_LATE = "RelayLate"
    RELAY_ERR = "RelayErr"
    STANDALONE = "StandAlone"
    ARBITER = "Arbiter"
    """It votes and holds no data."""
    MAINTENANCE = "Maintenance"

    @property
    def down(self) -> bool:
        """Whether it answers nobody."""
        return self in (ServerState.SUSPECT, ServerState.FAILED, ServerState.ERROR_AUTH)


@dataclass(frozen=True, slots=True)
class Routes:
    """Which servers should take which traffic."""

    writer: str = ""
    """Address; empty: nobody may write now."""
    readers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Takeover:
    """A change of the writer that the servers made by themselves, as far as it can be told afterwards.

    Times are Unix seconds; None and empty words mean that nobody tells.
    """

    old_writer: str
    new_writer: str
    old_term: int
    new_term: int
    lost_at: float
    """When the old writer was first missed, or seen to be it no more."""
    seen_at: float
    """When the new one was first seen."""
    reason: str
    """Why there was an election, in the new writer's words."""
    elected_at: float | None
    writable_at: float | None
    """From when on majority writes were possible."""
    caught_up: int | None
    """Operations that the new writer fetched from others before it took writes."""
    old_position: str
    """The last position seen on the old writer."""
    new_position: str
    lags: tuple[tuple[str, float], ...]
    """(address, seconds behind) of the replicas when it was seen."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the look means and what is to be done."""

    memory: Memory
    writer: str
    """The server in charge: open, or the last one if it died; empty when never known."""
    writer_alive: bool
    states: tuple[tuple[str, ServerState], ...]
    problems: tuple[Problem, ...]
    blocked_by: tuple[Refusal, ...]
    """Why a failover would not be possible if the writer died now; empty: protected."""
    routes: Routes
    topology: str
    plan: Plan | None = None
    refusals: tuple[Refusal, ...] = ()
    """Why the plan that the situation asks for is not carried out."""
    ranking: tuple[str, ...] = ()
    """Every server with the reason for its place in the election, when there was one."""
    unchanged: str = ""
    """For a command that finds its aim reached already: the sentence that says so."""
    done: str = ""
    """For a command that is fulfilled by remembering it: the sentence that says so."""
    takeover: Takeover | None = None
    """The servers changed their writer by themselves since the look before."""

    @property
    def protected(self) -> bool:
        """Whether the cluster would survive its writer's death right now."""
        return not self.blocked_by

    def state(self, address: str) -> ServerState:
        """That server's state."""
        return dict(self.states)[address]
