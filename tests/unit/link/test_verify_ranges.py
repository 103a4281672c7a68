"""The bytes of an `_id` come out of a document, and go into commands, as they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from repman.mongo.ranges import (
    MOST_BYTES,
    MOST_DOCUMENTS,
    IdRange,
    alone,
    among,
    documents_per_range,
    equal_to,
    identity_of,
)

VALUES: list[Any] = [
    1,
    Int64(1),
    1.0,
    float("inf"),
    Decimal128("1.00"),
    "text \0 with a zero",
    {"a": {"b": [1, {}]}, "c": None},
    [1, "b", []],
    b"bytes",
    Binary(b"0123456789abcdef", 3),
    Binary(b"old", 2),
    ObjectId("6b06eabd4d80357851f887bc"),
    True,
    None,
    datetime(2026, 11, 25, tzinfo=UTC),
    Timestamp(7, 8),
    Regex("a.b", "im"),
    Code("f()"),
    Code("f()", {"x": 1}),
    DBRef("c", 1),
    MinKey(),
    MaxKey(),
]
SYMBOL = b"\x0e_id\x00\x04\x00\x00\x00abc\x00"
POINTER = b"\x0c_id\x00\x02\x00\x00\x00c\x00" + bytes(12)


def raw_of(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return (len(body) + 5).to_bytes(4, "little") + body + b"\0"


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_an_id_of_any_type_is_found_first_and_last(value: object) -> None:
    identity = bson.encode({"_id": value})
    assert identity_of(bson.encode({"_id": value, "a": 1})) == identity
    assert identity_of(bson.encode({"a": value, "sub": {"_id": 3}, "_id": value})) == identity


@pytest.mark.parametrize("element", [SYMBOL, POINTER], ids=["symbol", "pointer"])
def test_types_that_python_would_change_stay(element: bytes) -> None:
    after = bson.encode({"b": 2})[4:-1]
    assert identity_of(raw_of(element, after)) == raw_of(element)
    assert identity_of(raw_of(element.replace(b"_id", b"old"), after, element)) == raw_of(element)


def test_a_document_without_id_is_told() -> None:
    with pytest.raises(ValueError, match="without _id"):
        identity_of(bson.encode({"a": 1, "b": {"_id": 2}}))


def test_an_unknown_type_is_told() -> None:
    with pytest.raises(ValueError, match="unknown BSON type"):
        identity_of(raw_of(b"\x55a\x00...", bson.encode({"_id": 1})[4:-1]))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_the_value_gets_another_name(value: object) -> None:
    assert alone("$literal", bson.encode({"_id": value})) == bson.encode({"$literal": value})


def test_filters_hold_the_bytes() -> None:
    ids = [bson.encode({"_id": value}) for value in VALUES]
    assert bson.encode(among(ids)) == bson.encode({"_id": {"$in": VALUES}})
    assert bson.encode(equal_to(ids[6])) == bson.encode({"_id": {"$eq": VALUES[6]}})


def test_a_range_is_bounds_of_the_index_and_a_match() -> None:
    low, high = bson.encode({"_id": 5}), bson.encode({"_id": "b"})
    both = IdRange(low, high)
    assert bson.encode(both.bounds()) == bson.encode({"min": {"_id": 5}, "max": {"_id": "b"}})
    assert bson.encode(both.match()) == bson.encode(
        {"$expr": {"$and": [{"$gte": ["$_id", {"$literal": 5}]}, {"$lt": ["$_id", {"$literal": "b"}]}]}}
    )
    assert set(IdRange(None, high).bounds()) == {"max"}
    assert bson.encode(IdRange(low, None).bounds()) == bson.encode({"min": {"_id": 5}, "max": {"_id": MaxKey()}})
    assert [each.leaves_last_out for each in (both, IdRange(low, None), IdRange(None, high), IdRange(None, None))] == [
        *(False, True, False, False),
    ]
    assert (IdRange(None, None).bounds(), IdRange(None, None).match()) == ({}, {})


@pytest.mark.parametrize(
    ("average", "documents"),
    [(0, MOST_DOCUMENTS), (100, MOST_DOCUMENTS), (MOST_BYTES / 1000, 1000), (16 << 20, 4), (1 << 40, 1)],
)
def test_a_range_is_bounded_by_documents_and_by_bytes(average: float, documents: int) -> None:
    assert documents_per_range(average) == documents
