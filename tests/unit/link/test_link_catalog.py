"""What a link knows of the target's collections, and the forms that options and indexes have on the target."""

from __future__ import annotations

from typing import Any

import pytest

from repman.link import catalog as catalogs
from repman.link.catalog import Catalog, Collection
from repman.link.indexes import changes, is_convertible
from repman.link.namespaces import Remap

SPEC: dict[str, Any] = {"v": 2, "key": {"a": 1, "b": -1}, "name": "a.b"}


class Kept:
    """Where a catalogue is kept."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}

    def catalog(self, remap: Remap | None = None) -> Catalog:
        made = Catalog(self._keep, self.documents.__delitem__, remap or Remap())
        made.load(map(catalogs.of_document, self.documents.values()))
        return made

    def _keep(self, collection: Collection) -> None:
        self.documents[collection.key] = collection.document()


def collection(key: str = "u1", name: str = "c", **options: Any) -> Collection:
    return Collection(key, "db", name, options, {"a.b": SPEC}, {"a.b": "incomplete"})


def test_it_outlives_the_process() -> None:
    kept = Kept()
    before = kept.catalog()
    before.add(collection("u1", "c", capped=True, size=4096))
    before.add(collection("u2", "d"))
    before.remove(collection("u2", "d"))
    after = kept.catalog()
    assert after.all() == before.all() == [collection("u1", "c", capped=True, size=4096)]
    assert after.named("db", "c") == after.get("u1") == collection("u1", "c", capped=True, size=4096)
    assert (after.named("db", "d"), after.get("u2")) == (None, None)


def test_a_change_is_kept_before_it_is_told() -> None:
    def refuse(_: object) -> None:
        raise OSError

    made = Catalog(refuse, refuse, Remap())
    with pytest.raises(OSError):
        made.add(collection())
    assert made.all() == []
    made.load(iter([collection()]))
    with pytest.raises(OSError):
        made.remove(collection())
    assert made.all() == [collection()]


def test_a_name_belongs_to_who_has_it_now() -> None:
    made = Kept().catalog()
    made.add(collection("u1", "c"))
    moved = made.rename(collection("u1", "c"), "other", "d")
    made.add(collection("u2", "c"))
    assert moved.namespace == ("other", "d")
    assert made.named("other", "d") == made.get("u1") == moved
    assert made.named("db", "c") == made.get("u2")
    made.remove(moved)
    assert made.named("db", "c") == made.get("u2")
    assert made.of_database("other") == []


def test_taking_away_leaves_a_name_that_another_one_took() -> None:
    made = Kept().catalog()
    made.add(collection("u1", "c"))
    made.add(collection("u2", "c"))
    made.remove(collection("u1", "c"))
    assert made.named("db", "c") == collection("u2", "c")


def test_names_on_the_target() -> None:
    made = Kept().catalog(Remap({"db": "copy"}))
    assert made.target(collection()) == ("copy", "c")
    assert (made.target_database("db"), made.target_database("other")) == ("copy", "other")


def test_views_and_capped_collections() -> None:
    assert collection(viewOn="d", pipeline=[]).is_view
    assert not collection().is_view
    assert collection(capped=True, size=1).is_capped
    assert not collection(capped=False).is_capped
    assert collection(capped=True, size=1).is_serial
    assert collection(collation={"locale": "fr"}).is_serial
    assert not collection().is_serial
    assert catalogs.is_time_series({"timeseries": {"timeField": "t"}})
    assert catalogs.is_time_series({"viewOn": "system.buckets.t", "pipeline": []})
    assert not catalogs.is_time_series({"viewOn": "t", "pipeline": []})


def test_what_a_collection_is_created_with() -> None:
    told = {"uuid": b"", "idIndex": {}, "autoIndexId": True, "temp": True, "validator": {"a": 1}}
    assert catalogs.creation(told) == {"validator": {"a": 1}}
    clustered = {"clusteredIndex": {"key": {"_id": 1}}, "expireAfterSeconds": 7}
    assert catalogs.creation(clustered) == {"clusteredIndex": {"key": {"_id": 1}}}


def test_a_capped_collection_has_room_until_the_end() -> None:
    options = {"capped": True, "size": 4096, "max": 10}
    assert catalogs.creation(options) == options
    replicated = catalogs.replicated_options(options)
    assert replicated == {"capped": True, "size": catalogs.roomy(4096)}
    assert replicated["size"] >= 2 * 4096 + 16 * 1024 * 1024
    assert catalogs.replicated_options({"capped": False}) == {"capped": False}


@pytest.mark.parametrize(("told", "made"), [(1, 256), (256, 256), (257, 512), (2**31, 2**31)])
def test_sizes_as_the_server_rounds_them(told: int, made: int) -> None:
    assert catalogs.rounded(told) == made


def test_an_index_while_replication_goes_on() -> None:
    told = {**SPEC, "unique": True, "prepareUnique": True, "hidden": True, "expireAfterSeconds": 9, "sparse": True}
    assert catalogs.replicated_index({**told, "ns": "db.c", "background": True}) == {
        **SPEC,
        "expireAfterSeconds": 2**31 - 1,
        "sparse": True,
        "collation": {"locale": "simple"},
    }
    assert catalogs.final_index(told) == {**told, "collation": {"locale": "simple"}}
    assert catalogs.final_index({**SPEC, "collation": {"locale": "fr"}})["collation"] == {"locale": "fr"}


def test_indexes_that_come_with_the_collection() -> None:
    identity = {"key": {"_id": 1}, "name": "_id_"}
    clustered = {"key": {"_id": 1}, "name": "by_id", "clustered": True}
    hashed = {"key": {"_id": "hashed"}, "name": "_id_hashed"}
    assert catalogs.without_id([identity, clustered, hashed, SPEC]) == {"_id_hashed": hashed, "a.b": SPEC}


@pytest.mark.parametrize(
    ("found", "wanted", "steps"),
    [
        ({}, {}, []),
        ({}, {"unique": True}, [{"prepareUnique": True}, {"unique": True}]),
        ({"prepareUnique": True}, {"unique": True}, [{"unique": True}]),
        ({"unique": True}, {"unique": True}, []),
        ({}, {"prepareUnique": True}, [{"prepareUnique": True}]),
        ({"prepareUnique": True}, {}, [{"prepareUnique": False}]),
        ({"expireAfterSeconds": 2**31 - 1}, {"expireAfterSeconds": 60}, [{"expireAfterSeconds": 60}]),
        ({"expireAfterSeconds": 60}, {"expireAfterSeconds": 60.0}, []),
        ({}, {"hidden": True}, [{"hidden": True}]),
        ({"hidden": True}, {}, [{"hidden": False}]),
        (
            {"expireAfterSeconds": 2**31 - 1},
            {"unique": True, "hidden": True, "expireAfterSeconds": 0},
            [{"prepareUnique": True}, {"unique": True}, {"expireAfterSeconds": 0}, {"hidden": True}],
        ),
    ],
)
def test_how_an_index_is_given_its_final_form(
    found: dict[str, Any], wanted: dict[str, Any], steps: list[dict[str, Any]]
) -> None:
    assert changes({**SPEC, **found}, {**SPEC, **wanted}) == steps


@pytest.mark.parametrize(
    ("found", "wanted", "can"),
    [
        ({}, {"unique": True, "hidden": True, "expireAfterSeconds": 5}, True),
        ({"v": 1, "ns": "db.c"}, {"background": True}, True),
        ({"textIndexVersion": 3}, {"textIndexVersion": 3}, True),
        ({"collation": {"locale": "simple"}}, {}, True),
        ({"key": {"b": -1, "a": 1}}, {}, False),
        ({"key": {"a": 1}}, {}, False),
        ({"unique": True}, {}, False),
        ({"expireAfterSeconds": 5}, {}, False),
        ({"sparse": True}, {}, False),
        ({}, {"sparse": True}, False),
        ({}, {"partialFilterExpression": {"a": 1}}, False),
        ({"partialFilterExpression": {"a": 1}}, {}, False),
        ({"collation": {"locale": "fr"}}, {}, False),
        ({"weights": {"a": 1}}, {"weights": {"a": 2}}, False),
    ],
)
def test_which_indexes_can_be_given_it(found: dict[str, Any], wanted: dict[str, Any], can: bool) -> None:
    assert is_convertible({**SPEC, **found}, {**SPEC, **wanted}) == can
