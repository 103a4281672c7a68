"""Events of a change stream become statements."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import DatetimeMS, Timestamp
from bson_updates import updated

from repman.link import changes
from repman.link.changes import Change, Definition, Kind, Transaction, change_of, definition_of
from repman.mongo.raw import fields

UUID = bson.Binary(b"0123456789abcdef", 4)


def event(kind: str, **more: Any) -> dict[bytes, bytes]:
    """One as the stream sends it."""
    document = {"operationType": kind, "collectionUUID": UUID, "documentKey": {"_id": 7}, **more}
    return fields(bson.encode(document))


def update(fields_set: dict[str, Any] | None = None, removed: tuple[str, ...] = (), **more: Any) -> Change:
    described = {"updatedFields": fields_set or {}, "removedFields": list(removed), "truncatedArrays": [], **more}
    return change_of(event("update", updateDescription=described))


def expressions(change: Change) -> list[dict[str, Any]]:
    """What is done to the document, whose key every statement must have."""
    found = [bson.decode(statement) for statement in change.statements]
    assert all(statement.keys() == {"q", "u"} and statement["q"] == {"_id": 7} for statement in found)
    return [statement["u"] for statement in found]


def test_an_insert_is_its_document() -> None:
    change = change_of(event("insert", fullDocument={"_id": 7, "a": 1}))
    assert (change.kind, change.collection, bson.decode(change.key)) == (Kind.INSERT, bytes(UUID), {"_id": 7})
    assert [bson.decode(each) for each in change.statements] == [{"_id": 7, "a": 1}]
    assert change.size > len(change.statements[0])


def test_a_replacement() -> None:
    change = change_of(event("replace", fullDocument={"_id": 7, "b": 1}))
    assert change.kind is Kind.REPLACE
    statement = bson.decode(changes.replacement(change.key, change.statements[0]))
    assert statement == {"q": {"_id": 7}, "u": {"_id": 7, "b": 1}, "upsert": True}


def test_a_delete_concerns_one_document() -> None:
    change = change_of(event("delete"))
    assert change.kind is Kind.DELETE
    assert [bson.decode(each) for each in change.statements] == [{"q": {"_id": 7}, "limit": 1}]


def test_an_update_sets_and_takes_away() -> None:
    change = update({"a": 1, "b.c": [2]}, ("x", "y.z"))
    assert change.kind is Kind.UPDATE
    assert expressions(change) == [{"$set": {"a": 1, "b.c": [2]}, "$unset": {"x": True, "y.z": True}}]


def test_an_update_that_only_takes_away() -> None:
    assert expressions(update(removed=("x",))) == [{"$unset": {"x": True}}]


def test_an_update_that_changes_nothing_that_is_told() -> None:
    assert expressions(update()) == []


def test_arrays_are_cut_first() -> None:
    cut = [{"field": "a", "newSize": 3}, {"field": "b.c", "newSize": 0}]
    assert expressions(update({"a.1": 5}, truncatedArrays=cut)) == [
        {"$push": {"a": {"$each": [], "$slice": 3}, "b.c": {"$each": [], "$slice": 0}}},
        {"$set": {"a.1": 5}},
    ]


def test_an_array_in_an_array_is_cut_by_a_statement_of_its_own() -> None:
    cut = [{"field": "a", "newSize": 3}, {"field": "ab", "newSize": 1}, {"field": "a.0.b", "newSize": 1}]
    found = expressions(update(truncatedArrays=cut))
    assert [list(each["$push"]) for each in found] == [["a"], ["ab"], ["a.0.b"]]


def test_a_source_that_tells_of_no_cuts() -> None:
    described = {"updatedFields": {"a": 1}, "removedFields": []}
    assert expressions(change_of(event("update", updateDescription=described))) == [{"$set": {"a": 1}}]


@pytest.mark.parametrize(
    ("names", "runs"),
    [
        (["a", "b", "c"], [["a", "b", "c"]]),
        (["c", "b", "a"], [["c"], ["b"], ["a"]]),
        (["b", "c", "a", "d"], [["b", "c"], ["a", "d"]]),
        (["9", "10", "100"], [["9", "10", "100"]]),
        (["10", "9"], [["10"], ["9"]]),
        (["1", "01"], [["1"], ["01"]]),
        (["a.9", "a.10", "a.b", "b"], [["a.9", "a.10", "a.b", "b"]]),
        (["a.b", "a.a"], [["a.b"], ["a.a"]]),
        (["a.z", "a-b"], [["a.z", "a-b"]]),
        (["1", "1a"], [["1"], ["1a"]]),
        (["1a", "2"], [["1a"], ["2"]]),
        (["-", "1", "a"], [["-", "1", "a"]]),
    ],
)
def test_new_fields_keep_their_order(names: list[str], runs: list[list[str]]) -> None:
    found = expressions(update({name: number for number, name in enumerate(names)}))
    assert [list(each["$set"]) for each in found] == runs


def test_what_is_taken_away_goes_first() -> None:
    assert expressions(update({"b": 1, "a": 2}, ("c",))) == [
        {"$set": {"b": 1}, "$unset": {"c": True}},
        {"$set": {"a": 2}},
    ]


@pytest.mark.parametrize("name", ["", "$x", "a.$x", "a..b", ".a", "a."])
def test_names_that_operators_do_not_take(name: str) -> None:
    assert update({name: 1}).kind is Kind.REFETCH
    assert update({"fine": 1}, (name,)).kind is Kind.REFETCH


def test_paths_that_a_source_calls_ambiguous() -> None:
    assert update({"a.b": 1}, disambiguatedPaths={"a.b": ["a.b"]}).kind is Kind.REFETCH
    assert update({"a.b": 1}, disambiguatedPaths={}).kind is Kind.UPDATE


def test_the_description_of_the_server_itself_is_used_where_it_is_sent() -> None:
    diff = {"d": {"x": False}, "u": {"a": 1}, "i": {"b": 2}}
    change = change_of(event("update", rawUpdateDescription={"$v": 2, "diff": diff}))
    assert expressions(change) == [{"$unset": {"x": True, "b": True}, "$set": {"a": 1}}, {"$set": {"b": 2}}]
    document = updated({"_id": 7, "b": 0, "x": 1, "a": 0}, bson.encode(expressions(change)[0]))
    assert list(updated(document, bson.encode(expressions(change)[1])).items()) == [("_id", 7), ("a", 1), ("b", 2)]


def test_a_description_that_cannot_be_told() -> None:
    change = change_of(event("update", rawUpdateDescription={"$v": 2, "diff": {"u": {"a.b": 1}}}))
    assert change.kind is Kind.REFETCH


def test_events_of_a_transaction() -> None:
    session = {"id": UUID}
    first = event("delete", lsid=session, txnNumber=bson.Int64(3))
    assert changes.transaction_of(first) == Transaction(bson.encode(session), (3).to_bytes(8, "little"))
    assert changes.transaction_of(event("delete")) is None


def test_what_changes_documents() -> None:
    assert all(changes.is_data(event(kind)) for kind in ("insert", "update", "replace", "delete"))
    assert not any(changes.is_data(event(kind)) for kind in ("create", "drop", "rename", "modify", "invalidate"))


def test_a_definition() -> None:
    at = Timestamp(1000, 5)
    to = {"db": "db", "coll": "new"}
    raw = bson.encode(
        {
            "operationType": "rename",
            "clusterTime": at,
            "collectionUUID": UUID,
            "ns": {"db": "db", "coll": "old"},
            "to": to,
            "operationDescription": {"to": to, "dropTarget": UUID},
        }
    )
    found = definition_of(raw)
    assert found == Definition("rename", "db", "old", bytes(UUID).hex(), {"to": to, "dropTarget": UUID}, at)


def test_a_definition_without_collection() -> None:
    raw = bson.encode({"operationType": "dropDatabase", "clusterTime": Timestamp(1, 1), "ns": {"db": "db"}})
    assert definition_of(raw) == Definition("dropDatabase", "db", "", "", {}, Timestamp(1, 1))


def test_a_definition_with_a_date_that_python_does_not_have() -> None:
    far = DatetimeMS(2**55)
    described = {"validator": {"at": far}}
    raw = bson.encode({"operationType": "modify", "clusterTime": Timestamp(1, 1), "operationDescription": described})
    assert definition_of(raw).description == described


def test_the_time_of_a_token() -> None:
    token = bson.encode({"_data": "82" + "0000abcd" + "00000007" + "2B0229296E04"})
    assert changes.token_time(token) == Timestamp(0xABCD, 7)
    with pytest.raises(ValueError, match="unknown form"):
        changes.token_time(bson.encode({"_data": "0000"}))


def test_a_timestamp() -> None:
    assert changes.timestamp(fields(bson.encode({"t": Timestamp(5, 6)}))[b"t"]) == Timestamp(5, 6)


def test_documents_that_look_like_operators() -> None:
    assert changes.is_operator_like(bson.encode({"$a": 1}))
    assert not changes.is_operator_like(bson.encode({"a": {"$a": 1}}))
    assert not changes.is_operator_like(bson.encode({}))
