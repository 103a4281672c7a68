"""Pairs of writes go on while checkpoints are made: no restored one has a second without its first."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bson import Timestamp
from checkpoint_stand import Place, Sharded, documents
from mongo_stand import ReplicaSet, wait_until

ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))


class Transfers:
    """Takes from an account on one shard, and then gives to one on the other, in causal sessions, until it is ended."""

    def __init__(self, cluster: Sharded, source: str, target: str, first: int) -> None:
        self._giver, self._taker = cluster.shards[source].client, cluster.shards[target].client
        self._first, self.made = first, 0
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            with self._giver.start_session() as one, self._taker.start_session() as other:
                while not self._ending.is_set():
                    number = self._first + self.made
                    self._giver.bank.taken.insert_one({"_id": number, "pad": "x" * 200}, session=one)
                    self._giver.bank.accounts.update_one({"_id": number % 50}, {"$inc": {"n": -1}}, True, session=one)
                    assert one.cluster_time is not None
                    other.advance_cluster_time(one.cluster_time)
                    self._taker.bank.given.insert_one({"_id": number, "pad": "y" * 200}, session=other)
                    self._taker.bank.accounts.update_one({"_id": number % 50}, {"$inc": {"n": 1}}, True, session=other)
                    self.made += 1
        except BaseException as error:  # noqa: BLE001
            self._failure = error

    def end(self) -> None:
        self._ending.set()
        self._thread.join()
        assert self._failure is None, self._failure


@contextlib.contextmanager
def under_transfers(cluster: Sharded) -> Iterator[list[Transfers]]:
    both = [Transfers(cluster, "shard_0", "shard_1", 0), Transfers(cluster, "shard_1", "shard_0", 10**9)]
    try:
        yield both
    finally:
        for each in both:
            each.end()


def seconds_alone(shards: dict[str, ReplicaSet]) -> set[int]:
    """The transfers that were given and not taken."""
    ids = {
        name: {each["_id"] for one in shards.values() for each in one.client.bank[name].find({}, {"_id": 1})}
        for name in ("taken", "given")
    }
    return ids["given"] - ids["taken"]


def as_read(cluster: Sharded, at: Timestamp) -> dict[tuple[str, str], tuple[int, str]]:
    names = ("taken", "given", "accounts")
    return {(shard, name): documents(one, "bank", name, at) for shard, one in cluster.shards.items() for name in names}


def check_rounds(cluster: Sharded, copy: Sharded, directory: Path, rounds: int) -> None:
    place = Place(directory, cluster.uri)
    read, made = {}, []
    with under_transfers(cluster) as transfers:
        for _ in range(rounds):
            before = transfers[0].made
            wait_until(lambda before=before: transfers[0].made > before + 20, 20, "transfers")
            made.append(place.engine.checkpoint())
            at = made[-1].at
            assert at is not None
            read[made[-1].id] = as_read(cluster, at)
    assert [each.reasons for each in made] == [()] * rounds
    assert cluster.balancer() == "full"
    for each in made:
        place.restored(copy.sets, overwrite=True, checkpoint=each.id)
        assert seconds_alone(copy.shards) == set()
        found = {(shard, name): documents(copy.shards[shard], "bank", name) for shard, name in read[each.id]}
        assert found == read[each.id]
    last = [number for number, _ in found.values()]
    assert min(last) > 0
    place.close()


def test_a_restored_checkpoint_never_shows_a_second_without_its_first(
    cluster: Sharded, copy: Sharded, tmp_path: Path
) -> None:
    check_rounds(cluster, copy, tmp_path, ROUNDS)
    # Control: the check sees a first that is missing.
    copy.shards["shard_0"].client.bank.taken.delete_one({})
    assert len(seconds_alone(copy.shards)) <= 1
    copy.shards["shard_0"].client.bank.taken.delete_many({})
    assert seconds_alone(copy.shards) != set()


@pytest.mark.long
def test_twenty_checkpoints_under_load(cluster: Sharded, copy: Sharded, tmp_path: Path) -> None:
    check_rounds(cluster, copy, tmp_path, 20)
