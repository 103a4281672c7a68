"""Entries of oplogs as operations: what counts when, what becomes of indexes."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Binary, Int64, Timestamp

from repman.checkpoints.manifest import CollectionDump, PartDump, Sum
from repman.checkpoints.model import PartType
from repman.checkpoints.replay import Replay
from repman.errors import CheckpointFailed

T = Timestamp
ID = {"id": Binary(b"1" * 16, 4), "uid": b"u"}


def entry(at: int, op: str, ns: str, o: dict[str, Any], **more: Any) -> bytes:
    return bson.encode({**more, "op": op, "ns": ns, "ui": Binary(b"2" * 16, 4), "o": o, "ts": T(at, 0), "t": 1, "v": 2})


def inner(number: int) -> dict[str, Any]:
    return {"op": "i", "ns": "shop.c", "ui": Binary(b"2" * 16, 4), "o": {"_id": number}}


def transaction(at: int, *numbers: int, number: int = 1, **more: Any) -> bytes:
    o = {"applyOps": [inner(each) for each in numbers], **more}
    return entry(at, "c", "admin.$cmd", o, lsid=ID, txnNumber=Int64(number))


def end(at: int, commit: int | None) -> bytes:
    o = {"abortTransaction": 1} if commit is None else {"commitTransaction": 1, "commitTimestamp": T(commit, 0)}
    return entry(at, "c", "admin.$cmd", o, lsid=ID, txnNumber=Int64(1))


def dump(kind: PartType = PartType.REPLICA_SET, capped: int = 0) -> PartDump:
    spec = bson.encode({"v": 2, "key": {"n": 1}, "name": "n_1"})
    same = bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"})
    kept = CollectionDump(Sum("shop", "c", 0, 0, "0"), "00", b"", (same, spec), (), T(capped, 0) if capped else None)
    return PartDump(kind, "rs0", "", "6.0.5", T(0, 1), (kept,))


def ids(
    *entries: bytes, after: int = 10, until: int = 20, decided: dict[str, Timestamp | None] | None = None,
    capped: int = 0,
) -> list[Any]:  # fmt: skip
    replay = Replay(dump(capped=capped), T(after, 0), T(until, 0), decided or {})
    made = [bson.decode(each) for one in entries for each in replay.operations(one)]
    made += [bson.decode(each) for each in replay.at_the_end()]
    return [each["o"].get("_id", each["o"]) for each in made]


def test_changes_between_the_moments_and_no_others() -> None:
    entries = [entry(at, "i", "shop.c", {"_id": at}) for at in (9, 10, 11, 20, 21)]
    assert ids(*entries) == [11, 20]
    assert (
        ids(*[entry(15, "i", name, {"_id": 1}) for name in ("config.x", "admin.x", "local.x", "d.system.profile")])
        == []
    )


def test_an_operation_has_what_apply_ops_takes() -> None:
    replay = Replay(dump(), T(1, 0), T(30, 0), {})
    update = entry(15, "u", "shop.c", {"$v": 2, "diff": {}}, o2={"_id": 5}, stmtId=0, prevOpTime={}, lsid=ID)
    (made,) = replay.operations(update)
    assert bson.decode(made) == {"op": "u", "ns": "shop.c", "o": {"$v": 2, "diff": {}}, "o2": {"_id": 5}}


def test_a_transaction_without_promise_counts_from_its_last_entry() -> None:
    parts = transaction(9, 1, partialTxn=True), transaction(12, 2, count=2)
    assert ids(*parts) == [1, 2]
    assert ids(*parts, until=11) == []
    assert ids(*parts, after=12) == []


@pytest.mark.parametrize(
    ("commit", "told", "there"),
    [(9, 15, False), (10, 15, False), (11, 15, True), (15, 15, True), (10, 25, False), (11, 25, True), (20, 25, True),
     (21, 25, False)],
)  # fmt: skip
def test_a_promised_one_counts_from_its_commit_time(commit: int, told: int, there: bool) -> None:
    key = f"{(b'1' * 16).hex()}-{b'u'.hex()}::1"
    found = ids(transaction(8, 1, 2, prepare=True), end(told, commit), decided={key: T(commit, 0)})
    assert found == ([1, 2] if there else [])


def test_an_aborted_one_does_not_count() -> None:
    assert ids(transaction(11, 1, prepare=True), end(12, None)) == []


def test_one_whose_end_nobody_knows_is_an_error() -> None:
    with pytest.raises(CheckpointFailed, match="is not known"):
        ids(transaction(11, 1, prepare=True))


def test_one_whose_beginning_is_missing_is_an_error() -> None:
    with pytest.raises(CheckpointFailed, match="captured only in part"):
        ids(end(15, 14))
    assert ids(end(15, 9)) == []  # the snapshot has it


def test_what_a_capped_collection_had_when_it_was_read_is_left_out() -> None:
    entries = [entry(at, "i", "shop.c", {"_id": at}) for at in (11, 13, 15)]
    assert ids(*entries, capped=13) == [15]


def test_operations_in_apply_ops_without_transaction() -> None:
    assert ids(entry(15, "c", "admin.$cmd", {"applyOps": [inner(1), inner(2)]})) == [1, 2]


def indexes(*commands: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    replay = Replay(dump(), T(1, 0), T(99, 0), {})
    for number, command in enumerate(commands):
        list(replay.operations(entry(10 + number, "c", "shop.$cmd", command)))
    found = replay.indexes.specs.items()
    return {key: {name: bson.decode(spec) for name, spec in specs.items()} for key, specs in found if specs}


SPEC = {"v": 2, "key": {"a": 1}, "name": "a_1"}
C = ("shop", "c")


def test_indexes_are_kept_account_of() -> None:
    assert [*indexes()[C]] == ["n_1"]
    assert indexes({"createIndexes": "c", **SPEC})[C]["a_1"] == SPEC
    assert indexes({"commitIndexBuild": "c", "indexBuildUUID": 1, "indexes": [SPEC]})[C]["a_1"] == SPEC
    assert [*indexes({"startIndexBuild": "c", "indexBuildUUID": 1, "indexes": [SPEC]})[C]] == ["n_1"]
    assert indexes({"dropIndexes": "c", "index": "n_1"}) == {}
    assert indexes({"drop": "c"}) == {}
    assert indexes({"dropDatabase": 1}) == {}
    assert [*indexes({"renameCollection": "shop.c", "to": "shop.d"})] == [("shop", "d")]
    hidden = indexes({"collMod": "c", "index": {"name": "n_1", "hidden": True}})
    assert hidden[C]["n_1"]["hidden"] is True
    shown = indexes({"collMod": "c", "index": {"name": "n_1", "hidden": True}},
                    {"collMod": "c", "index": {"name": "n_1", "hidden": False}})  # fmt: skip
    assert "hidden" not in shown[C]["n_1"]


def test_commands_are_passed_on_without_what_concerns_indexes() -> None:
    replay = Replay(dump(), T(1, 0), T(99, 0), {})
    change = {"collMod": "c", "index": {"name": "n_1", "hidden": True}, "validator": {"a": 1}}
    (made,) = replay.operations(entry(10, "c", "shop.$cmd", change))
    assert bson.decode(made)["o"] == {"collMod": "c", "validator": {"a": 1}}
    (made,) = replay.operations(entry(11, "c", "shop.$cmd", {"create": "d"}))
    assert bytes(bson.decode(made)["ui"]) == b"2" * 16


def test_what_is_not_understood_is_an_error_and_not_passed_over() -> None:
    with pytest.raises(CheckpointFailed, match="importCollection"):
        ids(entry(15, "c", "shop.$cmd", {"importCollection": "c"}))


def test_config_servers_keep_where_chunks_are_and_nothing_else() -> None:
    replay = Replay(dump(PartType.CONFIG_SERVER), T(1, 0), T(99, 0), {})
    names = ("config.chunks", "config.settings", "config.changelog", "config.repman", "config.tags")
    kept = [name for name in names if [*replay.operations(entry(10, "i", name, {"_id": 1}))]]
    assert kept == ["config.chunks", "config.tags"]
