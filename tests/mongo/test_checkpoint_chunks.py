"""A sharded collection whose chunks move: what is restored is a cluster in which they can go on moving."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from bson import SON, MaxKey, MinKey
from checkpoint_stand import MAJORITY, Place, Sharded, documents

from repman.errors import CheckpointFailed


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Sharded, Sharded]]:
    """A cluster with a sharded collection, and servers to restore it to."""
    cluster, copy = Sharded(tmp_path / "cluster"), Sharded(tmp_path / "copy", register=False)
    config = cluster.config.client
    create = SON([("_configsvrCreateDatabase", "app"), ("primaryShardId", "shard_0"), ("writeConcern", MAJORITY)])
    config.admin.command(create)
    database = config.config.databases.find_one({"_id": "app"})
    assert database is not None
    shard = SON([("_shardsvrCreateCollection", "sh"), ("shardKey", {"k": 1}),
                 ("databaseVersion", database["version"]), ("writeConcern", MAJORITY)])  # fmt: skip
    cluster.shards["shard_0"].client.app.command(shard)
    cluster.shards["shard_0"].client.app.sh.insert_many([{"_id": each, "k": each} for each in range(100)])
    yield cluster, copy
    for each in (cluster, copy):
        each.stop()


def move(cluster: Sharded, source: str, target: str, low: Any, high: Any, wait: bool = False) -> None:
    """What the balancer asks of the shard that gives a range away."""
    known = cluster.config.client.config.collections.find_one({"_id": "app.sh"})
    assert known is not None
    fields = {"toShard": target, "fromShard": source, "min": {"k": low}, "max": {"k": high}, "maxChunkSizeBytes": 64 << 20,
              "forceJumbo": 0, "epoch": known["lastmodEpoch"], "collectionTimestamp": known["timestamp"],
              "waitForDelete": wait, "secondaryThrottle": False, "writeConcern": MAJORITY}  # fmt: skip
    cluster.shards[source].client.admin.command(SON([("_shardsvrMoveRange", "app.sh"), *fields.items()]))


def owners(cluster: Sharded) -> dict[int, str]:
    """Of each key, the shard that has it by the config servers' word."""
    found = {}
    for each in cluster.config.client.config.chunks.find():
        low = -1 if isinstance(each["min"]["k"], MinKey) else each["min"]["k"]
        high = 10**6 if isinstance(each["max"]["k"], MaxKey) else each["max"]["k"]
        found |= {key: each["shard"] for key in range(100) if low <= key < high}
    return found


def held(cluster: Sharded) -> dict[str, set[int]]:
    return {name: {each["k"] for each in one.client.app.sh.find()} for name, one in cluster.shards.items()}


def test_the_restored_cluster_goes_on(two: tuple[Sharded, Sharded], tmp_path: Path) -> None:
    cluster, copy = two
    place = Place(tmp_path / "place", cluster.uri)
    assert place.engine.checkpoint().restorable
    move(cluster, "shard_0", "shard_1", 50, MaxKey())
    cluster.shards["shard_1"].client.app.sh.insert_one({"_id": "new", "k": 60})
    made = place.engine.checkpoint()
    assert made.restorable, made.reasons
    place.restored(copy.sets, checkpoint=made.id)
    for name in ("chunks", "collections", "databases"):
        assert documents(copy.config, "config", name) == documents(cluster.config, "config", name)
    known = copy.config.client.config.collections.find_one({"_id": "app.sh"})
    assert known is not None
    for name, one in copy.shards.items():
        assert documents(one, "app", "sh") == documents(cluster.shards[name], "app", "sh")
        (info,) = one.client.app.list_collections(filter={"name": "sh"})
        assert info["info"]["uuid"] == known["uuid"]
    # What was moved away is still to be deleted there, and that is known.
    (left,) = copy.shards["shard_0"].client.config.rangeDeletions.find()
    assert left["range"]["min"] == {"k": 50}
    members = [member for each in copy.sets.values() for member in each.members]
    for member in members:
        member.stop()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda member: member.start(), members))
    for each in copy.sets.values():
        each.until_primary()
    move(copy, "shard_0", "shard_1", MinKey(), 20)
    assert {key for key, shard in owners(copy).items() if shard == "shard_1"} == {*range(20), *range(50, 100)}
    assert held(copy)["shard_1"] == {*range(20), *range(50, 100)}
    place.close()


def test_no_document_is_lost_between_two_shards(two: tuple[Sharded, Sharded], tmp_path: Path) -> None:
    """Ranges are moved by hand all the time, which no stopped balancer hinders."""
    cluster, copy = two
    place = Place(tmp_path / "place", cluster.uri)
    place.engine.snapshot()
    ending = threading.Event()
    moves = 0

    def go_on() -> None:
        nonlocal moves
        names = ["shard_0", "shard_1"]
        while not ending.wait(0.1):
            move(cluster, *names, 50, MaxKey(), wait=True)
            names.reverse()
            moves += 1

    made = []
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(go_on)
        try:
            while moves < 6 and not moving.done():
                try:
                    made.append(place.engine.checkpoint())
                except CheckpointFailed:
                    assert len(made) < 60
        finally:
            ending.set()
        moving.result()
    good = [each for each in made if each.restorable]
    assert good, made[-1].reasons
    for each in good[:: max(1, len(good) // 3)]:
        place.restored(copy.sets, overwrite=True, checkpoint=each.id)
        there = held(copy)
        assert [key for key, shard in owners(copy).items() if key not in there[shard]] == []
        assert len(owners(copy)) == 100
    place.close()
