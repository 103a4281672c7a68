"""The nouns of checkpoints: immutable values that the engine makes and the resource shows."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bson import ObjectId, Timestamp


class PartType(enum.StrEnum):
    """What a part of a cluster is, by the resource's names."""

    REPLICA_SET = "REPLICA_SET"
    CONFIG_SERVER = "CONFIG_SERVER"


@dataclass(frozen=True, slots=True)
class CheckpointPart:
    """One part of a cluster in a checkpoint: a shard, the config servers, or the only replica set."""

    type: PartType
    set_name: str
    """The replica set's."""
    shard: str = ""
    """The shard's `_id`; empty for config servers and for a cluster that is not sharded."""
    host: str = ""
    """The member that was asked."""
    token_discovered: bool = False
    """Whether the token was found in the oplog."""
    token: Timestamp | None = None
    """The time of its entry there."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A consistent point of a whole cluster."""

    id: ObjectId
    group: str
    cluster: str
    started: datetime
    """UTC; the balancer was stopped."""
    completed: datetime | None = None
    """UTC; the balancer runs again, if it did before; None while unfinished."""
    at: Timestamp | None = None
    """The cluster time to which data is restored."""
    parts: tuple[CheckpointPart, ...] = ()
    restorable: bool = False
    reasons: tuple[str, ...] = ()
    """Why it is not restorable, each a sentence; empty when it is."""
    flaws: tuple[str, ...] = ()
    """What went wrong while it was made, each a sentence: it will never be restorable."""


@dataclass(frozen=True, slots=True)
class SnapshotPart:
    """What a snapshot holds of one part."""

    type: PartType
    set_name: str
    shard: str = ""
    data_bytes: int = 0
    """Of the documents."""
    file_bytes: int = 0
    """Compressed."""
    version: str = ""
    """Of mongod."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The data of a whole cluster at one cluster time."""

    id: ObjectId
    group: str
    cluster: str
    created: Timestamp
    """The cluster time that was read."""
    complete: bool = False
    keep: bool = False
    """Never deleted by retention."""
    expires: datetime | None = None
    """UTC; None: never."""
    parts: tuple[SnapshotPart, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why it is not complete."""


class RestoreStatus(enum.StrEnum):
    """How a restore stands, by the resource's names."""

    IN_PROGRESS = "IN_PROGRESS"
    FINISHED = "FINISHED"
    BROKEN = "BROKEN"
    KILLED = "KILLED"


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What is to be restored and where; exactly one of checkpoint, snapshot and time is given."""

    group: str
    cluster: str
    checkpoint: ObjectId | None = None
    snapshot: ObjectId | None = None
    at: Timestamp | None = None
    targets: tuple[tuple[str, str], ...] = ()
    """For each part, by its shard's name or its set's, the URI of the replica set that gets its data; empty: a download.
    The catalogue keeps them without accounts and passwords: who goes on with a restore gives them anew."""
    overwrite: bool = False
    """Whether data that is there may be replaced: in place."""
    target_group: str = ""
    """The group of the configured cluster that is restored to; empty for a download, and for targets given by hand."""
    target_cluster: str = ""
    """Its id."""


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """A restore, under way or ended."""

    id: ObjectId
    request: RestoreRequest
    created: datetime
    status: RestoreStatus = RestoreStatus.IN_PROGRESS
    reason: str = ""
    """Why it is broken."""
    done_bytes: int = 0
    total_bytes: int = 0
    hashes: tuple[tuple[str, str], ...] = ()
    """File name and SHA-256 of what a download consists of; `catalogue.place_of_download` says where the files are."""


@dataclass(frozen=True, slots=True)
class SnapshotSchedule:
    """When a cluster's checkpoints and snapshots are made, and how long they are kept; the resource's names."""

    checkpoint_minutes: int | None = None
    """`clusterCheckpointIntervalMin`: one of `CHECKPOINT_MINUTES`; None: only on request."""
    snapshot_hours: int = 24
    """`snapshotIntervalHours`: one of `SNAPSHOT_HOURS`."""
    snapshot_days: int = 2
    """`snapshotRetentionDays`: of those that are neither the day's, the week's nor the month's first."""
    daily_days: int = 7
    """`dailySnapshotRetentionDays`: of the first of each day; 0: it is kept no longer than the others."""
    weekly_weeks: int = 4
    """`weeklySnapshotRetentionWeeks`: of the first of each week."""
    monthly_months: int = 13
    """`monthlySnapshotRetentionMonths`: of the first of each month; a month counts 31 days."""
    window_hours: int = 24
    """`pointInTimeWindowHours`: how far back the oplog is kept, so that every moment of it can be restored."""
    hour: int = 0
    """`referenceHourOfDay`: from which the hours of snapshots are counted."""
    minute: int = 0
    """`referenceMinuteOfHour`."""
    offset_minutes: int = 0
    """`referenceTimeZoneOffset`, east of Greenwich."""


CHECKPOINT_MINUTES = (15, 30, 60)
SNAPSHOT_HOURS = (6, 8, 12, 24)


@dataclass(frozen=True, slots=True)
class Download:
    """A way to fetch what a restore delivered, without an API key, for some time and some times."""

    job: ObjectId
    expires: datetime
    """UTC."""
    most: int
    """How often each file may be fetched."""
    fetched: int = 0
    """How often the one that was fetched most was."""


class Acts(Protocol):
    """What the resource asks of the engine of one cluster; `engine.Engine` is that."""

    def checkpoint(self) -> Checkpoint:
        """Make a checkpoint now and return it when it has ended; raises errors of the tree in `repman.errors`."""

    def snapshot(self) -> Snapshot:
        """Take a base snapshot now and return it when it has ended."""

    def restore(self, job: RestoreJob) -> RestoreJob:
        """Carry out a restore, new or half done; returns it as it ended."""

    def repair(self) -> tuple[str, ...]:
        """Undo what a process that died left behind: the balancer runs again.  What was done, a sentence each."""

    def expire(self, now: datetime) -> tuple[str, ...]:
        """Delete what retention and quota do not keep; what was deleted, a sentence each."""

    def capture(self) -> tuple[str, ...]:
        """Copy what the oplogs have that is not copied yet, to be called every few minutes; what was missed."""

    def review(self, thorough: bool = False) -> tuple[str, ...]:
        """Judge anew which checkpoints are restorable; what has changed, a sentence each.

        With `thorough` every file is read again, also where it looks unchanged.
        """
