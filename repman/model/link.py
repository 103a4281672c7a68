"""A link between two MongoDB clusters, as its process publishes it, and what may be asked of it.

Plain values only, so that they go to JSON and back without loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

FORMAT = 1

CONNECTING = "connecting"
"""The state of a link whose process runs and cannot use both clusters yet, or waits for another one to let go of it."""


class LinkAction(StrEnum):
    """The wish."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    FINALIZE = "finalize"
    """Apply what was read, stop replicating, and open the target to its clients."""
    REVERSE = "reverse"
    """After that: replicate the other way."""


@dataclass(frozen=True, slots=True)
class LinkCommand:
    """One wish about one link, with its arguments; those that do not apply are false."""

    action: LinkAction
    link: str
    user: str = ""
    again: bool = False
    """Start also after it was finalized: everything is copied anew."""
    from_failure: bool = False
    """Resume also after a failure."""


@dataclass(frozen=True, slots=True)
class LinkSide:
    """One of the two clusters."""

    name: str
    """``source``/``target`` or ``cluster0``/``cluster1``; it does not change when the direction does."""
    address: str
    """Hosts and ports, comma separated; never an account."""
    ping_ms: int | None = None
    """Round trip of the last ping; None before the first, -1 when the last one failed."""


@dataclass(frozen=True, slots=True)
class UnsuccessfulIndex:
    """An index of the source that the target could not be given as it is."""

    namespace: str
    name: str
    kind: str
    """``failed``, ``incomplete`` or ``inconsistent``."""
    reason: str


@dataclass(frozen=True, slots=True)
class LinkView:
    """All that is published of a link; written by its process, read by everybody else."""

    format: int
    name: str
    at: float
    """Unix seconds."""
    monotonic: float
    """The same moment on this boot's monotonic clock."""
    pid: int
    """Of the process; 0 after it has ended in order."""
    dialect: str
    listens: str
    """``host:port`` of the link's own HTTP API."""
    source: LinkSide
    """Where data come from now."""
    target: LinkSide
    state: str
    """``connecting``, ``idle``, ``running``, ``paused``, ``finalizing``, ``finalized``, ``reversing`` or ``failed``."""
    phase: str = "none"
    """``none``, ``preparing``, ``cloning``, ``catching up`` or ``replicating``."""
    run: str = ""
    """Tells this run of the link from others."""
    error: str = ""
    """Why it failed, or cannot connect."""
    lag_seconds: int | None = None
    """Seconds that the target is behind; None when that is not known."""
    events_read: int = 0
    events_applied: int = 0
    last_applied: str = ""
    """Everything of the source up to this cluster time (``seconds.increment``) is on the target."""
    clone_completed: bool = False
    initial_sync_completed: bool = False
    """The target has become consistent."""
    total_bytes: int = 0
    """What there is to clone, estimated."""
    copied_bytes: int = 0
    collections_total: int = 0
    collections_done: int = 0
    indexes_total: int = 0
    indexes_built: int = 0
    can_write: bool = False
    """Clients may write to the target."""
    finalize_completed: bool = False
    unsuccessful: tuple[UnsuccessfulIndex, ...] = ()
    oplog_seconds_left: float | None = None
    """How long the source's oplog still holds what was not read; None when that is not known."""
    catch_up_seconds: float | None = None
    """When the lag will be gone at the present rate; None when it is not shrinking."""
    reversible: bool = False
    warnings: tuple[str, ...] = ()
