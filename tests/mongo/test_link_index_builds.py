"""Indexes that the source has not got yet, and collections of the target that somebody dropped."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from link_stand import LONG, LinkStand, differences, linked
from mongo_stand import ReplicaSet, wait_until
from pymongo.errors import OperationFailure

DOCUMENTS = 100_000 if LONG else 500


@pytest.fixture
def stand(source: ReplicaSet, target: ReplicaSet) -> Iterator[LinkStand]:
    with linked(source, target) as made:
        yield made


def reconfigure(source: ReplicaSet, change: Callable[[list[dict[str, Any]]], object]) -> None:
    config = source.client.admin.command("replSetGetConfig")["config"]
    config["version"] += 1
    change(config["members"])
    source.client.admin.command("replSetReconfig", config)


@pytest.fixture
def waiting(source: ReplicaSet) -> Iterator[ReplicaSet]:
    """The source with a member that never comes, for which an index build can be told to wait."""
    member = {"_id": 1, "host": "127.0.0.1:1", "votes": 0, "priority": 0}
    reconfigure(source, lambda members: members.append(member))
    yield source
    reconfigure(source, lambda members: members.pop())


@contextmanager
def being_built(source: ReplicaSet) -> Iterator[threading.Thread]:
    """The source builds an index, and completes it when it is allowed to."""
    data = source.client.db

    def build() -> None:
        with suppress(OperationFailure):  # aborted
            data.command("createIndexes", "c", indexes=[{"key": {"t": "text"}, "name": "slow"}], commitQuorum=2)

    def begun() -> bool:
        look: list[dict[str, Any]] = [{"$currentOp": {}}, {"$match": {"command.createIndexes": "c"}}]
        return bool(list(source.client.admin.aggregate(look))) and "slow" in data.c.index_information()

    thread = threading.Thread(target=build)
    thread.start()
    try:
        wait_until(begun, what="the build to begin")
        yield thread
    finally:
        with suppress(OperationFailure):  # it is over
            data.command("setIndexCommitQuorum", "c", indexNames=["slow"], commitQuorum=1)
        thread.join()


def incomplete(stand: LinkStand, end: Callable[[ReplicaSet], object], expected: bool) -> None:
    """Clone while the source builds an index, which then comes to an end."""
    source, target = stand.source, stand.target
    chance = random.Random(1)
    source.client.db.c.insert_many(
        {"_id": number, "t": " ".join(f"w{chance.randrange(1000)}" for _ in range(20))} for number in range(DOCUMENTS)
    )
    with being_built(source) as build:
        stand.start()
        stand.in_sync()
        assert build.is_alive()
        assert set(target.client.db.c.index_information()) == {"_id_"}
        end(source)
        build.join()
    stand.caught_up()
    assert ("slow" in target.client.db.c.index_information()) == expected
    assert "unsuccessfulIndexes" not in stand.finalized()["finalization"]
    assert differences(source, target) == []


def complete(source: ReplicaSet) -> None:
    source.client.db.command("setIndexCommitQuorum", "c", indexNames=["slow"], commitQuorum=1)


@pytest.mark.long
def test_an_index_that_is_being_built_is_made_once_it_is_complete(waiting: ReplicaSet, stand: LinkStand) -> None:
    incomplete(stand, complete, expected=True)


@pytest.mark.long
def test_an_index_that_is_given_up_is_not_made(waiting: ReplicaSet, stand: LinkStand) -> None:
    incomplete(stand, lambda source: source.client.db.c.drop_index("slow"), expected=False)


def test_indexes_of_a_collection_that_was_dropped_on_the_target(stand: LinkStand) -> None:
    source, target = stand.source, stand.target
    source.client.db.c.insert_one({"_id": 1})
    source.client.db.c.create_index("a")
    stand.start()
    stand.cloned()
    target.client.db.c.drop()
    source.client.db.c.drop_index("a_1")
    source.client.db.c.drop()
    stand.in_sync()
    stand.caught_up()
    stand.finalized()
    assert differences(source, target) == []
