"""The writer is moved while it lives: nothing is lost, and what cannot complete is undone."""

from __future__ import annotations

import contextlib

import pytest
from cluster import World, at_step
from cluster_traffic import Traffic
from mariadb_stand import wait_until

from repman.model.plan import StepKind

BACK_WITHIN = 10.0
"""Seconds that are plenty on a busy machine; bench/switchover.py measures what an undone switchover costs."""


def roles(world: World) -> list[tuple[bool, str]]:
    """What a refusal must leave as it is."""
    return [(world.is_open(server), (server.replica() or {}).get("Master_Port", "")) for server in world.servers]


def test_the_best_replica_takes_over(world: World) -> None:
    with world.traffic() as traffic:
        old = world.writer
        receipt = world.repman.done("switchover")
        new = world.only_open()
        assert new is not old
        assert receipt.new_writer == new.address
        traffic.flows(50)
        world.healthy()
        assert traffic.longest_gap() < 5.0
    world.nothing_lost(traffic)


def test_the_wished_server_takes_over(world: World) -> None:
    with world.traffic() as traffic:
        wished = world.replicas[-1]
        world.repman.done("switchover", wished.address)
        assert world.only_open() is wished
        traffic.flows(50)
        again = world.repman.ask("switchover", wished.address)
        assert again.status == "unchanged"
        world.healthy()
    world.nothing_lost(traffic)


def test_the_preferred_server_takes_over(world: World) -> None:
    preferred = world.replicas[-1]
    world.restarted(db_servers_prefered_master=[preferred.entry.name])
    world.healthy()
    world.repman.done("switchover")
    assert world.only_open() is preferred
    world.healthy()


def test_a_switchover_that_may_not_be_changes_nothing(world: World) -> None:
    first, second = world.replicas
    world.restarted(db_servers_ignored_hosts=[second.address], switchover_max_slave_delay=1)
    world.healthy()
    before = roles(world)

    unknown = world.repman.ask("switchover", "127.0.0.1:1")
    assert (unknown.status, [code for code, _ in unknown.refusals]) == ("refused", ["unknown-server"])

    ignored = world.repman.ask("switchover", second.address)
    assert (ignored.status, [code for code, _ in ignored.refusals]) == ("refused", ["candidate-unfit"])
    assert "db-servers-ignored-hosts" in ignored.sentence

    world.repman.ask("maintenance", first.address, on=True)
    held = world.repman.ask("switchover", first.address)
    assert held.status == "refused"
    assert "maintenance" in held.sentence
    nobody = world.repman.ask("switchover")
    assert [code for code, _ in nobody.refusals] == ["no-candidate"]
    assert roles(world) == before

    first.run("STOP SLAVE SQL_THREAD")
    stopped = world.repman.ask("switchover", first.address)
    assert stopped.status == "refused"
    assert "does not replicate" in stopped.sentence
    first.run("START SLAVE SQL_THREAD")
    assert roles(world) == before
    world.repman.ask("maintenance", first.address, on=False)


def test_a_late_replica_is_refused(world: World) -> None:
    late = world.replicas[0]
    world.restarted(switchover_max_slave_delay=1)
    world.healthy()
    with world.traffic(threads=2) as traffic, contextlib.closing(late.connect()) as lock:
        with lock.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
        world.repman.until(
            lambda seen: any((link.lag or 0) > 1 for link in seen.server(late.address).seen.links), "its lag"
        )
        before = roles(world)
        receipt = world.repman.ask("switchover", late.address)
        assert receipt.status == "refused"
        assert "late" in receipt.sentence
        assert roles(world) == before
        traffic.flows(20)
    world.nothing_lost(traffic)


def undone_by_a_freeze(world: World, traffic: Traffic, step: StepKind) -> bool:
    """Freeze the target when the plan has come to that step; False when the switchover was quicker."""
    old, target = world.writer, world.replicas[0]
    world.repman.until(lambda seen: all((link.lag or 0) < 1 for link in seen.server(target.address).seen.links), "calm")
    thread, came = world.repman.in_background("switchover", target.address)
    world.repman.until(lambda seen: at_step(seen, step), f"the step {step}")
    with world.frozen(target):
        thread.join(30)
        assert came
        if came[0].status == "done":
            return False
        assert came[0].status == "failed"
        assert target.address in came[0].sentence
        assert world.only_open() is old
        traffic.flows(20)
        assert traffic.longest_gap() < BACK_WITHIN
    return True


@pytest.mark.parametrize("step", [StepKind.CATCH_UP, StepKind.ROUTE_AWAY, StepKind.FENCE])
def test_a_switchover_whose_target_hangs_is_undone(world: World, step: StepKind) -> None:
    """The old writer takes writes again at once, and the receipt says why."""
    undone = False
    for _ in range(5):
        with world.traffic() as traffic:
            undone = undone_by_a_freeze(world, traffic, step)
            world.healthy()
        world.nothing_lost(traffic)
        if undone:
            return
    pytest.fail("the switchover was always quicker than the freeze")


def test_a_target_that_cannot_be_followed_is_given_up(world: World) -> None:
    """Everything up to the promotion works; then nobody can follow the new writer, so the old one is opened again."""
    with world.traffic() as traffic:
        old, target = world.writer, world.replicas[0]
        account = world.sandbox.description.replication
        target.as_root("SET sql_log_bin=0", f"ALTER USER '{account.user}'@'%' ACCOUNT LOCK")
        try:
            receipt = world.repman.ask("switchover", target.address)
            assert receipt.status == "failed"
            assert "follow" in receipt.sentence
            assert world.only_open() is old
            traffic.flows(20)
            assert traffic.longest_gap() < BACK_WITHIN
        finally:
            target.as_root("SET sql_log_bin=0", f"ALTER USER '{account.user}'@'%' ACCOUNT UNLOCK")
        world.healthy()
    world.nothing_lost(traffic)


def test_a_failover_of_a_healthy_writer_is_refused_and_when_forced_a_switchover(world: World) -> None:
    with world.traffic() as traffic:
        old = world.writer
        receipt = world.repman.ask("failover")
        assert (receipt.status, [code for code, _ in receipt.refusals]) == ("refused", ["writer-alive"])
        assert world.only_open() is old
        world.repman.done("failover", force=True)
        assert world.only_open() is not old
        traffic.flows(20)
        world.healthy()
    world.nothing_lost(traffic)


def test_a_long_write_forbids_a_switchover(world: World) -> None:
    world.restarted(switchover_wait_write_query=1)
    world.healthy()
    before = roles(world)
    with contextlib.closing(world.through_haproxy()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS long_write")
        cursor.execute("CREATE OR REPLACE TABLE long_write.t (id INT PRIMARY KEY) ENGINE=InnoDB")
        connection.begin()
        cursor.execute("INSERT INTO long_write.t VALUES (1)")
        # Previews change nothing, so they can be asked until the write has grown old.
        wait_until(
            lambda: "long-write" in str(world.repman.ask("preview", preview_of="switchover").preview),
            what="the transaction to be an old one",
        )
        refused = world.repman.ask("switchover")
        assert refused.status == "refused"
        assert [code for code, _ in refused.refusals] == ["long-write"]
        assert roles(world) == before
        connection.commit()
        cursor.execute("DROP DATABASE long_write")
    world.repman.done("switchover")
    world.healthy()
