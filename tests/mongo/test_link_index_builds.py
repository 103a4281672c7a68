"""Indexes that the source has not got yet, and collections of the target that somebody dropped."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from link_stand import LinkStand, differences, linked
from mongo_stand import ReplicaSet, wait_until
from pymongo import TEXT
from pymongo.errors import OperationFailure

LONG = os.environ.get("REPMAN_LONG") == "1"


@pytest.fixture
def stand(source: ReplicaSet, target: ReplicaSet) -> Iterator[LinkStand]:
    with linked(source, target) as made:
        yield made


def texts(source: ReplicaSet, documents: int, words: int) -> None:
    chance = random.Random(1)
    for first in range(0, documents, 500):
        source.client.db.c.insert_many(
            {"_id": number, "t": " ".join(f"w{chance.randrange(10**9)}" for _ in range(words))}
            for number in range(first, min(documents, first + 500))
        )


def builds(source: ReplicaSet) -> list[dict[str, Any]]:
    look: list[dict[str, Any]] = [
        {"$currentOp": {"allUsers": True}},
        {"$match": {"command.createIndexes": "c", "progress.total": {"$gt": 0}}},
    ]
    return list(source.client.admin.aggregate(look))


@contextmanager
def being_built(source: ReplicaSet) -> Iterator[threading.Thread]:
    """The source builds an index that takes a while."""

    def build() -> None:
        with suppress(OperationFailure):  # aborted
            source.client.db.c.create_index([("t", TEXT)], name="slow")

    thread = threading.Thread(target=build)
    thread.start()
    try:
        wait_until(lambda: builds(source), what="the build to begin")
        yield thread
    finally:
        thread.join()


def incomplete(stand: LinkStand, documents: int, aborted: bool) -> None:
    """Clone while the source builds an index, and let it complete that or give it up."""
    source, target = stand.source, stand.target
    texts(source, documents, 1500)
    with being_built(source) as build:
        stand.start()
        stand.cloned()
        assert builds(source), "the build was over too early"
        assert set(target.client.db.c.index_information()) == {"_id_"}
        if aborted:
            source.client.db.c.drop_index("slow")
        build.join()
    stand.in_sync()
    stand.caught_up()
    assert ("slow" in target.client.db.c.index_information()) != aborted
    status = stand.finalized()
    assert "unsuccessfulIndexes" not in status["finalization"]
    assert differences(source, target) == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_an_index_that_is_being_built_is_made_once_it_is_complete(stand: LinkStand) -> None:
    incomplete(stand, 10_000 if LONG else 600, aborted=False)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_an_index_that_is_given_up_is_not_made(stand: LinkStand) -> None:
    incomplete(stand, 10_000 if LONG else 600, aborted=True)


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
