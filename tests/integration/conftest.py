"""Real servers for tests: every sandbox made by a test is destroyed after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import World
from mariadb_stand import Stand

from repman.errors import SandboxError
from repman.orchestrators.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSandbox]:
    """Make a sandbox: ``sandbox(servers=3, haproxy=False, start=True, ...)``."""
    made: list[Path] = []

    def make(
        servers: int = 3,
        *,
        haproxy: bool = False,
        start: bool = True,
        directory: Path | None = None,
        cluster: str = "test",
        probes_port: int | None = None,
    ) -> Sandbox:
        place = directory or tmp_path_factory.mktemp("sandbox") / "s"
        made.append(place)
        new = Sandbox.create(place, servers, haproxy=haproxy, cluster=cluster, probes_port=probes_port)
        if start:
            new.start_all()
        return new

    yield make
    for place in made:
        if place.exists():
            try:
                Sandbox.destroy_at(place)
            except SandboxError as error:
                if (place / "sandbox.json").exists():
                    raise AssertionError(f"the sandbox of this test could not be destroyed: {error}") from error


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A whole cluster with HAProxy and repman, bootstrapped; made once, for it takes seconds."""
    world = World(tmp_path_factory.mktemp("world"))
    try:
        world.begin()
        yield world
    finally:
        world.destroy()


@pytest.fixture(scope="module")
def served(shared_world: World) -> Iterator[World]:
    """The shared cluster with its API."""
    with shared_world.serving():
        yield shared_world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The shared cluster, healthy and protected; every test must leave it so."""
    yield shared_world
    try:
        shared_world.restore()
    except BaseException:
        print(shared_world.repman.shown())
        shared_world.rebuild()
        raise


@pytest.fixture(scope="session")
def three_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Three database servers alone, made once."""
    place = tmp_path_factory.mktemp("servers") / "s"
    servers = Sandbox.create(place, 3, haproxy=False, cluster="test")
    try:
        servers.start_all()
        yield Stand(servers)
    finally:
        Sandbox.destroy_at(place)


@pytest.fixture
def stand(three_servers: Stand) -> Iterator[Stand]:
    """The three servers, empty and read-only, with a driver that has not looked at them yet."""
    three_servers.reset()
    three_servers.driver = three_servers.new_driver()
    yield three_servers
    three_servers.end_test()
