from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoint_stand import Sharded
from mongo_stand import ReplicaSet
from monitor_stand import Watched

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def kept_source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    made = ReplicaSet(tmp_path_factory.mktemp("source"), "rs0")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def kept_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    made = ReplicaSet(tmp_path_factory.mktemp("target"), "rs1")
    yield made
    made.stop()


@pytest.fixture
def source(kept_source: ReplicaSet) -> ReplicaSet:
    """A replica set of one member, empty."""
    kept_source.empty()
    return kept_source


@pytest.fixture
def target(kept_target: ReplicaSet) -> ReplicaSet:
    """Another one."""
    kept_target.empty()
    return kept_target


@pytest.fixture(scope="session")
def kept_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sharded]:
    made = Sharded(tmp_path_factory.mktemp("cluster"))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def kept_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sharded]:
    made = Sharded(tmp_path_factory.mktemp("copy"), register=False)
    yield made
    made.stop()


@pytest.fixture
def cluster(kept_cluster: Sharded) -> Sharded:
    """Config servers and two shards, empty; the balancer runs."""
    kept_cluster.empty()
    return kept_cluster


@pytest.fixture
def copy(kept_copy: Sharded) -> Sharded:
    """The servers that a cluster is restored to; what was restored last may still be there."""
    return kept_copy


@pytest.fixture(scope="session")
def kept_watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    place = tmp_path_factory.mktemp("watched")
    members = ReplicaSet(place / "set", "docs", 3, oplog_mb=64)
    made = Watched(place, members)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        members.stop()


@pytest.fixture
def watched(kept_watched: Watched) -> Watched:
    """A set of three under ``repman serve`` and HAProxy, every member in its place."""
    for member in kept_watched.set.members:
        if member.process is None or member.process.poll() is not None:
            member.start()
    kept_watched.until_healthy()
    return kept_watched
