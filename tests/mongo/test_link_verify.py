"""Two real clusters: what verification sees, what it does not read again, and at which moment it looks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from mongo_stand import ReplicaSet, wait_until
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from repman.errors import LinkFailed
from repman.link.differences import NOTHING, Difference, Differences, Kind, differences_of
from repman.link.likeness import DefinitionDifference, collection_metadata_differences
from repman.link.verify import AT_REST, Method, Reading, collection_differences, remaining

Data = Database[dict[str, Any]]

IDS: list[Any] = [
    *(1, Int64(2**40), 2.5, float("nan"), float("inf"), float("-inf"), Decimal128("7.10"), Decimal128("1E+500")),
    *("", "a", "B", "ä", "a\0b", {}, {"a": 1}, {"a": 1.5, "b": [1, {"c": None}]}, {"b": 1, "a": 1}, b"", b"bytes"),
    *(Binary(b"0123456789abcdef", 3), Binary(b"0123456789abcdef", 4), Binary(b"x", 128), ObjectId("0" * 24)),
    *(False, True, datetime(1, 1, 1, tzinfo=UTC), bson.DatetimeMS(2**55), Timestamp(0, 1), Timestamp(2**31, 7)),
    *(Code("f()"), Code("f()", {"x": 1}), MinKey(), MaxKey(), None),
]
"""Of every type that an `_id` may have."""
EXACT = [Reading(range_documents=7), AT_REST]
EVERY = [*EXACT, Reading(method=Method.HASHES, range_documents=7)]


def names(reading: Reading) -> str:
    return reading.method.value


class Commands(CommandListener):
    """What was asked of a server."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.seen.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def reads(self) -> list[dict[str, Any]]:
        """The ranges whose documents were fetched."""
        return [each for each in self.seen if "find" in each and not {"projection", "filter"} & {*each}]


@contextmanager
def watched(cluster: ReplicaSet) -> Iterator[tuple[Data, Commands]]:
    commands = Commands()
    with MongoClient[dict[str, Any]](cluster.uri, event_listeners=[commands]) as client:
        yield client["shop"], commands


@pytest.fixture
def here(source: ReplicaSet) -> Data:
    return source.client["shop"]


@pytest.fixture
def there(target: ReplicaSet) -> Data:
    return target.client["shop"]


def put(documents: list[dict[str, Any]], *databases: Data, name: str = "c") -> None:
    for database in databases:
        database[name].insert_many(documents)


def differences(here: Data, there: Data, at: Reading = AT_REST, name: str = "c") -> Differences:
    return collection_differences(here, there, (name, name), at, lambda state: None, threading.Event())


def kinds(found: Differences) -> set[tuple[Kind, bytes]]:
    assert found.complete
    assert found.total == len(found.listed)
    return {(each.kind, each.id) for each in found.listed}


def identity(value: object) -> bytes:
    return bson.encode({"_id": value})


@pytest.mark.parametrize("at", EVERY, ids=names)
def test_ids_of_all_types_are_compared(here: Data, there: Data, at: Reading) -> None:
    documents = [{"_id": value, "n": number} for number, value in enumerate(IDS)]
    put(documents, here, there)
    found = differences(here, there, at)
    assert found.equal
    assert (found.source_documents, found.target_documents) == (len(IDS), len(IDS))


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("method", [Method.BYTES, Method.HASHES])
def test_every_type_can_be_the_bound_of_a_range(here: Data, there: Data, method: Method, size: int) -> None:
    put([{"_id": value, "n": number} for number, value in enumerate(IDS)], here, there)
    for database in (here, there):
        database["c"].update_many({}, {"$set": {"late": 1}})
    there["c"].update_one({"_id": float("nan")}, {"$set": {"n": "other"}})
    there["c"].update_one({"_id": None}, {"$set": {"n": "other"}})
    there["c"].delete_one({"_id": {"a": 1}})
    here["c"].delete_one({"_id": MaxKey()})
    found = differences(here, there, Reading(method=method, range_documents=size))
    assert kinds(found) == {
        (Kind.DIFFERENT, identity(float("nan"))),
        (Kind.DIFFERENT, identity(None)),
        (Kind.MISSING, identity({"a": 1})),
        (Kind.EXTRA, identity(MaxKey())),
    }
    assert (found.source_documents, found.target_documents) == (len(IDS) - 1, len(IDS) - 1)


@pytest.mark.parametrize("at", EVERY, ids=names)
def test_missing_extra_changed_and_reordered(here: Data, there: Data, at: Reading) -> None:
    put([{"_id": number, "a": 1, "b": "x"} for number in range(50)], here, there)
    there["c"].delete_many({"_id": {"$in": [0, 20, 49]}})
    there["c"].insert_many([{"_id": -5}, {"_id": 20.5}, {"_id": 1000}])
    there["c"].update_one({"_id": 30}, {"$set": {"b": "y"}})
    there["c"].replace_one({"_id": 31}, {"b": "x", "a": 1})
    assert kinds(differences(here, there, at)) == {
        *((Kind.MISSING, identity(value)) for value in (0, 20, 49)),
        *((Kind.EXTRA, identity(value)) for value in (-5, 20.5, 1000)),
        *((Kind.DIFFERENT, identity(value)) for value in (30, 31)),
    }


PAIRS = [
    (Int64(1), 1.0),
    (2.3, 2.9),
    (0.0, -0.0),
    (0.0, float("nan")),
    (1e300, float("inf")),
    (Decimal128("1.0"), Decimal128("1.00")),
]


@pytest.mark.parametrize("at", EXACT, ids=names)
@pytest.mark.parametrize("pair", [*PAIRS, (1, Int64(1)), (1, 1.0)], ids=str)
def test_types_and_fractions_are_seen(here: Data, there: Data, pair: tuple[Any, Any], at: Reading) -> None:
    put([{"_id": 1, "deep": [{"a": pair[0]}]}], here)
    put([{"_id": 1, "deep": [{"a": pair[1]}]}], there)
    assert kinds(differences(here, there, at)) == {(Kind.DIFFERENT, identity(1))}


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_hashes_are_blind_as_it_is_written(here: Data, there: Data, pair: tuple[Any, Any]) -> None:
    put([{"_id": 1, "a": pair[0]}], here)
    put([{"_id": 1, "a": pair[1]}], there)
    assert differences(here, there, Reading(method=Method.HASHES)).equal


SEEN = [
    *((1, 2), (1, Int64(1)), (1.0, Decimal128("1")), ("a", "b"), (True, 1), (None, "")),
    *((bson.DatetimeMS(5), bson.DatetimeMS(6)), (ObjectId("0" * 24), ObjectId("0" * 23 + "1")), (b"a", b"b")),
    *((Timestamp(1, 1), Timestamp(1, 2)), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ([1, 2], [2, 1]), ({}, [])),
    (Binary(b"0123456789abcdef", 3), Binary(b"0123456789abcdef", 4)),
]


@pytest.mark.parametrize("pair", SEEN, ids=str)
def test_hashes_see_as_it_is_written(here: Data, there: Data, pair: tuple[Any, Any]) -> None:
    put([{"_id": 1, "a": pair[0]}], here)
    put([{"_id": 1, "a": pair[1]}], there)
    assert kinds(differences(here, there, Reading(method=Method.HASHES))) == {(Kind.DIFFERENT, identity(1))}


@pytest.mark.parametrize("at", EXACT, ids=names)
def test_the_type_of_an_id_is_seen(here: Data, there: Data, at: Reading) -> None:
    put([{"_id": 1}], here)
    put([{"_id": 1.0}], there)
    assert kinds(differences(here, there, at)) == {(Kind.MISSING, identity(1)), (Kind.EXTRA, identity(1.0))}


def test_many_documents_are_fetched_once_and_only_ranges_that_differ_a_second_time(
    source: ReplicaSet, target: ReplicaSet, here: Data, there: Data
) -> None:
    put([{"_id": number, "text": f"document {number}"} for number in range(20_000)], here, there)
    there["c"].update_one({"_id": 12_345}, {"$set": {"text": "other"}})
    with watched(source) as (from_here, asked_here), watched(target) as (from_there, asked_there):
        found = differences(from_here, from_there, Reading(range_documents=1000))
        assert kinds(found) == {(Kind.DIFFERENT, identity(12_345))}
        assert (found.source_documents, found.target_documents) == (20_000, 20_000)
        assert (len(asked_here.reads()), len(asked_there.reads())) == (21, 21)


def test_equal_collections_at_rest_are_not_fetched(
    source: ReplicaSet, target: ReplicaSet, here: Data, there: Data
) -> None:
    put([{"_id": number} for number in range(100)], here, there)
    with watched(source) as (from_here, asked_here), watched(target) as (from_there, asked_there):
        found = differences(from_here, from_there, AT_REST)
        assert found.equal
        assert (found.source_documents, found.target_documents) == (100, 100)
        assert asked_here.reads() == asked_there.reads() == []


def test_hashing_fetches_only_ranges_that_differ(
    source: ReplicaSet, target: ReplicaSet, here: Data, there: Data
) -> None:
    put([{"_id": number, "n": number} for number in range(100)], here, there)
    there["c"].update_one({"_id": 55}, {"$inc": {"n": 1}})
    with watched(source) as (from_here, asked_here), watched(target) as (from_there, asked_there):
        found = differences(from_here, from_there, Reading(method=Method.HASHES, range_documents=10))
        assert kinds(found) == {(Kind.DIFFERENT, identity(55))}
        for asked in (asked_here, asked_there):
            (fetched,) = asked.reads()
            assert (fetched["min"].raw, fetched["max"].raw) == (identity(50), identity(60))


def test_going_on_reads_nothing_again(source: ReplicaSet, target: ReplicaSet, here: Data, there: Data) -> None:
    put([{"_id": number} for number in range(100)], here, there)
    there["c"].delete_many({"_id": {"$in": [5, 95]}})
    stop = threading.Event()
    states: list[Differences] = []

    def until_half(state: Differences) -> None:
        states.append(state)
        if len(states) == 5:
            stop.set()

    at = Reading(range_documents=10)
    begun = collection_differences(here, there, ("c", "c"), at, until_half, stop)
    assert (begun.complete, begun.moment_gone, begun.source_documents) == (False, False, 50)
    assert begun == states[-1]
    kept = differences_of(bson.decode(bson.encode(begun.document())))
    with watched(source) as (from_here, asked_here), watched(target) as (from_there, asked_there):
        ended = collection_differences(from_here, from_there, ("c", "c"), at, states.append, threading.Event(), kept)
        for asked in (asked_here, asked_there):
            lows = [each["min"]["_id"] for each in asked.reads()]
            assert lows == [50, 60, 70, 80, 90, 90]  # the last one twice, as it differs
    assert kinds(ended) == {(Kind.MISSING, identity(5)), (Kind.MISSING, identity(95))}
    assert (ended.source_documents, ended.target_documents) == (100, 98)
    assert [state.source_documents for state in states] == [*range(10, 101, 10)]


def test_a_complete_comparison_is_not_made_again(
    source: ReplicaSet, target: ReplicaSet, here: Data, there: Data
) -> None:
    put([{"_id": 1}], here, there)
    done = differences(here, there, Reading())
    with watched(source) as (from_here, asked), watched(target) as (from_there, _):
        again = collection_differences(
            from_here, from_there, ("c", "c"), Reading(), lambda state: None, threading.Event(), done
        )
        assert again == done
        assert asked.reads() == []


@pytest.mark.parametrize("at", EVERY, ids=names)
def test_a_collection_that_only_one_side_has(here: Data, there: Data, at: Reading) -> None:
    put([{"_id": number} for number in range(20)], here)
    missing = differences(here, there, at)
    assert {each.kind for each in missing.listed} == {Kind.MISSING}
    assert (missing.total, missing.target_documents) == (20, 0)
    extra = differences(there, here, at)
    assert {each.kind for each in extra.listed} == {Kind.EXTRA}
    assert (extra.total, extra.source_documents) == (20, 0)
    assert differences(here, there, at, name="neither").equal


def test_more_differences_than_are_listed(here: Data, there: Data) -> None:
    put([{"_id": number} for number in range(10_500)], there)
    found = differences(here, there)
    assert (found.total, len(found.listed), found.more, found.complete) == (10_500, 10_000, True, True)


@pytest.mark.parametrize("at", EVERY, ids=names)
def test_ids_are_ordered_as_the_collation_says(here: Data, there: Data, at: Reading) -> None:
    for database in (here, there):
        database.create_collection("c", collation={"locale": "sv", "strength": 2})
    words = ["zebra", "Ärla", "alfa", "Beta", "ö", "Z1", "å", "b0", "A9", {"w": "b"}, {"w": "C"}, 5]
    put([{"_id": word} for word in words], here, there)
    assert differences(here, there, at).equal
    assert there["c"].delete_one({"_id": "BETA"}).deleted_count == 1
    there["c"].insert_one({"_id": "BETA"})
    there["c"].delete_one({"_id": "ö"})
    assert kinds(differences(here, there, at)) == {
        (Kind.MISSING, identity("Beta")),
        (Kind.EXTRA, identity("BETA")),
        (Kind.MISSING, identity("ö")),
    }


@pytest.mark.parametrize("at", EVERY, ids=names)
def test_clustered_collections(here: Data, there: Data, at: Reading) -> None:
    for database in (here, there):
        database.create_collection("c", clusteredIndex={"key": {"_id": 1}, "unique": True})
    put([{"_id": value, "a": 1} for value in [*range(30), *(f"s{number}" for number in range(30))]], here, there)
    assert differences(here, there, at).equal
    there["c"].delete_one({"_id": 29})
    there["c"].update_one({"_id": "s7"}, {"$set": {"a": 2}})
    assert kinds(differences(here, there, at)) == {(Kind.MISSING, identity(29)), (Kind.DIFFERENT, identity("s7"))}


@pytest.mark.parametrize("at", EVERY, ids=names)
def test_capped_collections_have_an_order(here: Data, there: Data, at: Reading) -> None:
    for database in (here, there):
        database.create_collection("c", capped=True, size=1 << 20)
    put([{"_id": number} for number in (5, 1, 9, 3)], here)
    put([{"_id": number} for number in (5, 9, 1, 3)], there)
    assert kinds(differences(here, there, at)) == {(Kind.ORDER, identity(1))}
    there["c"].drop()
    there.create_collection("c", capped=True, size=1 << 20)
    put([{"_id": number} for number in (5, 1, 9)], there)
    assert kinds(differences(here, there, at)) == {(Kind.MISSING, identity(3))}
    put([{"_id": 3}], there)
    assert differences(here, there, at).equal


def test_a_view_has_no_documents_of_its_own(here: Data, there: Data) -> None:
    put([{"_id": 1}], here, there, name="base")
    here.create_collection("c", viewOn="base", pipeline=[])
    assert differences(here, there).equal
    here["c"].drop()
    put([{"_id": 1}], here)
    there.create_collection("c", viewOn="base", pipeline=[])
    with pytest.raises(LinkFailed, match=r"shop\.c is a view on the target"):
        differences(here, there)


def moment(cluster: ReplicaSet) -> Timestamp:
    time: Timestamp = cluster.client.admin.command("ping")["operationTime"]
    return time


def test_writes_after_the_moment_are_not_seen(source: ReplicaSet, target: ReplicaSet, here: Data, there: Data) -> None:
    put([{"_id": number, "n": 0} for number in range(2000)], here, there)
    ending, written = threading.Event(), threading.Event()

    def write() -> None:
        turn = 0
        while not ending.is_set():
            turn += 1
            here["c"].update_many({"_id": {"$mod": [7, turn % 7]}}, {"$inc": {"n": turn}})
            there["c"].delete_one({"_id": turn % 2000})
            there["c"].insert_one({"_id": f"late {turn}"})
            written.set()

    times = {"source": moment(source), "target": moment(target)}
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(20)
        for method in (Method.BYTES, Method.HASHES):
            found = differences(here, there, Reading(**times, method=method, range_documents=100))
            assert found.equal
            assert (found.source_documents, found.target_documents) == (2000, 2000)
    finally:
        ending.set()
        writer.join()
    assert differences(here, there).total > 0


def test_a_difference_at_the_moment_is_seen_though_it_is_gone_now(
    source: ReplicaSet, target: ReplicaSet, here: Data, there: Data
) -> None:
    put([{"_id": 1, "a": 1}, {"_id": 2}], here)
    put([{"_id": 1, "a": 2}, {"_id": 3}], there)
    times = {"source": moment(source), "target": moment(target)}
    for database in (here, there):
        database["c"].delete_many({})
    told = {(Kind.DIFFERENT, identity(1)), (Kind.MISSING, identity(2)), (Kind.EXTRA, identity(3))}
    for method in (Method.BYTES, Method.HASHES):
        assert kinds(differences(here, there, Reading(**times, method=method))) == told
    found = [Difference(kind, each) for kind, each in told]
    then = remaining(here, there, ("c", "c"), found, Reading(**times), threading.Event())
    assert {(each.kind, each.id) for each in then} == told
    assert remaining(here, there, ("c", "c"), found, AT_REST, threading.Event()) == ()


def test_a_moment_that_cannot_be_read_is_told(source: ReplicaSet, here: Data, there: Data) -> None:
    put([{"_id": 1}], here, there)
    long_ago = Timestamp(moment(source).time - 3600, 1)
    gone = differences(here, there, Reading(source=long_ago))
    assert (gone.complete, gone.moment_gone) == (False, True)
    again = collection_differences(
        here, there, ("c", "c"), Reading(source=moment(source)), lambda state: None, threading.Event(), gone
    )
    assert again.equal
    assert not again.moment_gone


def test_a_digest_cannot_be_of_a_moment() -> None:
    with pytest.raises(ValueError, match="give no times"):
        Reading(source=Timestamp(1, 1), method=Method.DIGEST)


def test_order_that_still_differs_remains(here: Data, there: Data) -> None:
    for database, order in ((here, (1, 2)), (there, (2, 1))):
        database.create_collection("c", capped=True, size=1 << 20)
        put([{"_id": number} for number in order], database)
    found = differences(here, there).listed
    assert remaining(here, there, ("c", "c"), found, AT_REST, threading.Event()) == found


def test_reading_waits_for_a_new_primary(source: ReplicaSet, target: ReplicaSet, here: Data, there: Data) -> None:
    put([{"_id": number} for number in range(100)], here, there)
    states: list[Differences] = []

    def step_down(state: Differences) -> None:
        states.append(state)
        if len(states) == 3:
            source.step_down()

    found = collection_differences(
        here, there, ("c", "c"), Reading(range_documents=10), step_down, threading.Event(), NOTHING
    )
    assert found.equal
    assert found.source_documents == 100
    wait_until(lambda: source.until_primary(), 20, "a primary for the tests that follow")


def changes(here: Data, there: Data, **how: Any) -> list[DefinitionDifference]:
    return list(collection_metadata_differences(here, there, ("c", "c"), **how))


def test_definitions(here: Data, there: Data) -> None:
    for database in (here, there):
        database.create_collection(
            "c", validator={"a": {"$exists": True}}, validationLevel="moderate", validationAction="warn"
        )
        database["c"].create_index([("a", 1), ("b", -1)], unique=True)
        database["c"].create_index([("text", "text")])
    assert changes(here, there) == []
    there.command("collMod", "c", validationLevel="strict")
    there["c"].drop_index("a_1_b_-1")
    there["c"].create_index([("a", 1), ("b", -1)])
    there["c"].create_index([("extra", 1)])
    assert [each.what for each in changes(here, there)] == [
        "option validationLevel",
        "index a_1_b_-1",
        "index extra_1",
    ]

    def replicated(spec: Any) -> Any:
        return {name: value for name, value in spec.items() if name != "unique"}

    assert [each.what for each in changes(here, there, index=replicated, options=lambda options: None)] == [
        *("option validationAction", "option validationLevel", "option validator", "index extra_1"),
    ]


def test_definitions_of_views_and_of_what_is_not_there(here: Data, there: Data) -> None:
    for database in (here, there):
        database.create_collection("c", viewOn="base", pipeline=[{"$match": {"a": 1}}])
    assert changes(here, there) == []
    there.command("collMod", "c", viewOn="base", pipeline=[{"$match": {"a": 2}}])
    (found,) = changes(here, there)
    assert (found.what, found.found) == ("option pipeline", [{"$match": {"a": 2}}])
    there["c"].drop()
    assert changes(here, there) == [DefinitionDifference("type", "view", None)]
    put([{"_id": 1}], there)
    assert changes(here, there) == [DefinitionDifference("type", "view", "collection")]


def test_numbers_of_documents_at_a_moment(source: ReplicaSet, target: ReplicaSet, here: Data, there: Data) -> None:
    put([{"_id": number} for number in range(5)], here, there)
    at = Reading(source=moment(source), target=moment(target))
    there["c"].delete_one({"_id": 1})
    assert changes(here, there) == []
    assert changes(here, there, at=at) == []
    assert changes(here, there, at=AT_REST) == [DefinitionDifference("documents", 5, 4)]
