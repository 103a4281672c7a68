"""What the source has is listed while its collections are given other names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from mongo_stand import ReplicaSet

from repman.link.connection import Cluster
from repman.link.listing import find_by_uuid, list_source, looked_into
from repman.link.namespaces import Everything

NEVER = threading.Event()


@pytest.fixture
def cluster(source: ReplicaSet) -> Iterator[Cluster]:
    made = Cluster(source.uri, "source")
    made.connect()
    yield made
    made.close()


@contextmanager
def changing(source: ReplicaSet) -> Iterator[None]:
    """Two collections exchange their names all the time; a third is dropped and made again, sometimes as a view."""
    stop = threading.Event()
    data = source.client.db

    def exchange() -> None:
        number = 0
        while not stop.is_set():
            data.a.rename("tmp")
            data.b.rename("a")
            data.tmp.rename("b")
            data.z.drop()
            number += 1
            data.create_collection("z", **({"viewOn": "a", "pipeline": []} if number % 2 else {}))

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_indexes_are_those_of_the_collection_that_was_listed(source: ReplicaSet, cluster: Cluster) -> None:
    data = source.client.db
    data.a.create_index("of_a")
    data.b.create_index("of_b")
    data.create_collection("z")
    wanted = {each.collection.key: set(each.collection.indexes) for each in list_source(cluster, Everything(), NEVER)}
    assert sorted(map(sorted, wanted.values())) == [[], ["of_a_1"], ["of_b_1"]]
    with changing(source):
        for _ in range(40):
            for each in list_source(cluster, Everything(), NEVER):
                found = each.collection
                assert set(found.indexes) == wanted.get(found.key, set()), found
            for key, indexes in wanted.items():
                if indexes and (now := find_by_uuid(cluster, "db", key)) is not None:
                    assert set(looked_into(cluster, now).collection.indexes) == indexes
