"""What a link tells of itself: one immutable value, from which every dialect makes its own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from bson.timestamp import Timestamp


class State(Enum):
    """Where a link is."""

    IDLE = "idle"
    """Nothing was started yet."""
    RUNNING = "running"
    PAUSED = "paused"
    FINALIZING = "finalizing"
    FINALIZED = "finalized"
    REVERSING = "reversing"
    """Source and target change places; RUNNING follows by itself."""
    FAILED = "failed"
    """It stopped by itself; `Status.error` says why."""


class Phase(Enum):
    """What a link does, or did when it was paused or failed."""

    NONE = "none"
    PREPARING = "preparing"
    """Collections are listed and made; no document was copied yet."""
    CLONING = "cloning"
    CATCHING_UP = "catching up"
    """What changed during the clone is applied: the target is not consistent yet."""
    REPLICATING = "replicating"
    """The target is a consistent, slightly older source."""


@dataclass(frozen=True, slots=True)
class UnsuccessfulIndex:
    """An index of the source that the target could not be given as it is."""

    namespace: str
    name: str
    kind: str
    """``failed`` (it cannot be built), ``incomplete`` (the source was still building it) or ``inconsistent`` (only some
    shards of the source have it)."""
    keys: Mapping[str, Any]
    """In the order of the index."""
    reason: str
    """Names the index."""


@dataclass(frozen=True, slots=True)
class Finalization:
    """The end of a replication."""

    completed: bool
    started_at: datetime | None
    """None when that was before a restart."""
    completed_at: datetime | None
    unsuccessful: tuple[UnsuccessfulIndex, ...] = ()
    """Sorted by namespace and name."""


@dataclass(frozen=True, slots=True)
class Verifying:
    """How far one side of a verification is."""

    phase: str = "not started"
    """``not started``, ``initial hashing``, ``stream hashing``."""
    collections: int = 0
    collections_done: int = 0
    documents: int = 0
    """Estimated."""
    documents_done: int = 0


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two clusters, as far as it may be shown."""

    name: str
    """``source``/``target`` or ``cluster0``/``cluster1``: what the operator calls it, which a reversal does not change."""
    address: str
    """Hosts and ports without credentials, comma separated."""
    ping_ms: int | None
    """Round trip of the last ping; None before the first, -1 when the last one failed."""


@dataclass(frozen=True, slots=True)
class Status:
    """All that is known of a link at one moment."""

    state: State
    phase: Phase
    id: str
    """Tells this run of the link from others."""
    source: Side
    """Where data come from now."""
    target: Side
    error: str = ""
    """Why it failed; begins with what failed: ``clone: ``, ``change replication: ``."""
    lag_seconds: int = 0
    """Whole logical seconds from the last applied operation to the newest of the source; 0 when that is not known."""
    events_read: int = 0
    events_applied: int = 0
    last_applied: Timestamp | None = None
    """Everything of the source up to this time is on the target."""
    clone_started: bool = False
    clone_completed: bool = False
    initial_sync_completed: bool = False
    """The target has become consistent: `last_applied` is after the end of the clone."""
    total_bytes: int = 0
    """What there is to clone, estimated; never less than `copied_bytes`, and equal to it once the clone is complete."""
    copied_bytes: int = 0
    finalization: Finalization | None = None
    can_write: bool = False
    """Clients may write to the target: late in FINALIZING, and from then on."""
    indexes_total: int = 0
    indexes_built: int = 0
    collections_total: int = 0
    collections_done: int = 0
    oplog_seconds_left: float | None = None
    """How long the source's oplog still holds what the link has not read; None when that is not known."""
    catch_up_seconds: float | None = None
    """When the lag will be gone at the present rate; None when it is not shrinking."""
    pause_on_initial_sync: bool = False
    reversible: bool = False
    verification: Mapping[str, Verifying] | None = None
    """By ``source`` and ``target``; None when the link does not verify."""
    warnings: tuple[str, ...] = ()
