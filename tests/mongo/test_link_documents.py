"""Documents that are inserted, changed, replaced and deleted, in all the ways there are."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

from bson import (
    Binary,
    Code,
    DatetimeMS,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from bson.raw_bson import RawBSONDocument
from link_cases import Act, Case, Outcome, alike, each_of, run_of
from link_random import Updates
from link_stand import Data, Phase
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne

from repman.mongo.raw import document, element

LEVELS = 150
IDS: list[Any] = [
    *(1, Int64(2**40), 2.5, float("nan"), float("inf"), float("-inf"), Decimal128("7.10"), Decimal128("1E+500")),
    *("", "a", "B", "ä", "a\0b", {}, {"a": 1}, {"a": 1.5, "b": [1, {"c": None}]}, {"b": 1, "a": 1}, b"", b"bytes"),
    *(Binary(b"0123456789abcdef", 3), Binary(b"0123456789abcdef", 4), Binary(b"x", 128), ObjectId("0" * 24)),
    *(False, True, datetime(1, 1, 1, tzinfo=UTC), Timestamp(1, 1), Timestamp(2**31, 7)),
    *(Code("f()"), Code("f()", {"x": 1}), MinKey(), MaxKey(), None),
]
"""Of every type that an `_id` may have."""
VALUES = [*IDS, Regex("a.*b", "ix"), [], [1, [2, [3]]], -0.0, 0.0, {"$a": 1}, {"a.b": 1}, "x" * 5000]


def ten(database: Data) -> None:
    database.c.insert_many([{"_id": number, "n": number, "tags": ["a", "b"]} for number in range(10)])


def arrays(database: Data) -> None:
    database.c.insert_many(
        [{"_id": number, "a": list(range(10)), "b": {"c": list(range(10)), "d": 1}, "m": [[0, 1, 2], [3, 4, 5]]}
         for number in range(10)]
    )  # fmt: skip


def insert_one(database: Data) -> None:
    database.c.insert_one({"_id": 1, "x": 1})


def insert_many(database: Data) -> None:
    database.c.insert_many([{"x": number} for number in range(100)])


def insert_every_type(database: Data) -> None:
    database.c.insert_many([{"_id": number, "v": value, "a": [value]} for number, value in enumerate(VALUES)])


def update_one(database: Data) -> None:
    database.c.update_one({"_id": 1}, {"$inc": {"n": 5}, "$set": {"z": 1, "y": 2}})


def update_many(database: Data) -> None:
    database.c.update_many({}, {"$inc": {"n": 5}, "$unset": {"tags": 1}, "$currentDate": {"at": True}})


def update_to_every_type(database: Data) -> None:
    for value in VALUES:
        database.c.update_one({"_id": 1}, {"$set": {"v": value, "w.x": value}})


def replace_one(database: Data) -> None:
    database.c.replace_one({"_id": 1}, {"other": 1})


def delete_one(database: Data) -> None:
    database.c.delete_one({"_id": 1})


def delete_many(database: Data) -> None:
    database.c.delete_many({"n": {"$gt": 3}})


def delete_and_insert_again(database: Data) -> None:
    for number in range(20):
        database.c.delete_one({"_id": 1})
        database.c.insert_one({"_id": 1, "round": number})


def nested(database: Data) -> None:
    document = {"_id": 1, "i": 0, "j": 5, "m": {"1": [3, 1], "k": {"deep": [{"v": 1}, {"v": 2}]}}, "0": {"0": {"a": 1}}}
    database.c.insert_one(document)


def update_nested(database: Data) -> None:
    database.c.update_one({"_id": 1}, {"$set": {"m.1.0": 9, "0.0.a": 2, "0.1": 3, "m.k.deep.1.v": 7, "new.path.0": 1}})
    database.c.update_one({"_id": 1}, {"$unset": {"m.k.deep.0.v": 1}, "$push": {"m.1": {"$each": [8, 7], "$sort": 1}}})
    database.c.update_one(
        {"_id": 1},
        [
            {"$set": {"m.1": {"$concatArrays": ["$m.1", [5, 6]]}, "m.k.deep": {"$reverseArray": "$m.k.deep"}}},
            {"$set": {"10": 1, "9": 2, "z": {"b": 1, "a": 2}}},
        ],
    )


def slice_arrays(database: Data) -> None:
    database.c.update_one({"_id": 0}, {"$push": {"a": {"$each": [], "$slice": 3}}})
    database.c.update_one({"_id": 1}, {"$push": {"a": {"$each": [50, 60], "$slice": -4}}})
    database.c.update_one({"_id": 2}, {"$pop": {"a": -1}})
    database.c.update_one({"_id": 3}, {"$pull": {"a": {"$gt": 4}}})
    database.c.update_one({"_id": 4}, [{"$set": {"a": {"$slice": ["$a", 2]}}}])
    database.c.update_one({"_id": 5}, {"$set": {"a": []}})
    database.c.update_one({"_id": 6}, {"$push": {"a": {"$each": [], "$slice": 0}}})
    database.c.update_one({"_id": 7}, {"$set": {"a.15": 1}})


def slice_nested_arrays(database: Data) -> None:
    database.c.update_many({}, [{"$set": {"b.c": {"$slice": ["$b.c", 5]}}}])
    database.c.update_one({"_id": 0}, {"$push": {"b.c": {"$each": [1], "$slice": 3}}, "$set": {"b.d": 5}})
    database.c.update_one({"_id": 1}, {"$push": {"m.1": {"$each": [], "$slice": 1}}, "$set": {"m.0.1": 7}})
    database.c.update_one({"_id": 2}, {"$pop": {"m": 1}, "$push": {"b.c": 6}})


def update_several_arrays(database: Data) -> None:
    database.c.update_many(
        {},
        [{"$set": {"a": {"$slice": ["$a", 4]}, "b.c": {"$slice": ["$b.c", 2]}, "m": {"$slice": ["$m", 1]}, "e": 1}}],
    )


def wide_arrays(database: Data) -> None:
    database.c.insert_many(
        [{"_id": number, "pad": "x" * 2000, "a": [{"i": each, "p": "y" * 40} for each in range(30)]}
         for number in range(5)]
    )  # fmt: skip


def truncate_and_change(database: Data) -> None:
    """The diff of the server has a truncation and changes of what is left in one event."""
    shorter = {"$slice": ["$a", 20]}
    changed = {"$map": {"input": shorter, "in": {"$mergeObjects": ["$$this", {"i": {"$add": ["$$this.i", 1]}}]}}}
    database.c.update_one({"_id": 0}, [{"$set": {"a": shorter}}])
    database.c.update_one({"_id": 1}, [{"$set": {"a": changed, "z": 1, "pad": "w"}}])
    database.c.update_one({"_id": 2}, [{"$set": {"a": {"$slice": ["$a", 0]}}}])
    database.c.update_one({"_id": 3}, [{"$set": {"a": {"$slice": ["$a", 2]}}}, {"$unset": "pad"}])
    database.c.update_one({"_id": 4}, [{"$set": {"a": {"$concatArrays": [{"$slice": ["$a", 3]}, ["s"]]}, "y": 1}}])


def trees(database: Data) -> None:
    document = {"a": {"b": {"c": 1}, "l": [{"x": 1}, {"x": 2}]}, "pad": "x" * 300}
    database.c.insert_many([{"_id": number, **document} for number in range(10)])


def change_what_paths_lead_through(database: Data) -> None:
    """Applied to a document that is newer already, most of these paths lead through what holds no fields."""
    for number in range(10):
        steps: list[dict[str, Any]] = [
            {"$set": {"a.b.c": 2, "a.l.1.x": 3}},
            {"$set": {"a.b": "text"}},
            {"$unset": {"a.l": 1}},
            {"$set": {"a.l": 5}},
            {"$set": {"a": [1, 2, 3]}},
            {"$set": {"a.1": {"b": 4}}},
            {"$set": {"a": None}},
            {"$set": {"a": {"b": {"c": 3}}}},
            {"$set": {"a.b.c": 4}, "$push": {"a.b.l": 1}},
            {"$set": {"a.b": [number]}},
        ]
        # Each document ends as something else.
        for step in steps[: number + 1]:
            database.c.update_one({"_id": number}, step)


def find_and_modify(database: Data) -> None:
    database.c.find_one_and_update({"_id": 1}, {"$set": {"n": 7}})
    database.c.find_one_and_replace({"_id": 2}, {"n": 8})
    database.c.find_one_and_delete({"_id": 3})


def upsert(database: Data) -> None:
    database.c.update_one({"_id": 100}, {"$set": {"n": 7}}, upsert=True)
    database.c.update_many({"_id": 101}, {"$set": {"n": 7}}, upsert=True)
    database.c.replace_one({"_id": 102}, {"n": 7}, upsert=True)
    database.c.find_one_and_update({"_id": 103}, {"$set": {"n": 7}}, upsert=True)
    database.c.find_one_and_replace({"_id": 104}, {"n": 7}, upsert=True)
    database.c.update_one({"x": 1}, {"$setOnInsert": {"n": 7}}, upsert=True)


def upsert_existing(database: Data) -> None:
    for number in range(0, 10, 2):
        database.c.update_one({"_id": number}, {"$set": {"n": 7}}, upsert=True)
        database.c.replace_one({"_id": number + 1}, {"n": 8}, upsert=True)


def bulk_write(database: Data) -> None:
    database.c.bulk_write(
        [
            InsertOne({"_id": 50}),
            UpdateOne({"_id": 50}, {"$set": {"n": 1}}),
            ReplaceOne({"_id": 1}, {"r": 1}),
            UpdateMany({"n": {"$gt": 5}}, {"$inc": {"n": 1}}),
            DeleteOne({"_id": 2}),
            InsertOne({"_id": 2, "again": True}),
            DeleteMany({"n": 9}),
        ]
    )


def ids_of_every_type(database: Data) -> None:
    database.c.insert_many([{"_id": value, "n": number} for number, value in enumerate(IDS)])


def change_ids_of_every_type(database: Data) -> None:
    for number, value in enumerate(IDS):
        match number % 3:
            case 0:
                database.c.update_one({"_id": value}, {"$set": {"z": 1, "y": number}})
            case 1:
                database.c.replace_one({"_id": value}, {"r": number})
            case 2:
                database.c.delete_one({"_id": value})


def dates_beyond_the_year_9999(database: Data) -> None:
    """The target's answers have such an `_id` in them, too: when it is there already."""
    for number in range(10):
        database.c.insert_one({"_id": DatetimeMS(2**55 + number), "at": DatetimeMS(-(2**55))})
        database.c.replace_one({"_id": DatetimeMS(2**55 + number)}, {"n": number}, upsert=True)


def ids_that_are_equal(database: Data) -> None:
    database.c.insert_many([{"_id": number, "old": True} for number in range(60)])


def change_types_of_ids(database: Data) -> None:
    """To the server these are the same `_id`s."""
    kinds = (float, Int64, lambda number: Decimal128(f"{number}.0"))
    for number in range(60):
        database.c.delete_one({"_id": number})
        database.c.insert_one({"_id": kinds[number % 3](number), "new": number})
        database.c.update_one({"_id": number}, {"$set": {"late": 1}})


def compound_ids_that_are_equal(database: Data) -> None:
    database.c.insert_many([{"_id": {"a": number, "b": [number]}, "old": True} for number in range(60)])


def change_types_in_ids(database: Data) -> None:
    for number in range(60):
        database.c.delete_one({"_id": {"a": number, "b": [number]}})
        database.c.insert_one({"_id": {"a": float(number), "b": [Int64(number)]}, "new": number})


def replace_id_by_equal(database: Data) -> None:
    for number in range(60):
        database.c.replace_one({"_id": number}, {"_id": float(number), "new": number})
        database.c.update_one({"_id": number}, {"$set": {"late": 1}})


def ids_under_collation(database: Data) -> None:
    database.create_collection("c", collation={"locale": "en", "strength": 2})
    database.c.insert_many([{"_id": f"key{number}", "old": True} for number in range(60)])


def change_case_of_ids(database: Data) -> None:
    for number in range(60):
        database.c.delete_one({"_id": f"key{number}"})
        database.c.insert_one({"_id": f"KEY{number}", "new": number})
        database.c.update_one({"_id": f"Key{number}"}, {"$set": {"late": 1}})


def fields(database: Data) -> None:
    database.c.insert_many([{"_id": number, "a": 1, "f": 1, "pad": "x" * 300} for number in range(10)])


def take_a_field_away_and_set_it_again(database: Data) -> None:
    for number in range(10):
        database.c.update_one({"_id": number}, {"$unset": {"f": 1}})
        database.c.update_one({"_id": number}, {"$set": {"f": 2}})
        database.c.update_one({"_id": number}, {"$set": {"g": 3}})


def set_fields_in_odd_orders(database: Data) -> None:
    names = ["z", "b", "10", "9", "a", "01", "1", "Z", "-1", "ä", "aa", "a b", "2", "100", "1a", "0", "00", "a-"]
    for number in range(10):
        random.Random(number).shuffle(names)
        database.c.update_one({"_id": number}, [{"$set": {name: number}} for name in names])
        random.Random(number).shuffle(names)
        database.c.update_one({"_id": number}, [{"$set": {f"nested.{name}": number}} for name in names])


def move_fields_to_the_end(database: Data) -> None:
    added = {"$replaceWith": {"$mergeObjects": ["$$ROOT", {"new": 1}]}}
    for number in range(10):
        database.c.update_one({"_id": number}, [{"$unset": "f"}, added, {"$set": {"f": number}}])
    assert list(database.c.find_one() or ()) == ["_id", "a", "pad", "new", "f"]


def deep(database: Data) -> None:
    document: dict[str, Any] = {"v": 1}
    for _ in range(LEVELS):
        document = {"a": document, "pad": "x" * 20}
    database.c.insert_one({"_id": 1, **document})


def change_in_the_deep(database: Data) -> None:
    path = ".".join(["a"] * LEVELS)
    database.c.update_one({"_id": 1}, {"$set": {f"{path}.v": 2, f"{path}.w": [1, 2, 3]}})
    database.c.update_one({"_id": 1}, {"$push": {f"{path}.w": {"$each": [], "$slice": 1}}})


def twice(value: int) -> RawBSONDocument:
    """With two fields of one name."""
    return RawBSONDocument(document(element("_id", 1), element("f", value), element("g", 1), element("f", value + 1)))


def insert_fields_twice(database: Data) -> None:
    database.c.insert_one(twice(1))


def replace_fields_twice(database: Data) -> None:
    database.c.replace_one({"_id": 1}, twice(5))


def empty_timestamps(database: Data) -> None:
    """A server puts the time in the place of an empty one that is inserted, or that is a part of a replacement."""
    empty = Timestamp(0, 0)
    database.c.update_one({"_id": 1}, {"$set": {"t": empty, "n": 5}})
    database.c.update_one({"_id": 2}, [{"$replaceWith": {"$literal": {"_id": 2, "t": empty, "u": empty}}}])
    database.c.update_one({"_id": 20}, {"$set": {"t": empty, "nested": {"t": empty}}}, upsert=True)
    assert database.c.count_documents({"t": empty}) == 3


def awkward_names(name: str) -> Act:
    """Documents with such a field, also nested."""

    def setup(database: Data) -> None:
        database.c.insert_many(
            [{"_id": number, "pad": "x" * 300, name: 1, "nested": {name: 1, "b": {"c": 1}}, "b": {"c": 1}}
             for number in range(3)]
        )  # fmt: skip

    return setup


def change_awkward_names(name: str) -> Act:
    """By pipelines: the usual operators take no such names."""

    def change(database: Data) -> None:
        added: dict[str, Any] = {name: 2, "nested": {name: 3, "b": {"c": 1}}}
        for number, more in enumerate(({}, {"z": 1}, {"b": {"c": 2}})):
            merged = {"$mergeObjects": ["$$ROOT", {"$literal": added | more}]}
            database.c.update_one({"_id": number}, [{"$replaceWith": merged}])

    return change


def awkward(what: str, name: str) -> Case:
    return Case(change_awkward_names(name), awkward_names(name), label=f"change_fields_with_{what}_names")


def at_random(seed: int) -> Case:
    updates = Updates(seed)

    def setup(database: Data) -> None:
        database.c.insert_many(Updates(seed).documents(20))

    def change(database: Data) -> None:
        updates.change(database, 150)

    return Case(change, setup, meanwhile=alike, label=f"change_at_random_{seed}")


def large_documents(database: Data) -> None:
    database.c.insert_many([{"_id": number, "x": "x" * 5_000_000, "y": 1} for number in range(3)])


def change_large_documents(database: Data) -> None:
    database.c.insert_one({"_id": 9, "x": b"x" * (16 * 1024 * 1024 - 100)})
    database.c.update_many({"y": 1}, {"$set": {"y": 2, "z": "z" * 3_000_000}})
    database.c.update_many({"y": 2}, {"$unset": {"x": 1}})


CASES = (
    Case(insert_one),
    Case(insert_many),
    Case(insert_every_type),
    Case(update_one, setup=ten),
    Case(update_many, setup=ten),
    Case(update_to_every_type, setup=ten),
    Case(replace_one, setup=ten),
    Case(delete_one, setup=ten),
    Case(delete_many, setup=ten),
    Case(delete_and_insert_again, setup=ten),
    Case(update_nested, setup=nested),
    Case(slice_arrays, setup=arrays),
    Case(slice_nested_arrays, setup=arrays),
    Case(update_several_arrays, setup=arrays),
    Case(truncate_and_change, setup=wide_arrays),
    Case(change_what_paths_lead_through, setup=trees),
    Case(find_and_modify, setup=ten),
    Case(upsert),
    Case(upsert_existing, setup=ten),
    Case(bulk_write, setup=ten),
    Case(ids_of_every_type),
    Case(change_ids_of_every_type, setup=ids_of_every_type),
    Case(dates_beyond_the_year_9999),
    Case(change_types_of_ids, setup=ids_that_are_equal),
    Case(change_types_in_ids, setup=compound_ids_that_are_equal),
    Case(replace_id_by_equal, setup=ids_that_are_equal),
    Case(change_case_of_ids, setup=ids_under_collation),
    Case(take_a_field_away_and_set_it_again, setup=fields),
    Case(move_fields_to_the_end, setup=fields),
    Case(set_fields_in_odd_orders, setup=fields),
    Case(change_in_the_deep, setup=deep),
    Case(
        empty_timestamps,
        setup=ten,
        phases=(Phase.CLONE, Phase.APPLY),
    ),
    Case(insert_fields_twice),
    Case(replace_fields_twice, setup=insert_fields_twice),
    awkward("empty", ""),
    awkward("dollar", "$x"),
    awkward("dotted", "b.c"),
    *map(at_random, range(5)),
    Case(change_large_documents, setup=large_documents),
)
outcome = run_of()


@each_of(CASES)
def test_the_target_becomes_like_the_source(outcome: Outcome, case: Case, phase: Phase) -> None:
    outcome.require(case, phase)
