"""The catalogue gives back what it was given, to every process, and keeps no passwords."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bson import ObjectId, Timestamp

from repman.checkpoints.catalogue import FILE, Catalogue
from repman.checkpoints.model import (
    Checkpoint,
    CheckpointPart,
    Download,
    PartType,
    RestoreJob,
    RestoreRequest,
    RestoreStatus,
    Snapshot,
    SnapshotPart,
    SnapshotSchedule,
)
from repman.errors import StateError

NOW = datetime(2026, 7, 31, 12, 0, 0, 123456, tzinfo=UTC)
G, C = "a" * 24, "b" * 24


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with closing(Catalogue.below(tmp_path)) as made:
        yield made


def checkpoint(seconds: int = 0, cluster: str = C) -> Checkpoint:
    part = CheckpointPart(PartType.CONFIG_SERVER, "cfg", "", "h:1", True, Timestamp(5, 2**32 - 1))
    started = NOW + timedelta(seconds=seconds)
    return Checkpoint(ObjectId(), G, cluster, started, NOW, Timestamp(4, 1), (part,), True, ("Why.",))


def test_what_is_kept_is_read_by_another_process(catalogue: Catalogue, tmp_path: Path) -> None:
    kept = checkpoint()
    taken = Snapshot(ObjectId(), G, C, Timestamp(7, 1), True, True, NOW, (SnapshotPart(PartType.REPLICA_SET, "rs0"),))
    job = RestoreJob(
        ObjectId(), RestoreRequest(G, C, at=Timestamp(1, 0)), NOW, RestoreStatus.KILLED, hashes=(("a", "b"),)
    )
    catalogue.checkpoints.save(kept)
    catalogue.snapshots.save(taken)
    catalogue.restores.save(job)
    catalogue.save_schedule(G, C, SnapshotSchedule(checkpoint_minutes=15))
    with closing(Catalogue.below(tmp_path)) as other:
        assert other.checkpoints.get(G, C, kept.id) == kept
        assert other.snapshots.list(G, C) == (taken,)
        assert other.restores.get(G, C, job.id) == job
        assert other.schedule(G, C) == SnapshotSchedule(checkpoint_minutes=15)
        assert other.schedule(G, "c" * 24) == SnapshotSchedule()


def test_lists_are_newest_first_and_of_one_cluster(catalogue: Catalogue) -> None:
    kept = [checkpoint(seconds) for seconds in (3, 1, 2)]
    for each in (*kept, checkpoint(9, "c" * 24)):
        catalogue.checkpoints.save(each)
    assert catalogue.checkpoints.list(G, C) == (kept[0], kept[2], kept[1])
    assert catalogue.checkpoints.list(G, C, offset=1, limit=1) == (kept[2],)
    assert catalogue.checkpoints.list(G, C, offset=2**62, limit=500) == ()
    assert catalogue.checkpoints.page(G, C, 2, 5) == ((kept[1],), 3)
    assert catalogue.checkpoints.get(G, "c" * 24, kept[0].id) is None, "it is another cluster's"
    assert not catalogue.checkpoints.remove(G, "c" * 24, kept[0].id)
    assert catalogue.checkpoints.remove(G, C, kept[0].id)
    assert not catalogue.checkpoints.remove(G, C, kept[0].id)
    assert catalogue.checkpoints.page(G, C, 99, 5) == ((), 2)


def test_changes_of_several_threads_are_all_kept(catalogue: Catalogue) -> None:
    job = RestoreJob(ObjectId(), RestoreRequest(G, C), NOW)
    catalogue.restores.save(job)

    def add() -> None:
        for _ in range(20):
            catalogue.restores.change(G, C, job.id, lambda now: replace(now, done_bytes=now.done_bytes + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = catalogue.restores.get(G, C, job.id)
    assert found is not None
    assert found.done_bytes == 80


def test_a_change_that_fails_changes_nothing(catalogue: Catalogue) -> None:
    kept = checkpoint()
    catalogue.checkpoints.save(kept)

    def fail(value: Checkpoint) -> Checkpoint:
        raise LookupError(str(value.id))

    with pytest.raises(LookupError):
        catalogue.checkpoints.change(G, C, kept.id, fail)
    assert catalogue.checkpoints.get(G, C, kept.id) == kept
    assert catalogue.checkpoints.change(G, C, ObjectId(), fail) is None


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://user:secret@h:1/",
        "mongodb+srv://user:secret@h/",
        "mongodb://u:secret/with@and@h:1",
        "mongodb://secret@h",
    ],
)
def test_passwords_of_targets_are_not_kept(catalogue: Catalogue, tmp_path: Path, uri: str) -> None:
    job = RestoreJob(ObjectId(), RestoreRequest(G, C, targets=(("rs0", uri),)), NOW)
    catalogue.restores.save(job)
    catalogue.restores.change(G, C, job.id, lambda _: replace(job, done_bytes=1))
    found = catalogue.restores.get(G, C, job.id)
    assert found is not None
    assert "@" not in found.request.targets[0][1]
    assert found.request.targets[0][1].startswith("mongodb")
    catalogue.close()
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.glob(f"{FILE}*"))


def test_downloads_are_counted_for_each_file(catalogue: Catalogue) -> None:
    job = ObjectId()
    catalogue.save_download(Download(job, NOW, 2))
    before, after = NOW - timedelta(seconds=1), NOW
    assert [catalogue.fetch(job, "a", before) for _ in range(3)] == [True, True, False]
    assert catalogue.fetch(job, "b", before)
    assert not catalogue.fetch(job, "b", after), "its time is over"
    assert not catalogue.fetch(ObjectId(), "a", before)
    assert catalogue.download(job) == Download(job, NOW, 2, fetched=2)
    assert catalogue.expired_downloads(before) == ()
    assert catalogue.expired_downloads(after) == (job,)
    catalogue.forget_download(job)
    assert catalogue.download(job) is None


def test_a_damaged_store_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with closing(Catalogue.below(tmp_path)) as made, pytest.raises(StateError, match="move the file away"):
        made.checkpoints.list(G, C)
