"""The writer dies under writers: nothing acknowledged is lost, and it comes back as a replica."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import pymysql
import pytest
from cluster import World, codes, state
from cluster_traffic import DATABASE
from mariadb_stand import Server, wait_until

from repman.model.decision import ServerState

ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))
SOON = 10.0
"""Seconds that are plenty on a busy machine; the figures are measured by the benches."""


def test_kill_of_the_writer(world: World) -> None:
    with world.traffic() as traffic:
        before = world.repman.snapshot.failovers
        old = world.writer
        old.kill()
        assert traffic.first_after(time.monotonic()) < SOON
        world.another_than(old)
        traffic.flows(50)
        old.start()
        seen = world.healthy()
        assert seen.failovers == before + 1
        traffic.flows(50)
    world.nothing_lost(traffic)


@pytest.mark.parametrize("pause", [0.0, 0.2, 1.0])
def test_kill_of_the_writer_that_is_started_again(world: World, pause: float) -> None:
    """Whoever is quicker, failover or return: one writer, nothing lost."""
    with world.traffic() as traffic:
        old = world.writer
        old.kill()
        killed = time.monotonic()
        again = threading.Timer(pause, old.start)
        again.start()
        assert traffic.first_after(killed) < SOON
        again.join()
        world.healthy()
        traffic.flows(50)
    world.nothing_lost(traffic)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("how", ["kill", "restart", "freeze"])
def test_many_deaths_in_a_row(world: World, how: str) -> None:
    for seed in range(ROUNDS):
        with world.traffic(threads=8) as traffic:
            old = world.writer
            if how == "freeze":
                old.freeze()
            else:
                old.kill()
            died = time.monotonic()
            if how == "restart":
                threading.Event().wait((seed % 10) * 0.05)
                old.start()
            assert traffic.first_after(died) < SOON
            traffic.flows(50)
            if how == "kill":
                old.start()
            world.healthy()
        world.nothing_lost(traffic)


def test_a_frozen_writer_is_killed_and_restarted_as_a_replica(world: World) -> None:
    with world.traffic() as traffic:
        old = world.writer
        pid = world.sandbox.pid(old.entry.name)
        old.freeze()
        assert traffic.first_after(time.monotonic()) < SOON
        world.another_than(old)
        with contextlib.suppress(TypeError, ProcessLookupError):
            old.thaw()
        world.healthy()
        assert world.sandbox.pid(old.entry.name) not in (None, pid)
        traffic.flows(50)
    world.nothing_lost(traffic)


def test_a_frozen_writer_that_nobody_controls_acknowledges_nothing_when_it_wakes(world: World) -> None:
    world.restarted(prov_orchestrator="onpremise", sandbox_directory=None)
    world.healthy()
    old = world.writer
    told: list[str] = []

    def write_there() -> None:
        with contextlib.suppress(pymysql.Error, OSError):
            for number in range(10_000):
                cursor.execute(f"INSERT INTO {DATABASE}.direct VALUES ({number})")
                told.append(f"{number}")

    with world.traffic() as traffic, contextlib.closing(old.connect(old.application, read_timeout=60)) as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE OR REPLACE TABLE {DATABASE}.direct (number INT PRIMARY KEY)")
        old.freeze()
        frozen = time.monotonic()
        writing = threading.Thread(target=write_there)  # lies in its socket until it wakes up
        writing.start()
        assert traffic.first_after(frozen) < SOON
        new = world.another_than(old)
        traffic.flows(50)
        old.thaw()
        wait_until(lambda: not world.is_open(old) and old.value("@@read_only") == 1, 10, "the old writer to be fenced")
        writing.join(10)
        assert not writing.is_alive()
        assert told == []
        seen = world.repman.until(
            lambda seen: state(seen, old) is ServerState.SLAVE or ("diverged" in codes(seen)), "its end to be shown"
        )
        assert seen.writer == new.address
        traffic.flows(50)
    world.nothing_lost(traffic)
    world.rebuild()


def extra_transactions(world: World, old: Server, count: int = 3) -> list[threading.Thread]:
    """Commits on the writer that no replica ever receives: they wait for an acknowledgement until it dies."""
    clients = []
    for replica in world.replicas:
        replica.run("STOP SLAVE IO_THREAD")
    waiting = old.value("COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE '%semi%'")

    def insert(number: int) -> None:
        with contextlib.suppress(pymysql.Error, OSError):
            old.write(f"INSERT INTO {DATABASE}.extra VALUES ({number})")

    for number in range(count):
        client = threading.Thread(target=insert, args=(number,))
        client.start()
        clients.append(client)
    semi = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app' AND COMMAND = 'Query'"
    wait_until(lambda: old.run(semi)[0][0] >= waiting + count, 10, "commits to wait for an acknowledgement")
    return clients


@pytest.mark.parametrize("role", ["semi-sync replica", "plain"])
def test_transactions_that_were_never_acknowledged(world: World, role: str) -> None:
    """They go away when the old writer restarts as a semi-sync replica; else it has diverged and is left alone."""
    old = world.writer
    old.write(f"CREATE DATABASE IF NOT EXISTS {DATABASE}", f"CREATE OR REPLACE TABLE {DATABASE}.extra (number INT)")
    world.repman.kill()
    clients = extra_transactions(world, old)
    tail = old.value("@@gtid_binlog_pos")
    old.kill()
    for client in clients:
        client.join(10)
    for server in world.servers:
        if server is not old:
            server.run("START SLAVE IO_THREAD")
    world.repman.start()
    new = world.repman.until(lambda seen: seen.writer != old.address and seen.writer_alive, "a new writer")
    new = world.server(new.writer)
    assert new.value("@@gtid_binlog_pos") != tail
    if role == "plain":
        started_as_it_was(world, old)
        world.repman.until(lambda seen: "diverged" in codes(seen), "the divergence to be shown")
        assert not old.replica()
        assert not world.is_open(old)
        assert old.value(f"COUNT(*) > 0 FROM {DATABASE}.extra") == 1
        world.rebuild()
    else:
        old.start()
        world.healthy()
        assert old.run(f"SELECT COUNT(*) FROM {DATABASE}.extra") == ((0,),)


def started_as_it_was(world: World, old: Server) -> None:
    """Start it as a source, so that it recovers what it had prepared, then again as repman would."""
    config = Path(world.sandbox.server(old.entry.name).config)
    text = config.read_text()
    try:
        changed = text.replace("init_rpl_role = SLAVE", "init_rpl_role = MASTER")
        config.write_text(changed.replace("rpl_semi_sync_slave_enabled = 1", "rpl_semi_sync_slave_enabled = 0"))
        old.start()
    finally:
        config.write_text(text)


def stopped_applier(server: Server) -> contextlib.AbstractContextManager[None]:
    """A table lock on the replica: it receives and cannot apply, and its applier counts as running."""

    @contextlib.contextmanager
    def held():
        with contextlib.closing(server.connect()) as connection:
            with connection.cursor() as cursor:
                cursor.execute("FLUSH TABLES WITH READ LOCK")
            yield

    return held()


def backlog(server: Server) -> bool:
    told = server.replica()
    return told["Gtid_IO_Pos"] != server.value("@@gtid_slave_pos")


def test_a_received_backlog_is_applied_before_anybody_is_promoted(world: World) -> None:
    with world.traffic() as traffic:
        old, replicas = world.writer, world.replicas
        with contextlib.ExitStack() as locks:
            for replica in replicas:
                locks.enter_context(stopped_applier(replica))
            traffic.flows(200)
            assert all(backlog(replica) for replica in replicas)
            old.kill()
            killed = time.monotonic()
            world.repman.until(lambda seen: seen.in_failover or not seen.writer_alive, "the death to be seen")
            assert not [replica for replica in replicas if world.is_open(replica)]
        assert traffic.first_after(killed) < SOON
        traffic.flows(50)
        old.start()
        world.healthy()
    world.nothing_lost(traffic)


def test_a_stopped_applier_is_no_loss(world: World) -> None:
    with world.traffic() as traffic:
        old, replicas = world.writer, world.replicas
        for replica in replicas:
            replica.run("STOP SLAVE SQL_THREAD")
        traffic.flows(20)
        old.kill()
        assert traffic.first_after(time.monotonic()) < SOON
        traffic.flows(50)
        old.start()
        world.healthy()
    world.nothing_lost(traffic)


def test_the_replica_whose_receiver_stood_still_is_not_chosen(world: World) -> None:
    """It is in maintenance and stays alone, so writes wait until the old writer acknowledges."""
    with world.traffic() as traffic:
        old, (behind, ahead) = world.writer, world.replicas
        world.repman.ask("maintenance", behind.address, on=True)
        behind.run("STOP SLAVE IO_THREAD")
        traffic.flows(100)
        old.kill()
        killed = time.monotonic()
        world.repman.until(lambda seen: seen.writer == ahead.address and "no-acker" in codes(seen), "the new writer")
        assert world.only_open() is ahead
        assert behind.replica()["Slave_IO_Running"] == "No"
        old.start()
        assert traffic.first_after(killed) < SOON
        traffic.flows(50)
        world.repman.ask("maintenance", behind.address, on=False)
        world.healthy()
    world.nothing_lost(traffic)


def test_the_winner_fetches_from_the_most_advanced_that_may_not_be_elected(world: World) -> None:
    old, (behind, ignored) = world.writer, world.replicas
    world.restarted(db_servers_ignored_hosts=[ignored.address])
    world.healthy()
    with world.traffic() as traffic:
        world.repman.ask("maintenance", behind.address, on=True)
        behind.run("STOP SLAVE IO_THREAD")
        traffic.flows(100)
        old.kill()
        killed = time.monotonic()
        world.repman.ask("maintenance", behind.address, on=False)
        assert traffic.first_after(killed) < SOON
        assert world.another_than(old) is behind
        traffic.flows(50)
        old.start()
        world.healthy()
    world.nothing_lost(traffic)


def test_the_count_would_show_a_loss(world: World) -> None:
    """Positive control: without semi-sync, with replicas that receive nothing, acknowledged writes are lost."""
    world.restarted(failover_semisync_state=False)
    with world.traffic() as traffic:
        old = world.writer
        old.run("SET GLOBAL rpl_semi_sync_master_enabled=0")
        for replica in world.replicas:
            world.repman.ask("maintenance", replica.address, on=True)
            replica.run("STOP SLAVE IO_THREAD")
        traffic.flows(200)
        old.kill()
        for replica in world.replicas:
            replica.run("START SLAVE IO_THREAD")
            world.repman.ask("maintenance", replica.address, on=False)
        world.repman.until(lambda seen: seen.writer != old.address and seen.writer_alive, "a new writer")
        traffic.stop()
        assert len(traffic.lost(world.only_open())) > 100
    world.rebuild()
