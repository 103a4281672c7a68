"""A plan is a value: it can be shown, simulated, journalled and resumed.

Each step says what is to be reached, not which statements are sent.  All steps are idempotent: doing one
again that was already done changes nothing, which is what lets a plan survive a crash between any two steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StepKind(StrEnum):
    """What a step reaches.  `server` is always the step's target."""

    ROUTE_AWAY = "route-away"
    """No proxy sends writes to it any more and its proxied write sessions are cut."""
    FENCE = "fence"
    """It cannot acknowledge client writes: read-only and sessions killed, or its process is dead."""
    STOP_RECEIVING = "stop-receiving"
    """Its receiver is stopped, its applier goes on."""
    DRAIN = "drain"
    """Everything it has received is applied."""
    CATCH_UP = "catch-up"
    """It has applied everything that `source` had when the step began; where it does not follow `source` yet it
    does so for that.  Its receiver goes on."""
    PROMOTE = "promote"
    """It follows nobody and makes commits wait for acknowledgements; still read-only."""
    FOLLOW = "follow"
    """It replicates from `source`, read-only, acknowledging."""
    OPEN = "open"
    """It accepts client writes."""
    ROUTE = "route"
    """Every proxy sends writes to it and to nobody else."""
    CLOSE = "close"
    """It is read-only and its client sessions are gone: for a replica that was writable."""
    RESUME = "resume"
    """Its stopped receiver or applier runs again."""
    SEMI_SYNC_ON = "semi-sync-on"
    """It waits for acknowledgements again."""
    SEMI_SYNC_OFF = "semi-sync-off"
    """It no longer waits for acknowledgements: writes are unprotected."""
    CLEAN = "clean"
    """It has no replication configuration, no binary log and no position left."""
    PREPARE = "prepare"
    """The accounts that replication needs exist on it, written so that no replica sees them."""
    KILL = "kill"
    """Its process is dead (by its orchestrator)."""
    START = "start"
    """Its process was started as a read-only semi-sync replica (by its orchestrator); not waited for."""
    STOP = "stop"
    """Its process ended after a clean shutdown (by its orchestrator)."""
    STOP_APPLYING = "stop-applying"
    """Receiver and applier are stopped."""
    UNFOLLOW = "unfollow"
    """It has no replication configuration left; its position stays."""
    SKIP_EVENT = "skip-event"
    """It replicates from behind the transaction that its applier failed at with the error in `note`."""
    RESET_BINLOG = "reset-binlog"
    """Its binary log is empty and its position is what it was."""
    INITIATE = "initiate"
    """It is a member of a replica set of all the cluster's servers, and the set has a primary."""
    FREEZE = "freeze"
    """It does not stand for election for a while (`note`: seconds)."""
    STEP_DOWN = "step-down"
    """It is primary no more, and stands for no election for a while (`note`: seconds)."""
    STEP_UP = "step-up"
    """The members elected it, and a majority takes its writes."""
    THAW = "thaw"
    """It may be elected again."""

    @property
    def opens(self) -> bool:
        """Whether clients can write to its server when it is done."""
        return self in (StepKind.OPEN, StepKind.STEP_UP)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan."""

    kind: StepKind
    server: str
    source: str = ""
    timeout: float = 5.0
    """Seconds after which the step has failed."""
    essential: bool = True
    """False: a failure is noted as a problem and the plan goes on."""
    note: str = ""
    """What goes with the step: by whom it is remembered to be wished, or what it must find."""

    def __str__(self) -> str:
        return f"{self.kind} {self.server}" + (f" <- {self.source}" if self.source else "")


class PlanKind(StrEnum):
    """Why a plan exists."""

    FAILOVER = "failover"
    SWITCHOVER = "switchover"
    BOOTSTRAP = "bootstrap"
    CLEANUP = "cleanup"
    REJOIN = "rejoin"
    REPAIR = "repair"
    REOPEN = "reopen"
    """No server is open though nobody died: the most advanced one is opened."""
    PROTECTION = "protection"
    """Semi-sync is degraded or restored."""
    SERVICE = "service"
    """An operator's wish about a server's process."""
    RESTART = "restart"
    """One server's turn in a rolling restart."""
    REPLICATION = "replication"
    """An operator's wish about a server's replication or its binary log."""
    ACCESS = "access"
    """An operator's wish about who may write."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be done, in order."""

    kind: PlanKind
    cluster: str
    steps: tuple[Step, ...]
    reason: str
    """One sentence."""
    old_writer: str = ""
    new_writer: str = ""
    undo: tuple[Step, ...] = ()
    """What puts the old writer back in service when the plan fails before `new_writer` is promoted."""
    deadline: float = 30.0
    """Seconds the whole plan may take."""
    assumptions: tuple[str, ...] = ()
    """What is taken for true without proof, by policy."""
    ranking: tuple[str, ...] = ()
    """Every server with the reason for its place in the election."""


class FenceOutcome(StrEnum):
    """How sure we are that a fenced server acknowledges nothing."""

    DONE = "done"
    """Read back: read-only and no session left."""
    DEAD = "dead"
    """Its process is provably gone."""
    UNKNOWN = "unknown"
    """It answers nobody."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended."""

    ok: bool
    detail: str = ""
    """For people: what was read back, or why it failed."""
    fence: FenceOutcome | None = None
    """For FENCE steps."""
    unacknowledged: str = ""
    """Transactions that a fence left committed though no client was told so."""
