from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mongo_stand import ReplicaSet

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
