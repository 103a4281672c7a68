"""What differs between two copies, whatever the order in which documents come."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64

from repman.link import differences
from repman.link.differences import NOTHING, Difference, Differences, Kind, compare, differences_of


def raws(*documents: dict[str, Any]) -> list[bytes]:
    return [bson.encode(each) for each in documents]


def identity(value: object) -> bytes:
    return bson.encode({"_id": value})


def found(source: list[bytes], target: list[bytes]) -> set[tuple[Kind, bytes]]:
    told = [(each.kind, each.id) for each in compare(source, target)]
    assert len(told) == len(set(told))
    return set(told)


def test_equal_copies_in_another_order() -> None:
    assert found(raws({"_id": 1}, {"_id": "a", "b": 2}), raws({"_id": "a", "b": 2}, {"_id": 1})) == set()


def test_missing_extra_and_different() -> None:
    source = raws({"_id": 1, "a": 1}, {"_id": 2}, {"_id": 3, "a": 1})
    target = raws({"_id": 3, "a": 2}, {"_id": 4}, {"_id": 1, "a": 1})
    assert found(source, target) == {
        (Kind.DIFFERENT, identity(3)),
        (Kind.EXTRA, identity(4)),
        (Kind.MISSING, identity(2)),
    }


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({"a": 1}, {"a": Int64(1)}),
        ({"a": Int64(1)}, {"a": 1.0}),
        ({"a": 0.0}, {"a": -0.0}),
        ({"a": Decimal128("1.0")}, {"a": Decimal128("1.00")}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": None}, {}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
    ],
)
def test_bytes_decide(here: dict[str, Any], there: dict[str, Any]) -> None:
    assert found(raws({"_id": 7, **here}), raws({"_id": 7, **there})) == {(Kind.DIFFERENT, identity(7))}


def test_one_key_with_two_types_is_two_documents() -> None:
    assert found(raws({"_id": 1}), raws({"_id": 1.0})) == {(Kind.MISSING, identity(1)), (Kind.EXTRA, identity(1.0))}


def test_several_documents_of_one_id() -> None:
    one, two, three = raws({"_id": 1, "s": 1}, {"_id": 1, "s": 2}, {"_id": 1, "s": 3})
    assert found([one, two], [two, one]) == set()
    assert found([one, two], [two]) == {(Kind.MISSING, identity(1))}
    assert found([one], [one, two]) == {(Kind.DIFFERENT, identity(1))}
    assert found([one, two], [one, three]) == {(Kind.DIFFERENT, identity(1))}


def test_ranges_add_up() -> None:
    first = Difference(Kind.EXTRA, identity(4))
    begun = NOTHING.with_range(identity(10), (9, 10), [first])
    assert (begun.complete, begun.resume_at, begun.equal) == (False, identity(10), False)
    ended = begun.with_range(None, (5, 4), [Difference(Kind.MISSING, identity(11))])
    assert (ended.complete, ended.resume_at, ended.equal) == (True, None, False)
    assert (ended.source_documents, ended.target_documents, ended.total, ended.more) == (14, 14, 2, False)
    assert ended.listed == (first, Difference(Kind.MISSING, identity(11)))
    assert NOTHING.with_range(None, (3, 3), []).equal


def test_what_is_listed_is_bounded_and_what_is_counted_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "MOST_LISTED", 3)
    some = [Difference(Kind.MISSING, identity(number)) for number in range(5)]
    state = NOTHING.with_range(identity(5), (5, 0), some[:2]).with_range(None, (3, 0), some[2:])
    assert (state.listed, state.total, state.more) == (tuple(some[:3]), 5, True)


def test_large_ids_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = Difference(Kind.EXTRA, identity("x" * 1000)), Difference(Kind.EXTRA, identity(1))
    monkeypatch.setattr(differences, "MOST_LISTED_BYTES", 1500)
    state = NOTHING.with_range(identity(1), (0, 2), [large, large]).with_range(None, (0, 1), [small])
    # The small one would have room, but then the list would not be the first of them.
    assert (state.listed, state.total, state.more) == ((large,), 3, True)


def test_the_state_can_be_kept() -> None:
    state = Differences(
        resume_at=identity({"a": 1}),
        source_documents=Int64(2**40),
        target_documents=3,
        total=20_000,
        listed=(Difference(Kind.DIFFERENT, identity(1)), Difference(Kind.ORDER, identity(Int64(1)))),
    )
    kept = bson.decode(bson.encode(state.document()))
    assert differences_of(kept) == state
    assert differences_of(bson.decode(bson.encode(NOTHING.document()))) == NOTHING


def test_as_long_a_list_as_there_may_be_fits_into_a_document() -> None:
    most = [Difference(Kind.DIFFERENT, identity("x" * 400 + str(number))) for number in range(10_000)]
    state = NOTHING.with_range(identity(1), (10_000, 10_000), most)
    assert len(bson.encode(state.document())) < 6 << 20


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, '{"$numberInt": "1"}'),
        (Int64(1), '{"$numberLong": "1"}'),
        ("a", '"a"'),
        (bson.DatetimeMS(2**55), '{"$date": {"$numberLong": "36028797018963968"}}'),
        (datetime(2026, 1, 1), '{"$date": {"$numberLong": "1767225600000"}}'),
    ],
)
def test_an_id_is_shown_with_its_type(value: object, shown: str) -> None:
    assert Difference(Kind.EXTRA, identity(value)).shown() == shown
