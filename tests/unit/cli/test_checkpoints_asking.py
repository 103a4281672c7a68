"""What ``repman checkpoints restore`` makes of its options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import ObjectId, Timestamp

from repman.checkpoints.catalogue import Catalogue
from repman.checkpoints.desk import Desk
from repman.checkpoints.model import (
    Acts,
    Checkpoint,
    CheckpointPart,
    PartType,
    RestoreStatus,
    Snapshot,
    SnapshotPart,
)
from repman.cli.checkpoints_asking import Wanted, job_of
from repman.cli.exits import UsageFailure
from repman.errors import CheckpointRefused
from repman.model.checkpoint import CheckpointSite, ManagedCluster

G, NOW = "a" * 24, datetime(2026, 7, 31, 12, tzinfo=UTC)
ORDERS = ManagedCluster(G, "b" * 24, "orders", "mongodb://config/")
COPY = ManagedCluster(G, "c" * 24, "copy", "mongodb://u:pw@copy/", parts={"s0": "mongodb://u:pw@s0/"})
CHECKPOINT = Checkpoint(
    ObjectId(), G, ORDERS.id, NOW, NOW, Timestamp(9, 1), (CheckpointPart(PartType.REPLICA_SET, "x", "s0"),), True
)
SNAPSHOT = Snapshot(ObjectId(), G, ORDERS.id, Timestamp(5, 1), True, parts=(SnapshotPart(PartType.REPLICA_SET, "rs0"),))


def no_engine(cluster: ManagedCluster) -> Acts:
    raise AssertionError(cluster.name)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Catalogue.below(tmp_path)) as catalogue:
        catalogue.checkpoints.save(CHECKPOINT)
        catalogue.snapshots.save(SNAPSHOT)
        yield Desk(CheckpointSite({G: "g"}, (ORDERS, COPY)), catalogue, tmp_path, no_engine)


def test_without_a_target_it_is_a_download(desk: Desk) -> None:
    request = job_of(desk, ORDERS, Wanted(checkpoint=str(CHECKPOINT.id)), NOW).request
    assert (request.checkpoint, request.targets, request.target_cluster) == (CHECKPOINT.id, (), "")


def test_into_a_cluster_of_the_configuration(desk: Desk) -> None:
    request = job_of(desk, ORDERS, Wanted(checkpoint=str(CHECKPOINT.id), into="copy", overwrite=True), NOW).request
    assert request.targets == (("s0", "mongodb://u:pw@s0/"),)
    assert (request.target_group, request.target_cluster, request.overwrite) == (G, COPY.id, True)
    alone = job_of(desk, ORDERS, Wanted(snapshot=str(SNAPSHOT.id), into=COPY.id), NOW).request
    assert alone.targets == (("rs0", COPY.uri),)


def test_a_time_takes_everything_from_before_its_second(desk: Desk) -> None:
    wanted = Wanted(moment="1970-01-01T01:00:07+01:00", into="copy")
    request = job_of(desk, ORDERS, wanted, NOW).request
    assert (request.at, request.targets) == (Timestamp(7, 0), (("rs0", COPY.uri),))


def test_targets_by_hand(desk: Desk) -> None:
    wanted = Wanted(checkpoint=str(CHECKPOINT.id), to=("s0=mongodb://h1/?a=b", "config=mongodb://h2/"))
    request = job_of(desk, ORDERS, wanted, NOW).request
    assert request.targets == (("s0", "mongodb://h1/?a=b"), ("config", "mongodb://h2/"))


def test_a_restore_goes_on_with_its_target(desk: Desk) -> None:
    job = job_of(desk, ORDERS, Wanted(checkpoint=str(CHECKPOINT.id), into="copy"), NOW)
    desk.catalogue.restores.save(replace(job, status=RestoreStatus.BROKEN, reason="why", done_bytes=5))
    again = job_of(desk, ORDERS, Wanted(resume=str(job.id)), NOW)
    assert again == replace(job, done_bytes=5)
    hand = job_of(desk, ORDERS, Wanted(checkpoint=str(CHECKPOINT.id), to=("s0=mongodb://u:pw@h/",)), NOW)
    desk.catalogue.restores.save(hand)
    with pytest.raises(UsageFailure, match="passwords are not kept"):
        job_of(desk, ORDERS, Wanted(resume=str(hand.id)), NOW)
    assert job_of(desk, ORDERS, Wanted(resume=str(hand.id), to=("s0=mongodb://u:pw@h/",)), NOW) == hand
    desk.catalogue.restores.save(replace(job, status=RestoreStatus.FINISHED))
    with pytest.raises(UsageFailure, match="ended well"):
        job_of(desk, ORDERS, Wanted(resume=str(job.id)), NOW)


ID = str(CHECKPOINT.id)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(), "exactly one"),
        (Wanted(checkpoint=ID, snapshot=ID), "exactly one"),
        (Wanted(checkpoint="x"), "24 hex digits"),
        (Wanted(moment="yesterday"), "takes a time"),
        (Wanted(moment="2026-07-31T23:19:51"), "time zone"),
        (Wanted(checkpoint=ID, into="copy", to=("a=b",)), "not both"),
        (Wanted(checkpoint=ID, into="nothing"), "there are orders, copy"),
        (Wanted(checkpoint=ID, into="orders"), "give --overwrite"),
        (Wanted(checkpoint=ID, overwrite=True), "about the data of a target"),
        (Wanted(checkpoint=ID, to=("s0",)), "PART=URI"),
        (Wanted(checkpoint=ID, to=("s0=http://h",)), "--to s0: write mongodb://"),
        (Wanted(checkpoint="0" * 24, into="copy"), "no checkpoint"),
        (Wanted(snapshot="0" * 24, into="copy"), "no such snapshot"),
        (Wanted(moment="1970-01-01T00:00:01Z", into="copy"), "no complete snapshot from before that time"),
        (Wanted(resume="0" * 24), "no restore"),
        (Wanted(resume=ID, checkpoint=ID), "nothing else"),
    ],
)
def test_what_cannot_be(desk: Desk, wanted: Wanted, told: str) -> None:
    with pytest.raises(UsageFailure, match=told):
        job_of(desk, ORDERS, wanted, NOW)


def test_a_part_whose_place_nobody_names(desk: Desk) -> None:
    two = replace(CHECKPOINT, id=ObjectId(), parts=(*CHECKPOINT.parts, CheckpointPart(PartType.CONFIG_SERVER, "cfg")))
    desk.catalogue.checkpoints.save(two)
    with pytest.raises(CheckpointRefused, match=r"where cfg of .* \[clusters\.copy\.parts\]"):
        job_of(desk, ORDERS, Wanted(checkpoint=str(two.id), into="copy"), NOW)
