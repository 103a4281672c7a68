"""HAProxy dies and comes back: it routes as before, whether the monitor lives or not."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import pymysql
import pytest
from cluster import World
from mariadb_stand import wait_until


@contextlib.contextmanager
def monitor_frozen(world: World) -> Iterator[None]:
    pid = world.repman.pid("monitor")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def reads(world: World) -> int | None:
    """The port of the server that a read session comes to."""
    try:
        with contextlib.closing(world.through_haproxy("read")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@port")
            return int(cursor.fetchone()[0])
    except (pymysql.Error, OSError):
        return None


@pytest.mark.parametrize("monitor", ["lives", "frozen"])
def test_haproxy_killed_and_restarted(world: World, monitor: str) -> None:
    with world.traffic() as traffic:
        writer = world.writer
        with monitor_frozen(world) if monitor == "frozen" else contextlib.nullcontext():
            world.sandbox.kill("haproxy")
            killed = time.monotonic()
            world.sandbox.start("haproxy")
            assert traffic.first_after(killed) < 10.0
            replicas = {server.entry.port for server in world.replicas}
            wait_until(lambda: reads(world) in replicas, 10, "reads to reach a replica")
            traffic.flows(50)
            assert world.in_maintenance() == []
            assert {reads(world) for _ in range(4)} <= replicas
        world.healthy()
        assert world.only_open() is writer
    world.nothing_lost(traffic)


def test_a_failover_while_haproxy_is_down(world: World) -> None:
    """HAProxy comes back to another writer than it left."""
    with world.traffic() as traffic:
        old = world.writer
        world.sandbox.kill("haproxy")
        old.kill()
        seen = world.repman.until(lambda seen: seen.writer != old.address and seen.writer_alive, "a new writer")
        assert "proxy-down" in {problem.code for problem in seen.problems} or world.repman.looked()
        world.sandbox.start("haproxy")
        started = time.monotonic()
        assert traffic.first_after(started) < 10.0
        old.start()
        world.healthy()
    world.nothing_lost(traffic)


def test_an_operators_maintenance_is_left_alone(world: World) -> None:
    replica = world.replicas[0]
    world.haproxy_says(f"set server service_read/{replica.entry.name} state maint")
    try:
        seen = world.repman.until(
            lambda seen: "proxy-maintenance" in {problem.code for problem in seen.problems}, "it to be shown"
        )
        assert seen.proxies[0].left_in_maintenance == (replica.address,)
        for _ in range(4):
            world.repman.looked()
        assert world.in_maintenance() == [f"service_read/{replica.entry.name}"]
    finally:
        world.haproxy_says(f"set server service_read/{replica.entry.name} state ready")
