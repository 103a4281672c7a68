"""Whole runs of a link: what users do between its start and its end, and what is on the target before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId
from link_stand import LONG, LinkStand, Phase, database_differences, databases, differences, linked, replicated
from mongo_stand import ReplicaSet

from repman.link.namespaces import Remap
from repman.link.options import BuildIndexes, LinkOptions

PHASES = pytest.mark.parametrize("phase", [Phase.CLONE, Phase.APPLY], ids=lambda phase: phase.value)
LARGEST_SEGMENT = 10 * (48_000_000 - 512)
"""Bytes in a segment when nothing else is asked for."""


@pytest.fixture
def stand(source: ReplicaSet, target: ReplicaSet) -> Iterator[LinkStand]:
    with linked(source, target) as made:
        yield made


@PHASES
def test_documents_collections_and_indexes(stand: LinkStand, phase: Phase) -> None:
    source = stand.source.client

    def change() -> None:
        source.one.c.insert_many([{"_id": number, "n": number} for number in range(500)])
        source.one.c.create_index("n", unique=True)
        source.one.c.update_many({"n": {"$lt": 100}}, {"$set": {"x": 1}})
        source.one.c.delete_many({"n": {"$gt": 400}})
        source.two.d.insert_one({"_id": 1})
        source.two.create_collection("v", viewOn="d", pipeline=[])
        source.two.d.rename("e")

    replicated(stand, phase, change)
    assert databases(stand.target.client) == {"one", "two"}
    assert differences(stand.source, stand.target) == []


@PHASES
def test_what_the_target_has_under_the_same_names_is_replaced(stand: LinkStand, phase: Phase) -> None:
    there = stand.target.client.db
    there.c.insert_many([{"_id": number, "of": "the target"} for number in range(100)])
    there.c.create_index("of", unique=False)
    there.create_collection("w", viewOn="c", pipeline=[])
    there.create_collection("capped", capped=True, size=4096)
    there.d.insert_one({"_id": 1})
    there.create_collection("t", timeseries={"timeField": "at"})
    here = stand.source.client.db

    def change() -> None:
        here.c.insert_many([{"_id": number, "n": number} for number in range(50)])
        here.w.insert_one({"_id": "a collection now"})
        here.capped.insert_one({"_id": "not capped now"})
        here.create_collection("d", viewOn="c", pipeline=[{"$match": {"n": 1}}])
        here.t.insert_one({"_id": "no time series"})

    replicated(stand, phase, change)
    assert differences(stand.source, stand.target) == []


def test_what_the_target_has_under_other_names_stays(stand: LinkStand) -> None:
    stand.target.client.db.own.insert_one({"_id": 1})
    stand.target.client.other.own.insert_one({"_id": 1})
    replicated(stand, Phase.CLONE, lambda: stand.source.client.db.c.insert_one({"_id": 1}))
    assert sorted(differences(stand.source, stand.target)) == [
        "only on the target: other",
        "own is only on the target",
    ]


def test_renames_during_the_clone_and_after_it(stand: LinkStand) -> None:
    here = stand.source.client.db
    for number in range(8):
        here[f"c{number}"].insert_many([{"_id": each, "x": "x" * 500} for each in range(4000)])
        here[f"c{number}"].create_index("x")
    stand.start(cloneNumParallelCollections=1)
    for number in range(8):
        here[f"c{number}"].rename(f"d{number}")
        here[f"d{number}"].insert_one({"_id": "renamed"})
    stand.cloned()
    for number in range(0, 8, 2):
        here[f"d{number}"].rename(f"c{number}")
        here[f"d{number + 1}"].rename(f"d{number}", dropTarget=True)
        here[f"d{number}"].delete_one({"_id": 7})
    stand.in_sync()
    stand.caught_up()
    stand.finalized()
    assert differences(stand.source, stand.target) == []


NAN = float("nan")
IDS: list[Any] = [
    *(NAN, 0, 1.5, -1, float("inf"), float("-inf"), Int64(2**60), 2.0**70),
    *(
        Decimal128("1.25"),
        Decimal128("-1E+100"),
        "text",
        "",
        ObjectId(),
        None,
        True,
        {"a": NAN},
        b"x",
        MinKey(),
        MaxKey(),
    ),
]


@pytest.mark.parametrize("ids", [[NAN], IDS], ids=["alone", "among others"])
def test_an_id_that_is_no_number_is_cloned(stand: LinkStand, ids: list[Any]) -> None:
    here = stand.source.client.db.c
    here.insert_many([{"_id": value, "n": number} for number, value in enumerate(ids)])
    replicated(stand, Phase.CLONE, lambda: None)
    assert differences(stand.source, stand.target) == []


@pytest.mark.parametrize("collation", [None, {"locale": "de", "strength": 2}], ids=["plain", "collation"])
def test_segments_of_one_document_end_at_every_type(stand: LinkStand, collation: dict[str, Any] | None) -> None:
    data = stand.source.client.db
    data.create_collection("c", **({"collation": collation} if collation else {}))
    data.c.insert_many([{"_id": value} for value in [*IDS, *range(10, 40), "ä", "Z", "b"]])
    stand.start(LinkOptions(segment_bytes=1))
    stand.in_sync()
    stand.finalized()
    assert differences(stand.source, stand.target) == []


def boundaries(stand: LinkStand, documents: int) -> list[int]:
    """How many documents the link passed over to find the ends of segments."""
    here = stand.source.client.db
    here.c.insert_many([{"_id": number, "x": "x" * 1000} for number in range(documents)])
    here.command("profile", 2)
    replicated(stand, Phase.CLONE, lambda: None)
    here.command("profile", 0)
    seen = here["system.profile"].find({"ns": "db.c", "op": "query", "command.skip": {"$gt": 0}})
    return [each["command"]["skip"] for each in seen]


@pytest.mark.long
def test_segments_are_counted_in_documents(stand: LinkStand) -> None:
    found = boundaries(stand, 50_000 if LONG else 5_000)
    assert found
    assert max(found) < LARGEST_SEGMENT
    assert differences(stand.source, stand.target) == []


def test_databases_that_have_other_names_on_the_target(stand: LinkStand) -> None:
    source, target = stand.source.client, stand.target.client
    some = [{"_id": number} for number in range(10)]
    for name in ("one", "two", "plain"):
        source[name].c.insert_many(some)
        source[name].c.create_index("x", unique=True, sparse=True)
        source[name].create_collection("v", viewOn="c", pipeline=[])
    stand.start(LinkOptions(remap=Remap({"one": "uno", "two": "due", "three": "tre"})))
    stand.cloned()
    for name in ("one", "plain", "three"):
        source[name].late.insert_many(some)
        source[name].late.create_index("y", expireAfterSeconds=60)
        source[name].c.insert_one({"_id": "late"})
        source[name].c.rename("renamed")
        source[name].create_collection("capped", capped=True, size=4096)
        source[name].command("collMod", "capped", cappedSize=8192, validator={"a": 1})
    source.admin.command("renameCollection", "one.late", to="three.moved")
    source.one.late.insert_one({"_id": "anew"})
    source.drop_database("two")
    source.two.c.insert_one({"_id": "anew"})
    stand.in_sync()
    stand.caught_up()
    stand.finalized()
    assert databases(target) == {"uno", "due", "tre", "plain"}
    for here, there in (("one", "uno"), ("two", "due"), ("three", "tre"), ("plain", "plain")):
        assert database_differences(source[here], target[there]) == []


def test_a_capped_collection_where_no_indexes_are_built(stand: LinkStand) -> None:
    here = stand.source.client.db
    here.create_collection("c", capped=True, size=4096, max=5)
    here.c.insert_many([{"_id": number} for number in range(9)])
    stand.start(LinkOptions(build_indexes=BuildIndexes.NEVER))
    stand.in_sync()
    here.c.insert_one({"_id": 10})
    stand.caught_up()
    stand.finalized()
    assert differences(stand.source, stand.target) == []


def test_a_pause_in_the_middle(stand: LinkStand) -> None:
    here = stand.source.client.db
    here.c.insert_many([{"_id": number} for number in range(100)])
    stand.start()
    stand.in_sync()
    for number in range(3):
        stand.act("pause")
        here.c.insert_one({"_id": f"pause {number}"})
        here.c.rename("d")
        here.d.rename("c")
        here.c.create_index(f"f{number}")
        stand.act("resume")
    stand.caught_up()
    stand.finalized()
    assert differences(stand.source, stand.target) == []


def test_a_paused_link_is_finalized(stand: LinkStand) -> None:
    """What was applied before the pause is there; of what came after it nothing is said."""
    here, there = stand.source.client.db, stand.target.client.db
    here.c.insert_one({"_id": 1, "x": 1})
    here.c.create_index("x", unique=True)
    stand.start()
    stand.in_sync()
    stand.caught_up()
    stand.act("pause")
    here.c.insert_one({"_id": 2, "x": 2})
    stand.finalized()
    assert there.c.find_one({"_id": 1}) == {"_id": 1, "x": 1}
    assert there.c.index_information() == here.c.index_information()


class Writer:
    """Writes to the source all the time, without a pause."""

    def __init__(self, source: ReplicaSet) -> None:
        self._data = source.client.db
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            self._data.c.insert_one({"n": number})
            self._data.c.update_one({"n": number // 2}, {"$inc": {"x": 1}})
            self._data.c.delete_one({"n": number // 3})
            if not number % 20:
                self._data[f"c{number}"].insert_one({"n": number})
                self._data[f"c{number}"].rename("d", dropTarget=True)


def test_a_busy_source(stand: LinkStand) -> None:
    """The link must come to its end without a moment of silence."""
    with Writer(stand.source):
        stand.start()
        stand.in_sync()
        stand.caught_up()
    stand.caught_up()
    stand.finalized()
    assert differences(stand.source, stand.target) == []
