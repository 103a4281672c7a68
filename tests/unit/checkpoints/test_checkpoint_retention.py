"""What is kept, and how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId, Timestamp

from repman.checkpoints.manifest import File, PartDump, Slice, SnapshotManifest
from repman.checkpoints.model import PartType, Snapshot, SnapshotSchedule
from repman.checkpoints.retention import expired, expiry, oldest_needed, superfluous

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
RULES = SnapshotSchedule(snapshot_days=2, daily_days=7, weekly_weeks=4, monthly_months=13)


@pytest.mark.parametrize(
    ("earlier", "days"),
    [
        ([NOON - timedelta(hours=6)], 2),
        ([NOON - timedelta(days=1)], 7),
        ([NOON - timedelta(days=7)], 28),
        ([NOON - timedelta(days=40)], 13 * 31),
        ([], 13 * 31),
    ],
    ids=["of the day", "first of the day", "first of the week", "first of the month", "first of all"],
)
def test_the_longest_rule_counts(earlier: list[datetime], days: int) -> None:
    assert expiry(NOON, earlier, RULES) - NOON == timedelta(days=days)


def test_the_day_begins_where_the_schedule_says() -> None:
    late = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)
    rules = SnapshotSchedule(snapshot_days=2, daily_days=7, weekly_weeks=0, monthly_months=0, offset_minutes=60)
    assert expiry(late, [NOON], rules) - late == timedelta(days=7)
    assert expiry(late, [NOON], SnapshotSchedule(2, 24, 2, 7, 0, 0)) - late == timedelta(days=2)


def taken(hours: int, expires: timedelta | None = timedelta(days=2), **more: object) -> Snapshot:
    at = NOON - timedelta(hours=hours)
    until = None if expires is None else at + expires
    return Snapshot(ObjectId(), "g", "c", Timestamp(int(at.timestamp()), 1), True, expires=until, **more)  # type: ignore[arg-type]


def test_what_is_over_goes_the_oldest_first_but_not_the_newest() -> None:
    old, older, kept, for_ever = taken(60), taken(72), taken(90, keep=True), taken(95, None)
    assert expired([old, kept, older, for_ever, taken(1)], NOON) == [older, old]
    assert expired([older, old], NOON) == [older]  # nothing could be restored any more


def test_the_newest_goes_when_somebody_deletes_it() -> None:
    deleted = taken(60, timedelta(hours=59, minutes=59, seconds=12))
    assert expired([deleted], NOON) == [deleted]


def manifest(at: int, since: int) -> SnapshotManifest:
    part = PartDump(PartType.REPLICA_SET, "rs0", "", "6", Timestamp(since, 0), ())
    return SnapshotManifest(ObjectId(), "g", "c", Timestamp(at, 0), (part,))


def piece(number: int, first: int, last: int) -> Slice:
    file = File("f", 1, "0", 1, 1)
    return Slice("rs0", "x", number, Timestamp(first, 0), Timestamp(last, 0), "", "", file)


def test_oplogs_are_kept_from_the_snapshot_before_the_window_on() -> None:
    snapshots = [manifest(10, 9), manifest(20, 18), manifest(30, 29)]
    assert oldest_needed(snapshots, Timestamp(25, 0), "rs0") == Timestamp(18, 0)
    assert oldest_needed(snapshots, Timestamp(5, 0), "rs0") == Timestamp(9, 0)
    assert oldest_needed([], Timestamp(5, 0), "rs0") is None
    pieces = [piece(0, 5, 12), piece(1, 12, 18), piece(2, 18, 40)]
    assert superfluous(pieces, Timestamp(18, 0)) == pieces[:1]
    assert superfluous(pieces, Timestamp(90, 0)) == pieces[:2]
