"""The quick way to take an event apart gives what the general one gives, or gives up."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, ObjectId, Timestamp, encode

from repman.link import events
from repman.link.events import taken_apart
from repman.mongo import raw

UUID = Binary(bytes(range(16)), 4)
NEEDED = (
    b"operationType",
    b"collectionUUID",
    b"documentKey",
    b"fullDocument",
    b"updateDescription",
    b"rawUpdateDescription",
)


def event(kind: str, **more: Any) -> dict[str, Any]:
    """As a server lays it out."""
    full = {"fullDocument": more.pop("fullDocument")} if "fullDocument" in more else {}
    return {
        "_id": {"_data": "826B06DC55000000012B022C0100296E5A1004"},
        "operationType": kind,
        "clusterTime": Timestamp(1795611733, 1),
        "collectionUUID": UUID,
        "wallTime": datetime(2026, 11, 25, tzinfo=UTC),
        **full,
        "ns": {"db": "shop", "coll": "orders"},
        "documentKey": {"_id": ObjectId("6b06eabd4d80357851f887bc")},
        **more,
    }


def same(found: dict[bytes, bytes], document: bytes) -> bool:
    wanted = raw.fields(document)
    return all(found.get(key) == wanted.get(key) for key in NEEDED)


@pytest.mark.parametrize(
    "usual",
    [
        event("insert", fullDocument={"_id": 1, "operationType": "delete", "wallTime": b"\x00" * 40}),
        event("replace", fullDocument={"_id": 1}),
        event("delete"),
        event("update", updateDescription={"updatedFields": {"a": 1}, "removedFields": [], "truncatedArrays": []}),
        event("update", rawUpdateDescription={"$v": 2, "diff": {"u": {"a": 1}, "sb": {"i": {"c": 1}}}}),
    ],
    ids=lambda found: found["operationType"],
)
def test_usual_events_are_taken_apart_quickly(usual: dict[str, Any]) -> None:
    document = encode(usual)
    found = events._quickly(document)
    assert found is not None
    assert same(found, document)


@pytest.mark.parametrize(
    "unusual",
    [
        {"txnNumber": 1, "lsid": {"id": UUID}, **event("insert", fullDocument={"_id": 1})},
        event("update", updateDescription={"updatedFields": {}}, fullDocumentBeforeChange={"_id": 1}),
        {key: value for key, value in event("delete").items() if key != "collectionUUID"},
        event("create", operationDescription={"idIndex": {"v": 2}}),
        {"_id": 5, "operationType": "insert"},
    ],
    ids=["in a transaction", "with more than is known", "without a UUID", "no document", "another token"],
)
def test_others_are_taken_apart_by_the_general_way(unusual: dict[str, Any]) -> None:
    document = encode(unusual)
    assert events._quickly(document) is None
    assert taken_apart(document) == raw.fields(document)


def test_whatever_stands_where_the_quick_way_finds_nothing_that_is_not_so() -> None:
    rng = random.Random(1)
    for _ in range(3000):
        items = list(
            event("update", fullDocument={"x": rng.randrange(9)}, updateDescription={"updatedFields": {}}).items()
        )
        if rng.random() < 0.5:
            rng.shuffle(items)
        kept = dict(item for item in items if rng.random() < 0.9)
        if rng.random() < 0.2:
            kept["operationType"] = rng.choice(["insert", "drop", 7, None])
        document = encode(kept)
        found = events._quickly(document)
        assert found is None or same(found, document), kept
