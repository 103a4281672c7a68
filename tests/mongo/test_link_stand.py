"""The comparison of two clusters sees every difference there may be, and a case that goes wrong is told of by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64
from link_cases import Case, Outcome
from link_stand import Data, Phase, database_differences, differences
from mongo_stand import ReplicaSet


def fill(data: Data) -> None:
    data.c.insert_many([{"_id": number, "a": 1, "b": 2} for number in range(5)])
    data.c.create_index("a", name="a", sparse=True)
    data.create_collection("capped", capped=True, size=4096)
    data.capped.insert_many([{"_id": number} for number in (2, 1)])
    data.create_collection("v", viewOn="c", pipeline=[])
    data.create_collection("checked", validator={"a": {"$exists": True}})


def in_another_order(data: Data) -> None:
    data.capped.drop()
    data.create_collection("capped", capped=True, size=4096)
    data.capped.insert_many([{"_id": number} for number in (1, 2)])


def with_another_index(data: Data) -> None:
    data.c.drop_index("a")
    data.c.create_index("a", name="a")


def as_a_collection(data: Data) -> None:
    data.v.drop()
    data.create_collection("v")


DIFFERENCES: dict[str, Callable[[Data], Any]] = {
    "a document is missing": lambda data: data.c.delete_one({"_id": 1}),
    "a document too many": lambda data: data.c.insert_one({"_id": 9}),
    "another value": lambda data: data.c.update_one({"_id": 1}, {"$set": {"a": 2}}),
    "another type": lambda data: data.c.update_one({"_id": 1}, {"$set": {"a": Int64(1)}}),
    "another order of fields": lambda data: data.c.replace_one({"_id": 1}, {"b": 2, "a": 1}),
    "another order of documents": in_another_order,
    "an index is missing": lambda data: data.c.drop_index("a"),
    "an index too many": lambda data: data.c.create_index("b"),
    "another index": with_another_index,
    "another option": lambda data: data.command("collMod", "checked", validationLevel="moderate"),
    "another size": lambda data: data.command("collMod", "capped", cappedSize=8192),
    "another view": lambda data: data.command("collMod", "v", viewOn="c", pipeline=[{"$match": {"a": 1}}]),
    "a collection for a view": as_a_collection,
    "a collection is missing": lambda data: data.c.drop(),
    "a collection too many": lambda data: data.create_collection("d"),
}


@pytest.mark.parametrize("what", DIFFERENCES)
def test_every_difference_of_a_database_is_seen(kept_source: ReplicaSet, kept_target: ReplicaSet, what: str) -> None:
    here, there = (side.client[f"compared_{[*DIFFERENCES].index(what)}"] for side in (kept_source, kept_target))
    for side in (here, there):
        side.client.drop_database(side.name)
        fill(side)
    assert database_differences(here, there) == []
    DIFFERENCES[what](there)
    assert len(database_differences(here, there)) == 1


def test_databases_are_compared(source: ReplicaSet, target: ReplicaSet) -> None:
    for side in (source, target):
        side.client.one.c.insert_one({"_id": 1})
        side.client.two.c.insert_one({"_id": 1})
    assert differences(source, target) == []
    source.client.three.c.insert_one({"_id": 1})
    target.client.drop_database("one")
    target.client.two.c.delete_one({})
    assert sorted(differences(source, target)) == [
        "c: 1 documents became 0",
        "only on the source: one",
        "only on the source: three",
    ]


def insert(database: Data) -> None:
    database.c.insert_one({"_id": 1})


def spoil(here: Data, there: Data) -> None:
    there.c.replace_one({"_id": "of the target alone"}, {}, upsert=True)


def refuse(*_: Data) -> None:
    raise ValueError("not now")


def test_a_case_that_goes_wrong_is_told_of(source: ReplicaSet, target: ReplicaSet) -> None:
    spoiled = Case(insert, meanwhile=spoil, label="spoiled")
    chosen = [
        (Case(insert, label="fine"), Phase.APPLY),
        (spoiled, Phase.APPLY),
        (Case(insert, meanwhile=refuse, label="refused"), Phase.CLONE),
        (Case(refuse, label="impossible"), Phase.OVERLAP),
    ]
    outcome = Outcome(source, target, {})
    outcome.run(chosen)
    assert set(outcome.errors) == {("spoiled", Phase.APPLY), ("refused", Phase.CLONE), ("impossible", Phase.OVERLAP)}
    assert "1 documents became 2" in outcome.errors["spoiled", Phase.APPLY]
    with pytest.raises(pytest.fail.Exception, match="1 documents became 2"):
        outcome.require(spoiled, Phase.APPLY)
