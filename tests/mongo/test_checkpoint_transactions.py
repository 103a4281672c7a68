"""Transactions over two shards, prepared and decided by hand as a coordinator would: they are restored whole or not.

Without mongos there is no coordinator.  The commands that it sends are sent here: `prepareTransaction`, and
`commitTransaction` with one `commitTimestamp` for all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson import SON, Timestamp
from checkpoint_stand import MAJORITY, Place, Sharded, documents
from pymongo.client_session import ClientSession

from repman.checkpoints.engine import Settings
from repman.checkpoints.making import Patience


class Distributed:
    """One transaction, open on both shards; its session has the same id on both, as a mongos would give it."""

    def __init__(self, cluster: Sharded, number: int) -> None:
        self._clients = {name: one.client for name, one in cluster.shards.items()}
        self._sessions: dict[str, ClientSession] = {name: one.start_session() for name, one in self._clients.items()}
        same = next(iter(self._sessions.values())).session_id
        for one in self._clients.values():
            one.bank.both.update_one({"_id": "there"}, {"$set": {"n": number}}, upsert=True)
        for name, session in self._sessions.items():
            assert session.session_id  # makes it have one
            session._server_session.session_id = same  # type: ignore[union-attr]
            session.start_transaction()
            self._clients[name].bank.both.insert_one({"_id": number, "side": name}, session=session)
        self._prepared: dict[str, Timestamp] = {}

    def prepare(self) -> Timestamp:
        for name in self._clients:
            reply = self._send(name, SON([("prepareTransaction", 1), ("writeConcern", MAJORITY)]))
            self._prepared[name] = reply["prepareTimestamp"]
        return max(self._prepared.values())

    def commit(self, name: str, at: Timestamp) -> None:
        self._send(name, SON([("commitTransaction", 1), ("commitTimestamp", at), ("writeConcern", MAJORITY)]))

    def abort(self, name: str) -> None:
        self._send(name, SON([("abortTransaction", 1), ("writeConcern", MAJORITY)]))

    def _send(self, name: str, command: SON[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = self._clients[name].admin.command(command, session=self._sessions[name])
        return reply

    def close(self) -> None:
        for session in self._sessions.values():
            session._transaction.reset()  # it was ended by hand
            session.end_session()


def newest(cluster: Sharded) -> Timestamp:
    """A time that all shards have heard of."""
    times = [one.client.admin.command("appendOplogNote", 1, data={"n": 1}) for one in cluster.shards.values()]
    latest = max(times, key=lambda each: each["operationTime"])
    for one in cluster.shards.values():
        with one.client.start_session() as session:
            session.advance_cluster_time(latest["$clusterTime"])
            one.client.admin.command("appendOplogNote", 1, data={"n": 2}, session=session)
    at: Timestamp = latest["operationTime"]
    return at


FIRST, SECOND = "shard_0", "shard_1"
FATES = {"commits before it": True, "one side before it": True, "both after it": True, "later time": False,
         "aborts after it": False}  # fmt: skip


@pytest.mark.parametrize("base", ["before", "of it"])
@pytest.mark.parametrize("fate", FATES)
def test_whole_or_absent(cluster: Sharded, copy: Sharded, tmp_path: Path, fate: str, base: str) -> None:
    step_of: dict[str, list[Any]] = {}

    def tell(step: str) -> None:
        for act in step_of.pop(step, []):
            act()

    place = Place(tmp_path, cluster.uri, tell=tell)
    one_more = Distributed(cluster, 1)
    if base == "before":
        place.engine.snapshot()
    promised = one_more.prepare()

    def decide() -> None:
        """After the moment of the checkpoint, before its oplogs are copied so far that the end shows."""
        if fate == "both after it":
            one_more.commit(FIRST, promised)
            one_more.commit(SECOND, promised)
        elif fate == "one side before it":
            one_more.commit(SECOND, promised)
        elif fate == "later time":
            later = newest(cluster)
            one_more.commit(FIRST, later)
            one_more.commit(SECOND, later)
        elif fate == "aborts after it":
            one_more.abort(FIRST)
            one_more.abort(SECOND)

    if fate == "commits before it":
        one_more.commit(FIRST, promised)
        one_more.commit(SECOND, promised)
    if fate == "one side before it":
        one_more.commit(FIRST, promised)
    step_of["balancer: restarted"] = [decide]
    made = place.engine.checkpoint()
    assert (made.restorable, made.reasons) == (True, ())
    at = made.at
    read = {name: documents(one, "bank", "both", at) for name, one in cluster.shards.items()}
    place.restored(copy.sets, overwrite=True, checkpoint=made.id)
    there = {name: one.client.bank.both.count_documents({"_id": 1}) for name, one in copy.shards.items()}
    assert there == {FIRST: int(FATES[fate]), SECOND: int(FATES[fate])}
    assert {name: documents(one, "bank", "both") for name, one in copy.shards.items()} == read
    one_more.close()
    place.close()


def test_one_that_is_not_decided_makes_it_not_restorable_yet(cluster: Sharded, copy: Sharded, tmp_path: Path) -> None:
    place = Place(
        tmp_path, cluster.uri, Settings(sums=False, patience=Patience(transactions=0.5), first_snapshot=False)
    )
    open_ = Distributed(cluster, 1)
    place.engine.snapshot()
    promised = open_.prepare()
    made = place.engine.checkpoint()
    assert made.restorable is False
    assert any("how the transaction prepared at" in each for each in made.reasons)
    for name in cluster.shards:
        open_.commit(name, promised)
    place.engine.capture()
    assert any("is restorable again" in each for each in place.engine.review())
    place.restored(copy.sets, overwrite=True, checkpoint=made.id)
    assert [one.client.bank.both.count_documents({"_id": 1}) for one in copy.shards.values()] == [1, 1]
    open_.close()
    place.close()


def test_a_snapshot_between_promise_and_commit(cluster: Sharded, copy: Sharded, tmp_path: Path) -> None:
    """What was promised is in the oplog before the snapshot, and what came of it after."""
    later: list[Any] = []

    def tell(step: str) -> None:
        if step == "snapshot: data" and later:
            later.pop()()

    place = Place(tmp_path, cluster.uri, tell=tell)
    open_ = Distributed(cluster, 1)
    open_.prepare()

    def decide() -> None:
        at = newest(cluster)
        for name in cluster.shards:
            open_.commit(name, at)

    later.append(decide)
    taken = place.engine.snapshot()
    made = place.engine.checkpoint()
    assert len(place.catalogue.snapshots.list(taken.group, taken.cluster)) == 1
    place.restored(copy.sets, overwrite=True, snapshot=taken.id)
    assert [one.client.bank.both.count_documents({"_id": 1}) for one in copy.shards.values()] == [0, 0]
    place.restored(copy.sets, overwrite=True, checkpoint=made.id)
    assert [one.client.bank.both.count_documents({"_id": 1}) for one in copy.shards.values()] == [1, 1]
    open_.close()
    place.close()
