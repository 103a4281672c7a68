"""What an operator may ask of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CommandKind(StrEnum):
    """The wish."""

    SWITCHOVER = "switchover"
    FAILOVER = "failover"
    BOOTSTRAP = "bootstrap"
    CLEANUP = "cleanup"
    PREVIEW = "preview"
    """Show the plan of a failover or a switchover, as of now; changes nothing."""
    RESET_FAILOVER_CONTROL = "reset-failover-control"
    MAINTENANCE = "maintenance"
    """Take a server out of service (`on`) or give it back; with `toggle` the opposite of what is."""
    HOLD = "hold"
    """Leave a server alone while a job rebuilds it: no repair, no election, no route (`on`), or give it back.  It
    outlives a restart and is ended only by the job or by an operator."""
    START_SERVER = "start-server"
    STOP_SERVER = "stop-server"
    """Shut it down and leave it so until it is started; the writer only with `force`, after its role was moved."""
    READ_ONLY = "read-only"
    """Close the cluster for writes (the writer, `on`), or open it again; a replica is never opened."""
    START_REPLICATION = "start-replication"
    STOP_REPLICATION = "stop-replication"
    """A replica stands still until its replication is started."""
    SKIP_EVENT = "skip-event"
    """Go on behind the transaction that a replica cannot apply."""
    RESET_BINLOG = "reset-binlog"
    """Empty a server's binary log; its position stays."""
    RESET_REPLICATION = "reset-replication"
    """Remove a replica's replication; it stays alone until replication is started."""
    RATE = "rate"
    """Prefer, ignore or rate a server as any other in elections (`rating`)."""
    ROLLING_RESTART = "rolling-restart"
    """Restart one server after the other (`on`), or leave off with it; answered at once."""
    RESET_AVAILABILITY = "reset-availability"
    """Count the shares of time anew."""
    RELOAD = "reload"
    """Read the configuration again and go on with it; of no cluster, or of all."""


@dataclass(frozen=True, slots=True)
class Command:
    """One wish, with its arguments; those that do not apply are empty."""

    kind: CommandKind
    cluster: str
    server: str = ""
    """Address of the wished new writer, or of the server meant."""
    force: bool = False
    clean: bool = False
    topology: str = "master-slave"
    preview_of: str = ""
    """``failover`` or ``switchover``."""
    user: str = ""
    on: bool = True
    rating: str = ""
    """``preferred``, ``ignored`` or ``unrated``."""
    reason: str = ""
    """Why, in words: for holds."""
    toggle: bool = False
    """Whatever `on` says: the opposite of how it is."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a command ended."""

    status: str
    """``done``, ``started`` (it goes on by itself), ``refused``, ``failed``, ``unchanged`` or ``preview``."""
    sentence: str
    refusals: tuple[tuple[str, str], ...] = ()
    """(code, sentence)."""
    plan: str = ""
    """The journal's identifier of the plan that ran."""
    preview: dict[str, object] | None = None
    new_writer: str = ""
