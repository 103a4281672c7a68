"""Keys are the same where the server takes two for one, and only there."""

from __future__ import annotations

import math
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from repman.link.keys import canonical

PROPERTY = settings(deadline=None, database=None, max_examples=200)


def key(value: object, **more: object) -> bytes:
    return canonical(bson.encode({"_id": value, **more}))


EQUAL: list[tuple[Any, ...]] = [
    (1, Int64(1), 1.0, Decimal128("1"), Decimal128("1.0"), Decimal128("1.000")),
    (0, Int64(0), 0.0, -0.0, Decimal128("0"), Decimal128("-0"), Decimal128("0E+50")),
    (Int64(2**40), float(2**40), Decimal128(str(2**40)), Decimal128("1.099511627776E+12")),
    (Int64(2**63 - 1), Decimal128(str(2**63 - 1))),
    (2.0**63, Decimal128(str(2**63))),
    (0.5, Decimal128("0.5"), Decimal128("0.50"), Decimal128("5E-1")),
    (Decimal128("0.1"), Decimal128("0.10")),
    (Decimal128("1E+500"), Decimal128("10E+499")),
    (math.nan, -math.nan, Decimal128("NaN"), Decimal128("sNaN")),
    (math.inf, Decimal128("Infinity")),
    (-math.inf, Decimal128("-Infinity")),
    (2.0**70, Decimal128(str(2**70))),
    ({"a": 1, "b": [2]}, {"a": 1.0, "b": [Int64(2)]}),
    ({"a": {"b": [1, {"c": 2.0}]}}, {"a": {"b": [1.0, {"c": 2}]}}),
]
DIFFERENT: list[Any] = [
    *(1, 2, -1, 1.5, 0, True, False, None, "1", "", "a", math.nan, math.inf, -math.inf, 2**31, 2**53 + 1, 2.0**53),
    *(Decimal128("1.1"), 1.1, Decimal128("9223372036854775807.5"), 2**63 - 1, 2.0**63, Decimal128("1E+6000")),
    *({}, {"a": 1}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": "1"}, {"a": [1]}, {"a": {"0": 1}}),
    *(b"", b"1", Binary(b"1", 4), ObjectId("0" * 24), Timestamp(1, 1), Timestamp(1, 2), MinKey(), MaxKey()),
]


@pytest.mark.parametrize("values", EQUAL, ids=repr)
def test_equal_values_have_one_key(values: tuple[Any, ...]) -> None:
    assert len({key(value) for value in values}) == 1


def test_different_values_have_different_keys() -> None:
    assert len({key(value) for value in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(
    "value", [1, "text", ObjectId("6b0688d0a1b2c3d4e5f60718"), True, None, b"x", Timestamp(1, 1)], ids=repr
)
def test_usual_keys_stay_as_they_are(value: object) -> None:
    raw = bson.encode({"_id": value})
    assert canonical(raw) is raw


def test_symbols_are_strings() -> None:
    raw = bson.encode({"_id": "text"})
    symbol = raw[:4] + b"\x0e" + raw[5:]
    assert canonical(symbol) == raw


def test_every_field_of_a_key_counts() -> None:
    """On sharded clusters the shard key is a part of it."""
    assert key(1, shard=2) == key(1, shard=2.0) == key(1.0, shard=Int64(2))
    assert key(1, shard=2) != key(1, shard=3)


NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, places=3, min_value=-(10**20), max_value=10**20).map(Decimal128),
)


def exact(number: Any) -> Any:
    return number.to_decimal() if isinstance(number, Decimal128) else number


@PROPERTY
@given(NUMBERS, NUMBERS)
def test_numbers_have_one_key_if_and_only_if_they_are_equal(one: Any, other: Any) -> None:
    assert (key(one) == key(other)) == (exact(one) == exact(other))


@PROPERTY
@given(NUMBERS)
def test_a_key_is_its_own_key(number: Any) -> None:
    assert canonical(key(number)) == key(number)
    found = exact(bson.decode(key(number))["_id"])
    assert found == exact(number)
