from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Int64, ObjectId, Timestamp

from repman.mongo.empties import has_empty, literally

EMPTY = Timestamp(0, 0)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"_id": 1, "t": EMPTY}, True),
        ({"_id": EMPTY, "a": 0.0, "b": Int64(0), "t": EMPTY, "z": "x"}, True),
        ({"_id": 1, "": EMPTY}, True),
        ({"_id": EMPTY}, False),
        ({"_id": 1, "t": Timestamp(0, 1), "u": Timestamp(1, 0)}, False),
        ({"_id": 1, "n": {"t": EMPTY}, "l": [EMPTY]}, False),
        ({"_id": 17, "a": 0.0, "b": Int64(0), "c": b"\x11t" + bytes(9)}, False),
        ({"_id": ObjectId("6b0688d0a1b2c3d4e5f60718"), "name": "x" * 16, "zero": 0}, False),
    ],
    ids=repr,
)
def test_what_a_server_would_fill_in(document: dict[str, Any], expected: bool) -> None:
    assert has_empty(bson.encode(document)) is expected


def test_the_pipeline_holds_the_document_as_it_is() -> None:
    document = {"_id": 1, "$a": "$b", "t": EMPTY}
    pipeline = bson.decode(literally(bson.encode(document)))
    assert list(pipeline.values()) == [{"$replaceWith": {"$literal": document}}]
