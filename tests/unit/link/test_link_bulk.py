"""A bulk has the effect of its changes one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bson
from bson_updates import updated
from hypothesis import given, settings
from hypothesis import strategies as st

from repman.link.bulk import Bulk, bulk_of, pieces_of, statements_of
from repman.link.changes import Change, Kind, change_of

PROPERTY = settings(deadline=None, database=None, max_examples=200)
UUID = b"\x10\x00\x00\x00\x04" + b"u" * 16
Documents = dict[int, dict[str, Any]]
Step = tuple[str, int, dict[str, Any]]

FIELDS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), max_size=3)
STEPS = st.tuples(
    st.sampled_from(["insert", "replace", "update", "delete", "refetch", "dollar"]), st.integers(0, 3), FIELDS
)


def event(kind: str, identity: object, **fields: Any) -> dict[bytes, bytes]:
    """As the stream gives it."""
    values = {"operationType": kind, "documentKey": {"_id": identity}, **fields}
    found = {name.encode(): bson.encode({"": value})[6:-1] for name, value in values.items()}
    return found | {b"collectionUUID": UUID}


def update(identity: object, fields: dict[str, Any], removed: Iterable[str] = ()) -> dict[bytes, bytes]:
    described = {"updatedFields": fields, "removedFields": list(removed), "truncatedArrays": []}
    return event("update", identity, updateDescription=described)


def told(source: Documents, step: Step) -> Change:
    """What happens to the source, and what it tells of that."""
    kind, identity, fields = step
    if kind == "delete" or (kind in ("update", "refetch") and identity not in source):
        source.pop(identity, None)
        return change_of(event("delete", identity))
    if kind == "update":
        removed = [name for name in source[identity] if name not in ("_id", *fields)][:1]
        source[identity] = {name: value for name, value in source[identity].items() if name not in removed} | fields
        return change_of(update(identity, fields, removed))
    if kind == "refetch":
        source[identity]["$odd"] = fields
        return change_of(update(identity, {"$odd": fields}))
    odd = {"$odd": 1} if kind == "dollar" else {}
    source[identity] = odd | {"_id": identity} | fields
    known = "replace" if kind == "replace" else "insert"
    return change_of(event(known, identity, fullDocument=source[identity]))


def carried_out(bulk: Bulk, target: Documents, source: Documents) -> Documents:
    """What the target has after it, in the order in which the parts of a bulk are carried out."""
    made = {key: dict(value) for key, value in target.items()}
    late = []
    for change in filter(None, bulk.inserts):
        (document,) = map(bson.decode, change.statements)
        if document["_id"] in made:
            late.append(change)
        else:
            made[document["_id"]] = document
    for change in [*late, *filter(None, bulk.updates)]:
        for statement in map(bson.decode, statements_of(change)):
            identity = statement["q"]["_id"]
            if identity in made or statement.get("upsert"):
                made[identity] = updated(made.get(identity, {}), bson.encode(statement["u"]))
    for change in filter(None, bulk.deletes):
        made.pop(bson.decode(change.statements[0])["q"]["_id"], None)
    for change in bulk.apart:
        identity = bson.decode(change.key)["_id"]
        made.pop(identity, None)
        if identity in source:
            made[identity] = source[identity]
    return made


@PROPERTY
@given(st.sets(st.integers(0, 3)), st.lists(STEPS, max_size=25))
def test_a_bulk_does_what_its_changes_do(first: set[int], steps: list[Step]) -> None:
    source: Documents = {identity: {"_id": identity, "a": 0, "b": 0} for identity in first}
    target = {identity: dict(document) for identity, document in source.items()}
    bulk = bulk_of([told(source, step) for step in steps])
    found = carried_out(bulk, target, source)
    assert {key: list(value.items()) for key, value in found.items()} == {
        key: list(value.items()) for key, value in source.items()
    }


@PROPERTY
@given(st.sets(st.integers(0, 3)), st.lists(STEPS, max_size=25))
def test_it_may_be_done_again(first: set[int], steps: list[Step]) -> None:
    """As after a crash: the target is where the changes lead to, or anywhere in between."""
    source: Documents = {identity: {"_id": identity, "a": 0, "b": 0} for identity in first}
    changes, stages = [], [{identity: dict(document) for identity, document in source.items()}]
    for step in steps:
        changes.append(told(source, step))
        stages.append({identity: dict(document) for identity, document in source.items()})
    for target in stages:
        assert carried_out(bulk_of(changes), target, source) == source


def test_what_is_overridden_is_left_out() -> None:
    changes = [
        change_of(event("insert", 1, fullDocument={"_id": 1, "a": 1})),
        change_of(update(1, {"a": 2})),
        change_of(event("replace", 1, fullDocument={"_id": 1, "a": 3})),
        change_of(event("insert", 2, fullDocument={"_id": 2})),
        change_of(event("delete", 2)),
        change_of(event("insert", 3, fullDocument={"_id": 3})),
    ]
    bulk = bulk_of(changes)
    assert [each for each in bulk.inserts if each] == [changes[5]]
    assert [each for each in bulk.updates if each] == [changes[2]]
    assert [each for each in bulk.deletes if each] == [changes[4]]
    assert bulk.apart == []


def test_equal_ids_of_different_types_are_one_document() -> None:
    """Whatever comes last holds: a delete that is carried out at the end must not take the new one away."""
    gone, made = change_of(event("delete", 1)), change_of(event("insert", 1.0, fullDocument={"_id": 1.0, "new": 1}))
    bulk = bulk_of([gone, made])
    assert not any(bulk.deletes)
    assert [each for each in bulk.updates if each] == [made]
    assert made.kind is Kind.INSERT


def test_pieces_end_with_their_deletes() -> None:
    insert, delete = change_of(event("insert", 1, fullDocument={"_id": 1})), change_of(event("delete", 1))
    assert pieces_of([]) == []
    assert pieces_of([insert, insert]) == [[insert, insert]]
    assert pieces_of([delete, delete]) == [[delete, delete]]
    assert pieces_of([delete, insert, insert, delete, delete, insert]) == [
        [delete],
        [insert, insert, delete, delete],
        [insert],
    ]
