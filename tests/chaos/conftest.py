"""A cluster of its own for each chaos run: what a run leaves behind is nobody else's matter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster import World, free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "arena" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.integration)


@pytest.fixture
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three servers, HAProxy and all of repman's processes, bootstrapped."""
    world = World(tmp_path_factory.mktemp("chaos"))
    world.standard = {"http_server": True, "http_port": free_port()}
    try:
        world.begin()
        yield world
    finally:
        world.destroy()
