"""What is kept, and how long.  Pure.

A snapshot expires by the longest rule that it falls under: it may be the first of its day, its week, its month.  Oplogs
are kept as far back as every moment of the window can be restored, which is to the newest snapshot before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bson import Timestamp

from repman.checkpoints.manifest import Slice, SnapshotManifest
from repman.checkpoints.model import Snapshot, SnapshotSchedule

_MONTH_DAYS = 31


def expiry(taken: datetime, earlier: Iterable[datetime], schedule: SnapshotSchedule) -> datetime:
    """When a snapshot of that time expires, the times of complete ones before it being these.  All UTC."""
    shift = timedelta(minutes=schedule.offset_minutes)
    local = taken + shift
    before = [each + shift for each in earlier if each < taken]
    kept = timedelta(days=schedule.snapshot_days)
    if not any(each.date() == local.date() for each in before):
        kept = max(kept, timedelta(days=schedule.daily_days))
    if not any(each.isocalendar()[:2] == local.isocalendar()[:2] for each in before):
        kept = max(kept, timedelta(weeks=schedule.weekly_weeks))
    if not any((each.year, each.month) == (local.year, local.month) for each in before):
        kept = max(kept, timedelta(days=_MONTH_DAYS * schedule.monthly_months))
    return taken + kept


def expired(snapshots: Sequence[Snapshot], now: datetime) -> list[Snapshot]:
    """Those that may go, the oldest first.  The newest complete one goes only when somebody said so, by no rule."""
    complete = sorted((each for each in snapshots if each.complete), key=lambda each: each.created)
    return [
        each
        for each in complete
        if not each.keep
        and each.expires is not None
        and each.expires <= now
        and not (each is complete[-1] and _by_rule(each, each.expires))
    ]


def _by_rule(snapshot: Snapshot, expires: datetime) -> bool:
    """Whether it is kept for whole days, as rules have it; who deletes one sets its expiry to the moment he does."""
    return (expires - snapshot.created.as_datetime()) % timedelta(days=1) == timedelta(0)


def oldest_needed(snapshots: Sequence[SnapshotManifest], window: Timestamp, part: str) -> Timestamp | None:
    """From which entry of a part's oplog on slices are kept; None where no snapshot needs any.

    `window`: how far back every moment is to be restored.
    """
    before = [each for each in snapshots if each.at <= window]
    base = max(before, key=lambda each: each.at) if before else min(snapshots, key=lambda each: each.at, default=None)
    if base is None:
        return None
    return next((each.since for each in base.parts if part == (each.shard or each.set_name)), None)


def superfluous(slices: Sequence[Slice], needed: Timestamp) -> list[Slice]:
    """The slices that end before that entry; the newest one of all stays, as the next follows it."""
    newest = max(slices, key=lambda each: each.last, default=None)
    return [each for each in slices if each.last < needed and each is not newest]
