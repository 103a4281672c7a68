"""The comparison of two clusters sees every difference there may be, and a case that goes wrong is told of by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import Int64
from link_cases import Case, Outcome
from link_stand import Data, Phase, differences
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
    "a database too many": lambda data: data.client.other.c.insert_one({}),
    "a database is missing": lambda data: data.client.drop_database(data.name),
}


def test_every_difference_is_seen(source: ReplicaSet, target: ReplicaSet) -> None:
    for name, change in DIFFERENCES.items():
        for side in (source, target):
            side.empty()
            fill(side.client["db"])
        assert differences(source, target) == []
        change(target.client["db"])
        assert len(differences(source, target)) == 1, name


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
