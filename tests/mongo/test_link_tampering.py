"""Somebody works on the target while a link does: what is not there any more cannot be changed, and holds nobody up.

Also connection strings that ask for what a link cannot work with.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from link_stand import LinkStand, differences, linked
from mongo_stand import ReplicaSet, wait_until

from repman.link.link import Link
from repman.link.options import LinkOptions
from repman.link.percona.flavour import PLACE
from repman.link.status import State


@pytest.fixture
def stand(source: ReplicaSet, target: ReplicaSet) -> Iterator[LinkStand]:
    with linked(source, target) as made:
        yield made


def test_changes_of_what_was_dropped_on_the_target(stand: LinkStand) -> None:
    here, there = stand.source.client.db, stand.target.client.db
    gone = ("indexed", "modified", "renamed", "dropped", "extended")
    for name in ("kept", *gone):
        here[name].insert_many([{"_id": number, "a": number} for number in range(10)])
        here[name].create_index("a", name="one")
        here[name].create_index("b", name="two", expireAfterSeconds=70)
    here.create_collection("seen", viewOn="kept", pipeline=[])
    stand.start()
    stand.in_sync()
    there.kept.drop_index("one")
    there.seen.drop()
    for name in gone:
        there[name].drop()

    here.kept.drop_index("one")
    here.indexed.drop_index("one")
    here.command("collMod", "modified", index={"name": "two", "hidden": True, "expireAfterSeconds": 80})
    here.command("collMod", "modified", validator={"a": {"$gt": -1}})
    here.renamed.rename("called_otherwise")
    here.dropped.drop()
    here.seen.drop()
    here.extended.create_index("c", name="three", unique=True, sparse=True)
    for name in ("kept", "indexed", "modified", "called_otherwise", "extended"):
        here[name].insert_one({"_id": "late", "a": 1})
    stand.caught_up()
    assert "unsuccessfulIndexes" not in stand.finalized()["finalization"]
    assert here.kept.index_information() == there.kept.index_information()
    for name in ("indexed", "modified", "called_otherwise", "extended"):
        assert [each["_id"] for each in there[name].find()] == ["late"]
    assert not {"dropped", "seen", "renamed"} & set(there.list_collection_names())


def test_options_of_connection_strings_that_would_be_in_the_way(source: ReplicaSet, target: ReplicaSet) -> None:
    """One connection to one member only, and reads and writes of whatever is there."""
    source.client.db.c.insert_many([{"_id": number, "x": "x" * 1000} for number in range(2000)])
    weak = f"replicaSet={target.name}&readPreference=secondary&readConcernLevel=local&w=0&retryWrites=false"
    options = ("directConnection=true&maxPoolSize=1&appName=another", weak)
    uris = [
        f"mongodb://{side.members[0].address}/?{each}" for side, each in zip((source, target), options, strict=True)
    ]
    link = Link(uris[0], uris[1], PLACE)
    link.open()
    try:
        link.start(LinkOptions(segment_bytes=100_000, apply_workers=8))
        wait_until(lambda: link.status().initial_sync_completed, what="the initial sync")
        source.client.db.c.insert_many([{"_id": 5000 + number} for number in range(500)])
        link.finalize()
        wait_until(lambda: link.status().state is State.FINALIZED, what="the end")
    finally:
        link.close()
    assert differences(source, target) == []
