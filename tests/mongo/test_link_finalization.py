"""What a link tells of its end, and what it does when it is asked to end again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from link_stand import LinkStand, Phase, differences, empty, linked, replicated
from mongo_stand import ReplicaSet
from pymongo import GEOSPHERE, IndexModel


@pytest.fixture
def stand(source: ReplicaSet, target: ReplicaSet) -> Iterator[LinkStand]:
    with linked(source, target) as made:
        yield made


@pytest.mark.parametrize("phase", [Phase.CLONE, Phase.APPLY], ids=lambda phase: phase.value)
def test_a_clean_end(stand: LinkStand, phase: Phase) -> None:
    def change() -> None:
        assert "finalization" not in stand.status()
        stand.source.client.db.c.insert_many([{"_id": number, "a": number} for number in range(100)])
        stand.source.client.db.c.create_index("a", name="a_unique", unique=True)

    finalization = replicated(stand, phase, change)["finalization"]
    assert set(finalization) == {"completed", "startedAt", "completedAt"}
    assert finalization["completed"] is True
    begun, ended = (datetime.fromisoformat(finalization[name]) for name in ("startedAt", "completedAt"))
    assert begun <= ended <= datetime.now(UTC)
    assert differences(stand.source, stand.target) == []


def test_an_index_that_cannot_become_unique(stand: LinkStand) -> None:
    """Somebody wrote to the target; once that is repaired, to finalize again is enough."""
    source, target = stand.source, stand.target
    source.client.db.c.insert_one({"_id": 1, "a": 1})
    source.client.db.c.create_index([("a", 1), ("b", -1)], name="a_unique", unique=True)
    source.client.db.c.create_index("c", name="c_unique", unique=True)
    source.client.db.c.create_index("c", name="c_plain")
    stand.start()
    stand.in_sync()
    assert "finalization" not in stand.status()
    target.client.db.c.insert_many([{"_id": 2, "a": 1, "c": 1}, {"_id": 3, "a": 3, "c": 3}])
    (found,) = stand.finalized()["finalization"]["unsuccessfulIndexes"]
    assert (found["namespace"], found["indexName"], found["type"]) == ("db.c", "a_unique", "failed")
    assert list(found["keys"].items()) == [("a", 1), ("b", -1)]
    assert "a_unique" in found["reason"]
    indexes = target.client.db.c.index_information()
    assert "unique" not in indexes["a_unique"]
    assert (indexes["c_unique"]["unique"], "unique" in indexes["c_plain"]) == (True, False)

    stand.again()
    kept = stand.status()["finalization"]
    assert kept["completed"] is True
    assert kept["unsuccessfulIndexes"] == [found]
    target.client.db.c.delete_many({"_id": {"$gt": 1}})
    assert "unsuccessfulIndexes" not in stand.finalized()["finalization"]
    assert differences(source, target) == []


def test_an_index_that_cannot_be_built(stand: LinkStand) -> None:
    """It does not stop replication, is told at the end, and is built by the next end once it can be."""
    source, target = stand.source, stand.target
    source.client.db.c.insert_one({"_id": 1, "at": [1.0, 2.0]})
    stand.start()
    stand.in_sync()
    target.client.db.c.insert_one({"_id": "in the way", "at": "nowhere"})
    source.client.db.c.create_indexes([IndexModel([("at", GEOSPHERE)], name="place"), IndexModel("b", name="other")])
    source.client.db.c.insert_one({"_id": 2, "at": [3.0, 4.0]})
    stand.caught_up()
    assert set(target.client.db.c.index_information()) == {"_id_", "other"}
    (found,) = stand.finalized()["finalization"]["unsuccessfulIndexes"]
    assert (found["indexName"], found["type"], found["keys"]) == ("place", "failed", {"at": "2dsphere"})
    assert "place" in found["reason"]
    target.client.db.c.delete_one({"_id": "in the way"})
    assert "unsuccessfulIndexes" not in stand.finalized()["finalization"]
    assert differences(source, target) == []


def test_several_unsuccessful_indexes_are_sorted(stand: LinkStand) -> None:
    source, target = stand.source, stand.target
    for collection in ("d", "c"):
        for name in ("z", "y"):
            source.client.db[collection].create_index(name, name=name, unique=True, sparse=True)
    stand.start()
    stand.in_sync()
    for collection in ("c", "d"):
        target.client.db[collection].insert_many([{"y": 1, "z": 1}, {"y": 1, "z": 1}])
    found = stand.finalized()["finalization"]["unsuccessfulIndexes"]
    names = [(each["namespace"], each["indexName"]) for each in found]
    assert names == [("db.c", "y"), ("db.c", "z"), ("db.d", "y"), ("db.d", "z")]


def test_an_index_that_the_target_has_otherwise(stand: LinkStand) -> None:
    """Made by hand, with the name and the keys of the source's: it is made anew."""
    source, target = stand.source, stand.target
    source.client.db.c.create_index("a", name="partial", partialFilterExpression={"a": {"$gt": 1}}, unique=True)
    stand.start()
    stand.in_sync()
    target.client.db.c.drop_index("partial")
    target.client.db.c.create_index("a", name="partial")
    stand.finalized()
    assert differences(source, target) == []


def test_an_index_that_somebody_dropped_on_the_target(stand: LinkStand) -> None:
    source, target = stand.source, stand.target
    source.client.db.c.create_index("a", unique=True)
    source.client.db.c.create_index("b", expireAfterSeconds=77)
    stand.start()
    stand.in_sync()
    target.client.db.c.drop_indexes()
    stand.finalized()
    assert differences(source, target) == []


def test_a_new_run_begins_from_nothing(stand: LinkStand) -> None:
    source, target = stand.source, stand.target
    source.client.db.c.insert_one({"_id": 1})
    stand.start()
    stand.in_sync()
    stand.finalized()
    source.client.db.c.insert_one({"_id": 2})
    source.client.db.d.insert_one({"_id": 1})
    target.client.db.c.insert_one({"_id": "of the target alone"})
    stand.start()
    assert "finalization" not in stand.status()
    stand.in_sync()
    stand.caught_up()
    stand.finalized()
    assert differences(source, target) == []

    # Everything is gone on both sides meanwhile, and what has the same names is something else.
    for side in (source, target):
        empty(side)
    replicated(stand, Phase.CLONE, lambda: source.client.db.create_collection("c", capped=True, size=4096))
    assert differences(source, target) == []
