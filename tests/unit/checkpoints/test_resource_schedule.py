"""When checkpoints and snapshots are made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.base import BaseTrigger

from repman.checkpoints.model import SnapshotSchedule
from repman.checkpoints.schedule import CAPTURE, CHECKPOINT, SNAPSHOT, TASKS, Clockwork, triggers
from repman.model.checkpoint import ManagedCluster

BEGIN = datetime(2026, 7, 31, tzinfo=UTC)


def times(trigger: BaseTrigger, until: datetime = BEGIN + timedelta(days=1)) -> list[str]:
    found = []
    now = BEGIN
    while (fire := trigger.get_next_fire_time(None, now)) is not None and fire < until:
        found.append(fire.astimezone(UTC).strftime("%H:%M"))
        now = fire + timedelta(seconds=1)
    return found


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_checkpoints_at_every_interval_of_the_hour(minutes: int) -> None:
    found = times(triggers(SnapshotSchedule(checkpoint_minutes=minutes))[CHECKPOINT])
    assert len(found) == 24 * 60 // minutes
    assert found[:2] == ["00:00", f"{minutes // 60:02}:{minutes % 60:02}"]


def test_no_checkpoints_unless_an_interval_is_set() -> None:
    assert set(triggers(SnapshotSchedule())) == set(TASKS) - {CHECKPOINT}
    assert len(times(triggers(SnapshotSchedule())[CAPTURE])) == 24 * 60 // 5


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        (SnapshotSchedule(), ["00:00"]),
        (SnapshotSchedule(snapshot_hours=6, hour=20, minute=5), ["02:05", "08:05", "14:05", "20:05"]),
        (SnapshotSchedule(snapshot_hours=12, hour=1, offset_minutes=-210), ["04:30", "16:30"]),
        (SnapshotSchedule(snapshot_hours=8, hour=0, offset_minutes=120), ["06:00", "14:00", "22:00"]),
    ],
)
def test_snapshots_from_the_reference_hour_on(schedule: SnapshotSchedule, wanted: list[str]) -> None:
    assert times(triggers(schedule)[SNAPSHOT]) == wanted


def test_another_schedule_takes_the_place_of_the_former() -> None:
    cluster = ManagedCluster("a" * 24, "b" * 24, "orders", "mongodb://h")
    clock = Clockwork(lambda each, task: None)
    clock.start()
    try:
        clock.follow(cluster, SnapshotSchedule(checkpoint_minutes=15))
        assert f"{cluster.id}:{CHECKPOINT}" in clock.next_times()
        clock.follow(cluster, SnapshotSchedule())
        assert set(clock.next_times()) == {f"{cluster.id}:{task}" for task in TASKS if task != CHECKPOINT}
    finally:
        clock.stop()
