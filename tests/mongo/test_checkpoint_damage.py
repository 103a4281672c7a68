"""Files are deleted and corrupted, oplogs roll over: what cannot be restored does not claim that it can."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bson import ObjectId
from checkpoint_stand import CLUSTER, GROUP, Place, state
from mongo_stand import ReplicaSet, wait_until

from repman.checkpoints.engine import Settings
from repman.checkpoints.model import Checkpoint, SnapshotSchedule
from repman.errors import CheckpointRefused


@pytest.fixture
def place(source: ReplicaSet, tmp_path: Path) -> Place:
    return Place(tmp_path, source.uri)


def kept(place: Place, made: Checkpoint) -> Checkpoint:
    found = place.catalogue.checkpoints.get(GROUP, CLUSTER, made.id)
    assert found is not None
    return found


def flip(path: Path) -> None:
    """One bit, and everything that a look from outside shows stays as it was."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def touched(path: Path) -> None:
    flip(path)
    path.touch()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "cut": cut,
    "flipped": flip,
    "touched": touched,
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("pattern", ["slices/*/*-00000001.bson.zst", "slices/*/*-00000001.json",
                                     "snapshots/*/0/*.zst", "snapshots/*/manifest.json"])  # fmt: skip
def test_a_damaged_file_is_named_and_not_restored_from(
    source: ReplicaSet, target: ReplicaSet, place: Place, kind: str, pattern: str
) -> None:
    source.client.shop.orders.insert_one({"_id": 1})
    place.engine.snapshot()
    made = []
    for number in range(2, 5):
        source.client.shop.orders.insert_one({"_id": number})
        made.append(place.engine.checkpoint())
    # Control: all of them are, as long as nothing is damaged.
    assert [each.restorable for each in made] == [True] * 3
    assert place.engine.review(thorough=True) == ()
    (damaged,) = place.files.glob(pattern)
    whole = damaged.read_bytes()
    DAMAGE[kind](damaged)
    told = place.engine.review(thorough=True)
    now = [kept(place, each) for each in made]
    assert now[-1].restorable is False
    assert now[0].restorable is False
    (reason,) = now[-1].reasons
    if damaged.suffix == ".zst":
        assert damaged.name in reason
        assert any(damaged.name in each for each in told)
    elif "slices" in pattern:
        assert "gap" in reason
    else:
        assert "no complete snapshot" in reason
    with pytest.raises(CheckpointRefused, match="cannot be restored"):
        place.restored({"rs0": target}, checkpoint=made[-1].id)
    assert state(target) == {}
    damaged.write_bytes(whole)
    assert len(place.engine.review(thorough=True)) == 3
    place.restored({"rs0": target}, checkpoint=made[-1].id)
    assert state(target) == state(source)
    place.close()


def test_a_later_snapshot_makes_up_for_a_lost_slice(source: ReplicaSet, target: ReplicaSet, place: Place) -> None:
    source.client.shop.orders.insert_one({"_id": 1})
    place.engine.snapshot()
    source.client.shop.orders.insert_one({"_id": 2})
    first = place.engine.checkpoint()
    for each in place.files.glob("slices/*/*.zst"):
        each.unlink()
    place.engine.snapshot()
    second = place.engine.checkpoint()
    place.engine.review()
    assert (kept(place, first).restorable, second.restorable) == (False, True)
    place.restored({"rs0": target}, checkpoint=second.id)
    assert state(target) == state(source)
    place.close()


def test_an_oplog_that_rolled_over_is_a_gap_and_told(target: ReplicaSet, tmp_path: Path) -> None:
    # Servers let the oldest entries go at a sync of their data.
    small = ReplicaSet(tmp_path / "set", "small", options=("--syncdelay", "1"), oplog_mb=16)
    try:
        place = Place(tmp_path / "place", small.uri)
        small.client.shop.orders.insert_one({"_id": "first"})
        taken = place.engine.snapshot()
        oplog = small.client.local["oplog.rs"]

        def rolled() -> bool:
            small.client.shop.pad.insert_many([{"pad": "x" * 100_000} for _ in range(100)])
            small.client.shop.pad.delete_many({})
            oldest = oplog.find_one(sort=[("$natural", 1)])
            return oldest is not None and bool(oldest["ts"] > taken.created)

        wait_until(rolled, 60, "the oplog to roll over")
        made = place.engine.checkpoint()
        # A new base was taken for it, as nothing led to it.
        assert made.restorable, made.reasons
        assert len(place.catalogue.snapshots.list(GROUP, CLUSTER)) == 2
        place.restored({"small": target}, checkpoint=made.id)
        assert state(target) == state(small)
        between = taken.created.as_datetime() + timedelta(seconds=0)
        assert between <= made.started
        with pytest.raises(CheckpointRefused, match=r"was not captured|captured up to"):
            place.restored({"small": target}, at=type(taken.created)(taken.created.time, 2**31), overwrite=True)
        place.close()
    finally:
        small.stop()


def test_without_a_snapshot_there_is_a_reason(source: ReplicaSet, tmp_path: Path) -> None:
    place = Place(tmp_path, source.uri, Settings(first_snapshot=False))
    made = place.engine.checkpoint()
    assert (made.restorable, made.reasons) == (
        False, ("There is no complete snapshot of the same parts from before it: take one.",)
    )  # fmt: skip
    place.close()


def test_retention_deletes_and_judges_anew(source: ReplicaSet, target: ReplicaSet, place: Place) -> None:
    rule = SnapshotSchedule(snapshot_days=1, daily_days=0, weekly_weeks=0, monthly_months=0, window_hours=1)
    place.catalogue.save_schedule(GROUP, CLUSTER, rule)
    source.client.shop.orders.insert_one({"_id": 1})
    first = place.engine.checkpoint()
    second = place.engine.checkpoint()
    assert (first.restorable, second.restorable) == (True, True)
    last = place.engine.snapshot()
    third = place.engine.checkpoint()
    now = datetime.now(UTC)
    assert place.engine.expire(now) == ()
    told = place.engine.expire(now + timedelta(days=3))
    assert any("its time is over" in each for each in told)
    assert [each.id for each in place.catalogue.snapshots.list(GROUP, CLUSTER)] == [last.id]
    assert [each.id for each in place.catalogue.checkpoints.list(GROUP, CLUSTER)] == [third.id]
    assert kept(place, third).restorable
    place.restored({"rs0": target}, checkpoint=third.id)
    assert state(target) == state(source)
    place.close()


def test_the_quota_deletes_the_oldest_first_and_then_refuses(source: ReplicaSet, tmp_path: Path) -> None:
    source.client.shop.orders.insert_many([{"_id": ObjectId(), "n": number} for number in range(2000)])
    place = Place(tmp_path, source.uri)
    taken = [place.engine.snapshot() for _ in range(3)]
    size = sum(each.stat().st_size for each in place.files.rglob("*") if each.is_file())
    tight = Place(tmp_path, source.uri, Settings(quota_bytes=size * 2 // 3))
    with pytest.raises(CheckpointRefused, match="quota is exceeded"):
        tight.engine.snapshot()
    told = tight.engine.expire(datetime.now(UTC))
    assert any(str(taken[0].id) in each and "quota" in each for each in told)
    left = [each.id for each in place.catalogue.snapshots.list(GROUP, CLUSTER)]
    assert taken[-1].id in left
    assert len(left) < 3
    size = sum(each.stat().st_size for each in place.files.rglob("*") if each.is_file())
    nothing = Place(tmp_path, source.uri, Settings(quota_bytes=10))
    assert any("raise it" in each for each in nothing.engine.expire(datetime.now(UTC)))
    assert [each.id for each in place.catalogue.snapshots.list(GROUP, CLUSTER)] == [taken[-1].id]
    for each in (place, tight, nothing):
        each.close()
