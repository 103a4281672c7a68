"""The server's own description of an update becomes expressions that lead to the same document."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import bson
import pytest
from bson_updates import updated
from hypothesis import given, settings
from hypothesis import strategies as st

from repman.link.diffs import Unspeakable, expressions_of

PROPERTY = settings(deadline=None, database=None, max_examples=200)
Document = dict[str, Any]


def expressions(diff: Document) -> list[Document]:
    return [bson.decode(each) for each in expressions_of(bson.encode(diff))]


@pytest.mark.parametrize(
    ("diff", "expected"),
    [
        ({}, []),
        ({"d": {"a": False, "b": False}}, [{"$unset": {"a": True, "b": True}}]),
        ({"u": {"b": 1, "a": 2}}, [{"$set": {"b": 1, "a": 2}}]),
        ({"i": {"b": 1, "a": 2}}, [{"$unset": {"b": True, "a": True}}, {"$set": {"b": 1}}, {"$set": {"a": 2}}]),
        ({"sa": {"sb": {"u": {"c": 1}}}}, [{"$set": {"a.b.c": 1}}]),
        ({"sa": {"d": {"x": False}, "i": {"y": 1}}}, [{"$unset": {"a.x": True, "a.y": True}}, {"$set": {"a.y": 1}}]),
        ({"sa": {"a": True, "u1": 5, "u12": {"x": 1}}}, [{"$set": {"a.1": 5, "a.12": {"x": 1}}}]),
        ({"sa": {"a": True, "l": 2, "s0": {"u": {"x": 1}}}}, [
            {"$push": {"a": {"$each": [], "$slice": 2}}}, {"$set": {"a.0.x": 1}},
        ]),
        ({"sa": {"a": True, "s0": {"a": True, "l": 0}}}, [{"$push": {"a.0": {"$each": [], "$slice": 0}}}]),
        ({"ss": {"u": {"s": 1}}, "sd": {"u": {"d": 1}}}, [{"$set": {"s.s": 1, "d.d": 1}}]),
        ({"sa": {"u": {"0": 1}}}, [{"$set": {"a.0": 1}}]),
    ],
)  # fmt: skip
def test_expressions(diff: Document, expected: list[Document]) -> None:
    assert expressions(diff) == expected


@pytest.mark.parametrize(
    "diff",
    [
        {"u": {"a.b": 1}},
        {"i": {"": 1}},
        {"d": {"$a": False}},
        {"sa.b": {"u": {"c": 1}}},
        {"s": {"u": {"c": 1}}},
        {"sa": {"a": True, "s0": {"u": {"b.c": 1}}}},
        {"x": 1},
        {"sa": {"a": True, "x": 1}},
    ],
    ids=str,
)
def test_what_no_statement_can_tell(diff: Document) -> None:
    with pytest.raises(Unspeakable):
        expressions(diff)


VALUES = st.recursive(
    st.integers(0, 5),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from("abc19"), inner, max_size=3)),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abcd01"), VALUES, max_size=5)


def difference(old: Document, new: Document) -> Document:
    """How a server would describe the way from one to the other."""
    kept = [name for name in new if name in old]
    # What stands behind a field that is new, or behind one that stood behind it, is at the end from now on.
    order = [name for name in old if name in new]
    stay = 0
    while stay < len(kept) and list(new)[stay] == order[stay]:
        stay += 1
    moved = list(new)[stay:]
    found: Document = {}
    if gone := [name for name in old if name not in new]:
        found["d"] = dict.fromkeys(gone, False)
    if whole := {
        name: new[name] for name in order[:stay] if not _inner(old[name], new[name]) and old[name] != new[name]
    }:
        found["u"] = whole
    if moved:
        found["i"] = {name: new[name] for name in moved}
    for name in order[:stay]:
        if inner := _inner(old[name], new[name]):
            found[f"s{name}"] = inner
    return found


def _inner(old: Any, new: Any) -> Document:
    if _same(old, new):
        return {}
    if isinstance(old, dict) and isinstance(new, dict):
        return difference(old, new)
    if isinstance(old, list) and isinstance(new, list):
        found: Document = {"a": True}
        if len(new) < len(old):
            found["l"] = len(new)
        for index, value in enumerate(new):
            before = old[index] if index < len(old) else None
            if inner := _inner(before, value):
                found[f"s{index}"] = inner
            elif index >= len(old) or not _same(before, value):
                found[f"u{index}"] = value
        return found
    return {}


def _same(one: Any, other: Any) -> bool:
    return bson.encode({"": one}) == bson.encode({"": other})


def applied(document: Document, diff: Document) -> Document:
    for expression in expressions_of(bson.encode(diff)):
        document = updated(document, expression)
    return document


@PROPERTY
@given(DOCUMENTS, DOCUMENTS)
def test_they_lead_to_the_new_document(old: Document, new: Document) -> None:
    assert _same(applied(old, difference(old, new)), new)


@PROPERTY
@given(st.lists(DOCUMENTS, min_size=2, max_size=5))
def test_they_lead_there_from_any_later_document(stages: list[Document]) -> None:
    """As after a crash: the target is ahead of the changes that are applied once more.

    Only the top level, where a path can always be set; where one leads through something else by now, the server
    refuses it and the document is read from the source.
    """
    flat = [{name: str(value) for name, value in stage.items()} for stage in stages]
    diffs = [difference(old, new) for old, new in pairwise(flat)]
    for ahead in flat:
        document = ahead
        for diff in diffs:
            document = applied(document, diff)
        assert _same(document, flat[-1])
