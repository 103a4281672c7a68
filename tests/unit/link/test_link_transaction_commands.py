"""The changes of a transaction as commands, in their order and of a size that the server takes."""

from __future__ import annotations

from typing import Any

import bson
import pytest

from repman.link import transactions
from repman.link.changes import Change, Kind
from repman.link.transactions import commands
from repman.mongo.raw import Documents


def insert(identity: int, size: int = 0) -> Change:
    key, full = bson.encode({"_id": identity}), bson.encode({"_id": identity, "x": "x" * size})
    return Change(Kind.INSERT, b"u", key, (full,), len(full))


def update(identity: int, *steps: dict[str, Any]) -> Change:
    key = bson.encode({"_id": identity})
    statements = tuple(bson.encode({"q": {"_id": identity}, "u": step}) for step in steps)
    return Change(Kind.UPDATE, b"u", key, statements, 100)


def delete(identity: int) -> Change:
    key = bson.encode({"_id": identity})
    return Change(Kind.DELETE, b"u", key, (bson.encode({"q": {"_id": identity}, "limit": 1}),), 100)


def shown(made: list[dict[str, Any]]) -> list[tuple[str, list[int]]]:
    """Of each command its verb, and the documents that it concerns."""
    found = []
    for command in made:
        verb = next(iter(command))
        assert command[verb] == "c"
        assert command.get("bypassDocumentValidation", False) == (verb == "update")
        (sequence,) = command[f"{verb}s"]
        assert isinstance(sequence, Documents)
        found.append((verb, [each["q"]["_id"] for each in bson.decode_all(sequence.raw)]))
    return found


def test_the_order_is_kept() -> None:
    changes = [insert(1), update(1, {"$set": {"a": 1}}, {"$set": {"b": 1}}), delete(2), delete(1), insert(2)]
    assert shown(commands("c", changes)) == [("update", [1, 1, 1]), ("delete", [2, 1]), ("update", [2])]


def test_nothing_makes_no_command() -> None:
    assert commands("c", []) == []
    assert commands("c", [update(1)]) == []
    assert shown(commands("c", [delete(1), update(2), delete(3)])) == [("delete", [1, 3])]


def test_a_message_has_a_limit() -> None:
    made = commands("c", [insert(number, 6_000_000) for number in range(5)])
    assert shown(made) == [("update", [0, 1]), ("update", [2, 3]), ("update", [4])]


def test_a_command_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "_MOST_STATEMENTS", 2)
    made = commands("c", [delete(number) for number in range(5)])
    assert shown(made) == [("delete", [0, 1]), ("delete", [2, 3]), ("delete", [4])]
