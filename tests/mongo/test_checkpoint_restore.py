"""Restores: of checkpoints, snapshots and moments; to new servers and in place; every kind of collection; files."""

from __future__ import annotations

import datetime
import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from bson import Decimal128, Int64, ObjectId, Timestamp
from checkpoint_stand import CLUSTER, GROUP, Place, Sharded, state
from mongo_stand import ReplicaSet

from repman.checkpoints.catalogue import place_of_download
from repman.checkpoints.engine import Settings
from repman.checkpoints.model import PartType, RestoreStatus
from repman.errors import CheckpointFailed, CheckpointRefused


def every_kind(one: ReplicaSet) -> None:
    shop = one.client.shop
    shop.create_collection("german", collation={"locale": "de", "strength": 1})
    shop.german.insert_many([{"_id": each, "s": each.upper()} for each in ("a", "b", "c")])
    shop.create_collection("bound", validator={"n": {"$gt": 0}})
    shop.bound.insert_one({"n": 1})
    shop.create_collection("capped", capped=True, size=20_000, max=30)
    shop.capped.insert_many([{"_id": number} for number in range(40)])
    shop.create_collection("events", timeseries={"timeField": "t", "metaField": "m"})
    shop.events.insert_many([{"t": datetime.datetime(2026, 1, day), "m": day % 2, "v": day} for day in range(1, 20)])
    shop.create_collection("clustered", clusteredIndex={"key": {"_id": 1}, "unique": True})
    shop.clustered.insert_many([{"_id": number} for number in range(20)])
    shop.command("create", "view", viewOn="german", pipeline=[{"$match": {"s": "A"}}])
    odd = [1, Int64(2), 3.5, Decimal128("4"), "five", ObjectId(), None, {"a": 1}, datetime.datetime(2026, 1, 1), b"x"]
    shop.odd.insert_many([{"_id": each, "$dollar": 1} for each in odd])
    shop.odd.insert_one({"_id": "time"})
    shop.odd.update_one({"_id": "time"}, {"$set": {"zero": Timestamp(0, 0)}})
    shop.old.insert_many([{"_id": number, "at": datetime.datetime(2020, 1, 1)} for number in range(10)])


def indexed(one: ReplicaSet) -> None:
    shop = one.client.shop
    shop.german.create_index("s", unique=True, name="by_s", collation={"locale": "fr"})
    shop.odd.create_index([("a", 1), ("b", -1)], sparse=True)
    shop.odd.create_index("p", partialFilterExpression={"p": {"$gt": 5}})
    shop.odd.create_index([("$**", 1)], name="all")
    shop.odd.create_index([("text", "text")])
    shop.old.create_index("at", expireAfterSeconds=10**9, name="ttl")


@pytest.fixture
def place(source: ReplicaSet, tmp_path: Path) -> Place:
    return Place(tmp_path, source.uri)


def test_a_replica_set_is_one_part(source: ReplicaSet, target: ReplicaSet, place: Place) -> None:
    every_kind(source)
    indexed(source)
    made = place.engine.checkpoint()
    assert [(part.type, part.set_name, part.shard) for part in made.parts] == [(PartType.REPLICA_SET, "rs0", "")]
    assert (made.restorable, made.reasons) == (True, ())
    job = place.restored({"rs0": target}, checkpoint=made.id)
    assert job.status is RestoreStatus.FINISHED
    assert job.done_bytes == job.total_bytes > 0
    assert state(target) == state(source)
    assert target.client.shop.view.count_documents({}) == 1
    assert target.client.shop.events.count_documents({"m": 1}) == 10
    place.close()


def test_everything_is_replayed_from_an_empty_snapshot(source: ReplicaSet, target: ReplicaSet, place: Place) -> None:
    source.client.shop.other.insert_one({"_id": 1})
    place.engine.snapshot()
    every_kind(source)
    indexed(source)
    shop = source.client.shop
    shop.german.rename("allemand")
    shop.bound.drop()
    shop.command("collMod", "allemand", validator={"s": {"$type": "string"}})
    shop.command("collMod", "odd", index={"name": "a_1_b_-1", "hidden": True})
    shop.command("collMod", "old", index={"name": "ttl", "expireAfterSeconds": 5 * 10**8})
    shop.odd.drop_index("all")
    shop.other.rename("clustered", dropTarget=True)
    shop.old.update_many({}, [{"$set": {"n": {"$add": ["$_id", 1]}, "deep.er": {"$range": [0, "$_id"]}}}])
    shop.old.update_one({"_id": 5}, {"$push": {"deep.er": {"$each": [9, 9]}}, "$unset": {"n": 1}})
    shop.old.delete_one({"_id": 6})
    source.client.gone.x.insert_one({})
    source.client.drop_database("gone")
    with source.client.start_session() as session, session.start_transaction():
        shop.inside.insert_many([{"_id": number, "pad": "x" * 1000} for number in range(100)], session=session)
        shop.old.delete_one({"_id": 7}, session=session)
    with source.client.start_session() as session, session.start_transaction():
        # More than one entry of the oplog holds.
        shop.inside.insert_many([{"pad": "y" * 1_000_000} for _ in range(20)], session=session)
    made = place.engine.checkpoint()
    assert made.restorable, made.reasons
    place.restored({"rs0": target}, checkpoint=made.id)
    assert state(target) == state(source)
    place.close()


def test_a_moment_between(source: ReplicaSet, target: ReplicaSet, place: Place) -> None:
    place.engine.snapshot()
    moments = []
    for number in range(5):
        source.client.shop.orders.insert_one({"_id": number})
        moments.append(source.client.admin.command("ping")["operationTime"])
    place.engine.capture()
    for number in (1, 3):
        place.restored({"rs0": target}, at=moments[number], overwrite=True)
        assert [each["_id"] for each in target.client.shop.orders.find()] == [*range(number + 1)]
    later = Timestamp(moments[-1].time + 1000, 0)
    with pytest.raises(CheckpointRefused, match="captured up to"):
        place.restored({"rs0": target}, at=later, overwrite=True)
    with pytest.raises(CheckpointRefused, match="no complete snapshot"):
        place.restored({"rs0": target}, at=Timestamp(1000, 0), overwrite=True)
    place.close()


def test_in_place_only_when_told_so(source: ReplicaSet, place: Place) -> None:
    source.client.shop.orders.insert_many([{"_id": number} for number in range(100)])
    made = place.engine.checkpoint()
    before = state(source)
    source.client.shop.orders.delete_many({"_id": {"$gt": 10}})
    source.client.shop.mistake.insert_one({})
    mistaken = state(source)
    with pytest.raises(CheckpointRefused, match="not empty"):
        place.restored({"rs0": source}, checkpoint=made.id)
    assert state(source) == mistaken
    place.restored({"rs0": source}, checkpoint=made.id, overwrite=True)
    assert state(source) == before
    # The oplog is captured on, over the restore.
    source.client.shop.orders.insert_one({"_id": "later"})
    after = place.engine.checkpoint()
    assert after.restorable, after.reasons
    final = state(source)
    source.client.drop_database("shop")
    place.restored({"rs0": source}, checkpoint=after.id, overwrite=True)
    assert state(source) == final
    place.close()


def test_a_snapshot_alone_and_slices_of_any_size(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> None:
    place = Place(tmp_path, source.uri, Settings(slice_bytes=20_000))
    source.client.shop.orders.insert_many([{"_id": number, "pad": "x" * 100} for number in range(1000)])
    taken = place.engine.snapshot()
    before = state(source)
    for number in range(30):
        source.client.shop.orders.insert_many([{"pad": "z" * 200} for _ in range(20)])
        if number % 10 == 0:
            place.engine.capture()
    made = place.engine.checkpoint()
    after = state(source)
    place.restored({"rs0": target}, checkpoint=made.id)
    assert state(target) == after
    place.restored({"rs0": target}, snapshot=taken.id, overwrite=True)
    assert state(target) == before
    place.close()


def test_large_collections_are_read_in_ranges(source: ReplicaSet, target: ReplicaSet, place: Place) -> None:
    shop = source.client.shop
    shop.create_collection("large", collation={"locale": "de", "strength": 1})
    for first in range(0, 120_000, 20_000):
        shop.large.insert_many([{"_id": f"{number:08}"} for number in range(first, first + 20_000)])
    shop.large.insert_many([{"_id": 1.5}, {"_id": {"a": 1}}, {"_id": ObjectId()}, {"_id": True}])
    taken = place.engine.snapshot()
    assert len([*place.files.glob("snapshots/*/0/*.zst")]) >= 3
    place.restored({"rs0": target}, snapshot=taken.id)
    assert state(target) == state(source)
    place.close()


def test_what_the_restored_is_compared_with_is_looked_at(
    source: ReplicaSet, target: ReplicaSet, tmp_path: Path
) -> None:
    """Somebody writes to the target meanwhile: the restore does not claim to be one."""

    def disturb(step: str) -> None:
        if step == "restore: compare":
            target.client.shop.orders.insert_one({"_id": "not mine"})

    place = Place(tmp_path, source.uri, tell=disturb)
    source.client.shop.orders.insert_one({"_id": 1})
    made = place.engine.checkpoint()
    with pytest.raises(CheckpointFailed, match=r"shop\.orders \(2 documents instead of 1\)"):
        place.restored({"rs0": target}, checkpoint=made.id)
    place.close()


def test_targets_that_do_not_fit_are_refused(cluster: Sharded, copy: Sharded, tmp_path: Path) -> None:
    place = Place(tmp_path, cluster.uri)
    cluster.shards["shard_0"].client.shop.orders.insert_one({})
    made = place.engine.checkpoint()
    with pytest.raises(CheckpointRefused, match="needs a target for each of config, shard_0, shard_1"):
        place.restored(copy.shards, checkpoint=made.id, overwrite=True)
    same = {**copy.sets, "shard_1": copy.shards["shard_0"]}
    swapped = {**copy.sets, "shard_0": cluster.shards["shard_1"]}
    with pytest.raises(CheckpointRefused, match="cannot be restored to the same"):
        place.restored(same, checkpoint=made.id, overwrite=True)
    with pytest.raises(CheckpointRefused, match="is the shard shard_1 of a cluster"):
        place.restored(swapped, checkpoint=made.id, overwrite=True)
    with pytest.raises(CheckpointRefused, match="balancer of the target cluster runs"):
        place.restored(cluster.sets, checkpoint=made.id, overwrite=True)
    with pytest.raises(CheckpointRefused, match="is a shard: give the address"):
        Place(tmp_path / "other", cluster.shards["shard_0"].uri).engine.checkpoint()
    place.close()


def test_a_sharded_cluster_in_place_and_elsewhere(cluster: Sharded, copy: Sharded, tmp_path: Path) -> None:
    place = Place(tmp_path, cluster.uri)
    for number, one in enumerate(cluster.shards.values()):
        one.client.shop.orders.insert_many([{"_id": each, "n": number} for each in range(100)])
    config = cluster.config.client.config
    config.tags.insert_one({"_id": "kept", "ns": "shop.orders"})
    made = place.engine.checkpoint()
    assert [part.type for part in made.parts] == [PartType.CONFIG_SERVER, PartType.REPLICA_SET, PartType.REPLICA_SET]
    before = {name: state(one) for name, one in cluster.shards.items()}
    shards = [*config.shards.find()]
    config.tags.delete_many({})
    cluster.shards["shard_1"].client.drop_database("shop")
    cluster.stop_balancer()
    place.restored(cluster.sets, checkpoint=made.id, overwrite=True)
    assert {name: state(one) for name, one in cluster.shards.items()} == before
    assert [*config.shards.find()] == shards
    assert [each["_id"] for each in config.tags.find()] == ["kept"]
    assert cluster.balancer() == "off"
    place.restored(copy.sets, checkpoint=made.id, overwrite=True)
    assert {name: state(one) for name, one in copy.shards.items()} == before
    there = {each["_id"]: each["host"] for each in copy.config.client.config.shards.find()}
    assert there == {name: f"{one.name}/{one.members[0].address}" for name, one in copy.shards.items()}
    identity = copy.shards["shard_0"].client.admin["system.version"].find_one({"_id": "shardIdentity"})
    assert identity is not None
    assert identity["shardName"] == "shard_0"
    config.tags.delete_many({})
    place.close()


def test_files_to_be_fetched(source: ReplicaSet, place: Place) -> None:
    source.client.shop.orders.insert_many([{"_id": number} for number in range(100)])
    made = place.engine.checkpoint()
    job = place.restored({}, checkpoint=made.id)
    directory = place_of_download(place.directory, job.id)
    ((name, digest),) = job.hashes
    assert hashlib.sha256((directory / name).read_bytes()).hexdigest() == digest
    with tarfile.open(directory / name) as archive:
        assert {"snapshot.json", "slices.json"} <= set(archive.getnames())
    assert [each.name for each in directory.iterdir()] == [name]
    place.close()


def test_a_restore_ends_when_it_is_told_to(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> None:
    def kill(step: str) -> None:
        if step == "restore: load":
            (job,) = place.catalogue.restores.list(GROUP, CLUSTER)
            place.catalogue.restores.save(replace(job, status=RestoreStatus.KILLED))

    place = Place(tmp_path, source.uri, tell=kill)
    source.client.shop.orders.insert_one({})
    made = place.engine.checkpoint()
    job = place.restored({"rs0": target}, checkpoint=made.id)
    assert job.status is RestoreStatus.KILLED
    place.close()
