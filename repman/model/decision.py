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

    @property
    def protected(self) -> bool:
        """Whether the cluster would survive its writer's death right now."""
        return not self.blocked_by

    def state(self, address: str) -> ServerState:
        """That server's state."""
        return dict(self.states)[address]
