"""What verification found is repaired, and found no more."""

from __future__ import annotations

import threading
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, Timestamp
from mongo_stand import ReplicaSet
from pymongo.database import Database

from repman.link import repair as repairing
from repman.link.differences import Difference, Differences, Kind
from repman.link.repair import Repaired, repair
from repman.link.verify import AT_REST, collection_differences, remaining
from repman.mongo.stopping import Stopped

Data = Database[dict[str, Any]]
PAIR = ("c", "copy")


@pytest.fixture
def here(source: ReplicaSet) -> Data:
    return source.client["shop"]


@pytest.fixture
def there(target: ReplicaSet) -> Data:
    return target.client["store"]


def verify(here: Data, there: Data) -> Differences:
    return collection_differences(here, there, PAIR, AT_REST, lambda state: None, threading.Event())


def mend(here: Data, there: Data, found: Differences) -> Repaired:
    return repair(here, there, PAIR, found.listed, threading.Event())


def test_everything_is_equal_afterwards(here: Data, there: Data) -> None:
    here["c"].insert_many([{"_id": number, "a": number, "b": "x"} for number in range(50)])
    there["copy"].insert_many([{"_id": number, "a": number, "b": "x"} for number in range(10, 60)])
    there["copy"].update_one({"_id": 20}, {"$set": {"a": "other"}})
    there["copy"].update_one({"_id": 21}, {"$set": {"a": 21.0}})
    there["copy"].replace_one({"_id": 22}, {"b": "x", "a": 22})
    found = verify(here, there)
    assert found.total == 23
    assert mend(here, there, found) == Repaired(replaced=13, deleted=10)
    assert verify(here, there).equal
    assert remaining(here, there, PAIR, found.listed, AT_REST, threading.Event()) == ()


def test_a_repair_can_be_repeated(here: Data, there: Data) -> None:
    here["c"].insert_many([{"_id": 1}, {"_id": 2}])
    there["copy"].insert_many([{"_id": 2, "a": 1}, {"_id": 3}])
    found = verify(here, there)
    assert mend(here, there, found) == Repaired(replaced=2, deleted=1)
    assert mend(here, there, found) == Repaired(replaced=2, deleted=0)
    assert verify(here, there).equal


def test_ids_of_all_types(here: Data, there: Data) -> None:
    ids = [1.5, float("nan"), Decimal128("2.50"), None, {"a": {"b": 1}}, MinKey(), MaxKey(), "é"]
    here["c"].insert_many([{"_id": value, "n": 1} for value in ids])
    there["copy"].insert_many([{"_id": value, "n": 2} for value in [*ids, Int64(2**50), Timestamp(1, 1)]])
    assert mend(here, there, verify(here, there)) == Repaired(replaced=len(ids), deleted=2)
    assert verify(here, there).equal


def test_one_key_of_another_type(here: Data, there: Data) -> None:
    here["c"].insert_one({"_id": 1, "a": 1})
    there["copy"].insert_one({"_id": 1.0, "a": 1})
    found = verify(here, there)
    assert found.total == 2
    assert mend(here, there, found).unrepaired == ()
    assert verify(here, there).equal


def test_one_key_in_other_letters(here: Data, there: Data) -> None:
    collation = {"locale": "en", "strength": 2}
    here.create_collection("c", collation=collation)
    there.create_collection("copy", collation=collation)
    here["c"].insert_many([{"_id": "a", "n": 1}, {"_id": "b"}])
    there["copy"].insert_many([{"_id": "A", "n": 1}, {"_id": "b"}])
    found = verify(here, there)
    assert {each.kind for each in found.listed} == {Kind.MISSING, Kind.EXTRA}
    assert mend(here, there, found) == Repaired(replaced=1, deleted=1)
    assert verify(here, there).equal


@pytest.mark.parametrize(
    "document",
    [{"_id": 1, "t": Timestamp(0, 0)}, {"$set": 1, "_id": 1}, {"_id": 1, "a.b": {"$c": 1}}],
    ids=["empty timestamp", "an operator's name first", "dots and dollars"],
)
def test_documents_that_a_plain_replacement_would_change_or_refuse(
    here: Data, there: Data, document: dict[str, Any]
) -> None:
    here["c"].update_one({"_id": 1}, [{"$replaceWith": {"$literal": document}}], upsert=True)
    there["copy"].insert_one({"_id": 1})
    mend(here, there, verify(here, there))
    assert verify(here, there).equal
    assert dict(there["copy"].find_one() or {}) == document


def test_the_source_counts_as_it_is_now(here: Data, there: Data) -> None:
    here["c"].insert_many([{"_id": 1, "a": 1}, {"_id": 2}])
    there["copy"].insert_many([{"_id": 1, "a": 2}, {"_id": 3}])
    found = verify(here, there)
    here["c"].update_one({"_id": 1}, {"$set": {"a": 3}})
    here["c"].delete_one({"_id": 2})
    here["c"].insert_one({"_id": 3, "late": True})
    assert mend(here, there, found) == Repaired(replaced=2, deleted=0)
    assert list(there["copy"].find(sort=[("_id", 1)])) == [{"_id": 1, "a": 3}, {"_id": 3, "late": True}]


def test_a_validator_does_not_stand_in_the_way(here: Data, there: Data) -> None:
    here["c"].insert_one({"_id": 1, "a": "text"})
    there.create_collection("copy", validator={"a": {"$type": "int"}})
    assert mend(here, there, verify(here, there)) == Repaired(replaced=1)
    assert verify(here, there).equal


def test_pieces(here: Data, there: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairing, "_AT_ONCE", 7)
    monkeypatch.setattr(repairing, "_BYTES_AT_ONCE", 1000)
    here["c"].insert_many([{"_id": number, "text": "x" * 400} for number in range(40)])
    there["copy"].insert_many([{"_id": number} for number in range(1000, 1030)])
    assert mend(here, there, verify(here, there)) == Repaired(replaced=40, deleted=30)
    assert verify(here, there).equal


def test_documents_as_large_as_they_may_be(here: Data, there: Data) -> None:
    largest = (16 << 20) - 100
    here["c"].insert_many([{"_id": number, "text": "x" * largest} for number in range(2)])
    assert mend(here, there, verify(here, there)) == Repaired(replaced=2)
    assert verify(here, there).equal


def test_what_the_target_refuses_is_told_and_the_rest_is_done(here: Data, there: Data) -> None:
    here["c"].insert_many([{"_id": 1, "u": 1}, {"_id": 2, "u": 2}])
    there["copy"].create_index("u", unique=True)
    there["copy"].insert_one({"_id": 9, "u": 1})
    found = [Difference(Kind.MISSING, bson.encode({"_id": number})) for number in (1, 2)]
    done = repair(here, there, PAIR, found, threading.Event())
    assert (done.replaced, done.deleted) == (1, 0)
    (left,) = done.unrepaired
    assert left.id == bson.encode({"_id": 1})
    assert "duplicate key" in left.reason
    # With all that differs it can be done: what is extra goes first.
    assert mend(here, there, verify(here, there)) == Repaired(replaced=1, deleted=1)
    assert verify(here, there).equal


def test_a_capped_collection_is_left_as_it_is(here: Data, there: Data) -> None:
    here.create_collection("c", capped=True, size=1 << 20)
    there.create_collection("copy", capped=True, size=1 << 20)
    here["c"].insert_many([{"_id": 1}, {"_id": 2}])
    there["copy"].insert_many([{"_id": 2}, {"_id": 1}])
    found = verify(here, there)
    done = mend(here, there, found)
    assert (done.replaced, done.deleted) == (0, 0)
    assert [each.reason for each in done.unrepaired] == [
        "store.copy is capped and keeps an order: drop it on the target and copy it anew"
    ]
    assert verify(here, there) == found


def test_a_repair_waits_for_a_new_primary(here: Data, there: Data, target: ReplicaSet) -> None:
    here["c"].insert_many([{"_id": number} for number in range(10)])
    found = verify(here, there)
    target.step_down()
    assert mend(here, there, found) == Repaired(replaced=10)
    assert verify(here, there).equal
    target.until_primary()


def test_told_to_stop_nothing_more_is_done(here: Data, there: Data) -> None:
    here["c"].insert_one({"_id": 1})
    found = verify(here, there)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        repair(here, there, PAIR, found.listed, stop)
    with pytest.raises(Stopped):
        remaining(here, there, PAIR, found.listed, AT_REST, stop)
    assert verify(here, there) == found
