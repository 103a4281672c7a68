from __future__ import annotations

from typing import Any

import pytest

from repman.link.mongosync.answers import ApiError
from repman.link.mongosync.body import nothing_in, start_of
from repman.link.mongosync.filters import Filter
from repman.link.namespaces import Everything, Remap
from repman.link.options import BuildIndexes, LinkOptions, TargetData, WriteBlocking

DIRECTION = {"source": "cluster0", "destination": "cluster1"}
BASE = LinkOptions(verify=True, insert_workers=7)


def options(**given: Any) -> LinkOptions:
    return start_of(DIRECTION | given, BASE).options


def test_a_start_that_only_names_the_direction() -> None:
    start = start_of(DIRECTION, BASE)
    assert start.source == "cluster0"
    assert start.options == LinkOptions(
        target_data=TargetData.REFUSE,
        build_indexes=BuildIndexes.AFTER_DATA_COPY,
        write_blocking=WriteBlocking.NONE,
        verify=True,
        refuse_renames_out=True,
        insert_workers=7,
    )


def test_the_other_direction() -> None:
    assert start_of({"source": "cluster1", "destination": "cluster0"}, BASE).source == "cluster1"


BOTH = {"enableUserWriteBlocking": "sourceAndDestination"}
READ: list[tuple[dict[str, Any], str, Any]] = [
    ({"buildIndexes": "beforeDataCopy"}, "build_indexes", BuildIndexes.BEFORE_DATA_COPY),
    ({"buildIndexes": "never"}, "build_indexes", BuildIndexes.NEVER),
    ({"enableUserWriteBlocking": True}, "write_blocking", WriteBlocking.BOTH),
    ({"enableUserWriteBlocking": False}, "write_blocking", WriteBlocking.NONE),
    ({"enableUserWriteBlocking": "none"}, "write_blocking", WriteBlocking.NONE),
    ({"enableUserWriteBlocking": "destinationOnly"}, "write_blocking", WriteBlocking.TARGET),
    (BOTH, "write_blocking", WriteBlocking.BOTH),
    (BOTH | {"reversible": True}, "reversible", True),
    ({"enableUserWriteBlocking": True, "reversible": True}, "reversible", True),
    ({"reversible": False}, "reversible", False),
    ({"verification": {"enabled": False}}, "verify", False),
    ({"verification": {"enabled": True}}, "verify", True),
    ({"verification": {}}, "verify", True),
    ({"destinationDataHandling": "requireEmptyDestination"}, "target_data", TargetData.REFUSE),
    ({"detectRandomId": False, "skipDiskSpaceCheck": True}, "insert_workers", 7),
    ({"preExistingDestinationData": False, "supportOlderVersions": False}, "target_data", TargetData.REFUSE),
    ({"documentFilter": None, "sharding": None, "buildIndexes": None}, "build_indexes", BuildIndexes.AFTER_DATA_COPY),
    ({"copyInNaturalOrder": [{"database": "a", "collections": ["b", "c"]}, {"database": "d", "collections": ["b"]}]},
     "natural_order", frozenset({("a", "b"), ("a", "c"), ("d", "b")})),
    ({"namespaceRemap": [{"from": {"database": "a"}, "to": {"database": "b"}}]}, "remap", Remap({"a": "b"})),
    ({"namespaceRemap": [{"from": {"database": "a"}, "to": {"database": "b"}},
                         {"from": {"database": "b"}, "to": {"database": "a"}}]}, "remap", Remap({"a": "b", "b": "a"})),
    ({"includeNamespaces": []}, "selection", Everything()),
]  # fmt: skip


@pytest.mark.parametrize(("given", "name", "value"), READ, ids=[str(row[0]) for row in READ])
def test_what_a_field_means(given: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(options(**given), name) == value


def test_a_verification_that_is_off_for_the_process_stays_off() -> None:
    assert not start_of(DIRECTION | {"verification": {"enabled": True}}, LinkOptions(verify=False)).options.verify


def test_the_filter() -> None:
    selection = options(
        includeNamespaces=[{"database": "sales", "collectionsRegex": {"pattern": "^acc", "options": "i"}}],
        excludeNamespaces=[{"database": "sales", "collections": ["accounts_old"]}],
    ).selection
    assert isinstance(selection, Filter)
    assert selection.selects("sales", "Accounts_new")
    assert not selection.selects("sales", "accounts_old")
    assert not selection.selects("other", "accounts_new")


def remap(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"namespaceRemap": [{"from": {"database": here}, "to": {"database": there}} for here, there in pairs]}


REFUSED: list[tuple[Any, str, str]] = [
    ([], "InvalidRequestBody", "must be a JSON object"),
    (None, "InvalidRequestBody", "must be a JSON object"),
    ({}, "MissingField", "destination, source must be given"),
    ({"source": "cluster0"}, "MissingField", "destination must be given"),
    ({"source": "cluster0", "destination": None}, "MissingField", "destination must be given"),
    ({"source": "cluster0", "destination": "cluster0"}, "InvalidRequestBody", "must differ"),
    ({"source": "cluster2", "destination": "cluster0"}, "InvalidRequestBody", "source must be cluster0 or cluster1"),
    ({"source": 0, "destination": "cluster0"}, "InvalidRequestBody", "Expected `str`, got `int` - at `$.source`"),
    (DIRECTION | {"reversable": True, "x": 1}, "UnknownField", "start does not know reversable, x"),
    (DIRECTION | {"documentFilter": {"field": "a"}}, "UnsupportedOption", "documentFilter is not supported"),
    (DIRECTION | {"preExistingDestinationData": True}, "UnsupportedOption", "preExistingDestinationData is not"),
    (DIRECTION | {"supportOlderVersions": True}, "UnsupportedOption", "supportOlderVersions is not supported"),
    (DIRECTION | {"sharding": {"createSupportingIndexes": True}}, "UnsupportedOption", "sharding is not supported"),
    (DIRECTION | {"sharding": {}}, "UnsupportedOption", "sharding is not supported"),
    (DIRECTION | {"buildIndexes": "excludeHashed"}, "UnsupportedOption", "buildIndexes excludeHashed is not"),
    (DIRECTION | {"buildIndexes": "excludeHashedAfterCopy"}, "UnsupportedOption", "excludeHashedAfterCopy is not"),
    (DIRECTION | {"destinationDataHandling": "ignorePreExistingNamespaces"}, "UnsupportedOption", "ignorePreExisting"),
    (DIRECTION | {"documentFilter": {}, "buildIndexes": "excludeHashed"}, "UnsupportedOption", "; buildIndexes"),
    (DIRECTION | {"buildIndexes": "later"}, "InvalidRequestBody", "afterDataCopy or beforeDataCopy or never"),
    (DIRECTION | {"destinationDataHandling": "replace"}, "InvalidRequestBody", "must be requireEmptyDestination"),
    (DIRECTION | {"enableUserWriteBlocking": "both"}, "InvalidRequestBody", "one of none, destinationOnly, sourceAnd"),
    (DIRECTION | {"enableUserWriteBlocking": 1}, "InvalidRequestBody", "at `$.enableUserWriteBlocking`"),
    (DIRECTION | {"reversible": True}, "InvalidRequestBody", "reversible needs enableUserWriteBlocking"),
    (DIRECTION | {"reversible": True, "enableUserWriteBlocking": "destinationOnly"}, "InvalidRequestBody",
     "reversible needs enableUserWriteBlocking"),
    (DIRECTION | BOTH | {"reversible": True, "buildIndexes": "never"}, "InvalidRequestBody", "must not be never"),
    (DIRECTION | {"reversible": "yes"}, "InvalidRequestBody", "at `$.reversible`"),
    (DIRECTION | {"verification": True}, "InvalidRequestBody", "at `$.verification`"),
    (DIRECTION | {"verification": {"enable": True}}, "UnknownField", "`enable`"),
    (DIRECTION | {"copyInNaturalOrder": [{"database": "a"}]}, "MissingField", "`collections`"),
    (DIRECTION | {"copyInNaturalOrder": [{"database": "a", "collections": []}]}, "InvalidRequestBody", "copyInNatural"),
    (DIRECTION | {"includeNamespaces": [{"database": "a", "colls": []}]}, "UnknownField", "`colls`"),
    (DIRECTION | {"includeNamespaces": [{"collections": ["a"]}]}, "InvalidRequestBody", "$.includeNamespaces[0]"),
    (DIRECTION | {"excludeNamespaces": [{"databaseRegex": {"pattern": "["}}]}, "InvalidRequestBody", "cannot be used"),
    (DIRECTION | {"includeNamespaces": [{"database": "local"}]}, "InvalidRequestBody", "local belongs to the server"),
    (DIRECTION | remap(("a", "b"), ("a", "c")), "InvalidRequestBody", "a is renamed twice"),
    (DIRECTION | remap(("a", "c"), ("b", "c")), "InvalidRequestBody", "two databases would be called c"),
    (DIRECTION | remap(("admin", "c")), "InvalidRequestBody", "admin is not copied"),
    (DIRECTION | remap(("a", "config")), "InvalidRequestBody", "cannot be called 'config'"),
    (DIRECTION | remap(("a", "b.c")), "InvalidRequestBody", "cannot be called 'b.c'"),
    (DIRECTION | remap(("a", "")), "InvalidRequestBody", "cannot be called ''"),
    (DIRECTION | remap(("a", "é" * 32)), "InvalidRequestBody", "cannot be called"),
    (DIRECTION | remap(("a", "b")) | {"includeNamespaces": [{"database": "c"}]}, "InvalidRequestBody", "a is not copied"),
    (DIRECTION | remap(("a", "b")) | {"excludeNamespaces": [{"database": "a"}]}, "InvalidRequestBody", "a is not copied"),
    (DIRECTION | remap(("a", "b")) | {"includeNamespaces": [{"database": "a"}, {"database": "b"}]},
     "InvalidRequestBody", "b is copied under its own name"),
    (DIRECTION | {"namespaceRemap": [{"from": {"database": "a", "collection": "b"}, "to": {"database": "c"}}]},
     "UnknownField", "`collection`"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "name", "words"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_what_cannot_be_carried_out_is_refused_by_name(body: Any, name: str, words: str) -> None:
    with pytest.raises(ApiError) as raised:
        start_of(body, BASE)
    assert words in str(raised.value)
    assert (raised.value.name, raised.value.status) == (name, 400)


def test_all_mistakes_are_told_at_once() -> None:
    body = {"source": "cluster0", "destination": "cluster0", "reversible": True, "buildIndexes": "never"}
    with pytest.raises(ApiError) as raised:
        start_of(body, BASE)
    assert str(raised.value).count(";") == 2


def test_other_calls_take_an_empty_object_only() -> None:
    nothing_in({})
    with pytest.raises(ApiError, match=r"not force: send \{\}") as unknown:
        nothing_in({"force": True})
    assert unknown.value.name == "UnknownField"
    with pytest.raises(ApiError) as array:
        nothing_in([])
    assert array.value.name == "InvalidRequestBody"
