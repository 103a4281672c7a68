"""What is not a dead server is not taken for one, and what an operator forbade is not done."""

from __future__ import annotations

import contextlib
import time

import pymysql
from cluster import World, codes, refused, state
from mariadb_stand import USER, Server, wait_until

from repman.model.decision import ServerState

LOOKS = 8
"""Looks after which something that is going to be done would have been done."""


def nothing_happens(world: World, looks: int = LOOKS) -> None:
    """That many looks pass without a plan."""
    plan = world.repman.snapshot.plan
    for _ in range(looks):
        seen = world.repman.looked()
        assert seen.plan == plan, world.repman.shown()


def cut_off(server: Server) -> None:
    """End repman's sessions on a server, so that it has to connect anew."""
    account = server.monitor[0]
    sessions = f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{account}'"
    for (session,) in server.as_root(sessions):
        with contextlib.suppress(pymysql.Error):
            server.as_root(f"KILL {session}")


def test_a_paused_repman_watches_and_touches_nothing(world: World) -> None:
    with world.traffic() as traffic:
        old = world.writer
        world.restarted(monitoring_pause=True)
        old.kill()
        world.repman.until(lambda seen: "writer-dead" in codes(seen) and "paused" in refused(seen), "the refusal")
        nothing_happens(world)
        assert not any(world.is_open(server) for server in world.servers if server is not old)
        assert world.repman.ask("failover").refusals[0][0] == "paused"
        old.start()
        nothing_happens(world)
        assert not world.is_open(old)
        woken = time.monotonic()
        world.restarted()
        assert traffic.first_after(woken) < 15.0
        world.healthy()
    world.nothing_lost(traffic)


def test_in_manual_mode_a_failover_waits_for_a_person(world: World) -> None:
    with world.traffic() as traffic:
        old = world.writer
        world.restarted(failover_mode="manual")
        assert "manual-mode" in {refusal.code for refusal in world.repman.snapshot.blocked_by}
        old.kill()
        world.repman.until(lambda seen: "manual-mode" in refused(seen), "the refusal")
        nothing_happens(world)
        asked = time.monotonic()
        world.repman.done("failover")
        assert traffic.first_after(asked) < 10.0
        world.another_than(old)
        old.start()
        world.healthy(protected=False)
    world.nothing_lost(traffic)


def test_a_rejected_account_is_no_death(world: World) -> None:
    with world.traffic() as traffic:
        writer = world.writer
        user, password = writer.monitor
        writer.as_root("SET sql_log_bin=0", f"ALTER USER '{user}'@'%' IDENTIFIED BY 'another'")
        try:
            cut_off(writer)
            seen = world.repman.until(
                lambda seen: state(seen, writer) is ServerState.ERROR_AUTH, "the rejection to be shown"
            )
            assert "access-denied" in codes(seen)
            nothing_happens(world)
            assert world.repman.snapshot.writer == writer.address
            assert world.repman.ask("switchover").status == "refused"
            traffic.flows(50)
        finally:
            writer.as_root("SET sql_log_bin=0", f"ALTER USER '{user}'@'%' IDENTIFIED BY '{password}'")
        world.healthy()
        assert traffic.errors == []
    world.nothing_lost(traffic)


def test_a_wrong_password_in_the_configuration_moves_nothing(world: World) -> None:
    with world.traffic() as traffic:
        writer = world.writer
        world.restarted(db_servers_credential=f"{writer.monitor[0]}:wrong")
        seen = world.repman.looked()
        assert {view.state for view in seen.servers} == {ServerState.ERROR_AUTH}
        assert "access-denied" in codes(seen)
        nothing_happens(world)
        traffic.flows(50)
        world.restarted()
        world.healthy()
        assert world.only_open() is writer
    world.nothing_lost(traffic)


def test_a_full_connection_table_is_no_death(world: World) -> None:
    with world.traffic() as traffic, contextlib.ExitStack() as held:
        writer = world.writer
        connections: list[pymysql.Connection] = []
        root = pymysql.connect(unix_socket=writer.entry.socket, user=USER, autocommit=True)
        cursor = held.enter_context(contextlib.closing(root)).cursor()
        cursor.execute("SET GLOBAL max_connections=10")
        try:

            def full() -> bool:
                """Take every place, and throw repman out until it finds none."""
                for account in (writer.application, writer.monitor):
                    with contextlib.suppress(pymysql.Error, OSError):
                        while True:
                            connections.append(held.enter_context(contextlib.closing(writer.connect(account))))
                if "connections-exhausted" in codes(world.repman.snapshot):
                    return True
                mine = {connection.thread_id() for connection in connections}
                cursor.execute(f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{writer.monitor[0]}'")
                for (session,) in cursor.fetchall():
                    if session not in mine:
                        with contextlib.suppress(pymysql.Error):
                            cursor.execute(f"KILL {session}")
                return False

            wait_until(full, 20, "repman to find no connection left")
            nothing_happens(world, 4)
            assert world.repman.snapshot.writer == writer.address
            traffic.flows(50)
        finally:
            cursor.execute("SET GLOBAL max_connections=500")
        held.close()
        world.healthy()
    world.nothing_lost(traffic)


def test_a_name_without_address_is_no_death(world: World) -> None:
    with world.traffic() as traffic:
        writer, (lost, _) = world.writer, world.replicas
        hosts = [
            f"no-such-host.invalid:{server.entry.port}" if server is lost else server.address
            for server in world.servers
        ]
        world.restarted(db_servers_hosts=hosts)
        world.repman.until(lambda seen: "host-unresolved" in codes(seen), "the failed look-up to be shown")
        nothing_happens(world)
        assert world.only_open() is writer
        traffic.flows(50)
        world.restarted()
        world.healthy()
    world.nothing_lost(traffic)


def test_an_account_that_bypasses_read_only_is_a_problem(world: World) -> None:
    writer = world.writer
    assert "bypasses-read-only" not in codes(world.repman.looked())
    writer.as_root("CREATE USER x_mighty@localhost", "GRANT ALL ON *.* TO x_mighty@localhost")
    try:
        seen = world.repman.until(lambda seen: "bypasses-read-only" in codes(seen), "the problem")
        assert any("x_mighty" in problem.sentence for problem in seen.problems)
    finally:
        writer.as_root("DROP USER x_mighty@localhost")
    world.repman.until(lambda seen: "bypasses-read-only" not in codes(seen), "the end of the problem")


def test_a_replica_stopped_by_hand_is_resumed(world: World) -> None:
    replica = world.replicas[0]
    for half in ("", "IO_THREAD", "SQL_THREAD"):
        replica.run(f"STOP SLAVE {half}")
        world.healthy()


def test_a_replica_opened_by_hand_is_closed(world: World) -> None:
    replica = world.replicas[0]
    with world.traffic() as traffic:
        replica.run("SET GLOBAL read_only=0")
        wait_until(lambda: not world.is_open(replica), 10, "the replica to be closed")
        traffic.flows(20)
        world.healthy()
        assert traffic.errors == []
    world.nothing_lost(traffic)


def test_a_replica_of_the_wrong_source_is_moved(world: World) -> None:
    first, second = world.replicas
    account = world.sandbox.description.replication
    with world.traffic() as traffic:
        second.run(
            "STOP SLAVE",
            f"CHANGE MASTER TO MASTER_PORT={first.entry.port}, MASTER_USER='{account.user}', "
            f"MASTER_PASSWORD='{account.password}', MASTER_USE_GTID=slave_pos",
            "START SLAVE",
        )
        assert second.replica()["Master_Port"] in (first.entry.port, world.writer.entry.port)
        world.healthy()
    world.nothing_lost(traffic)


def test_a_replica_that_died_is_taken_back(world: World) -> None:
    replica = world.replicas[0]
    with world.traffic() as traffic:
        replica.kill()
        world.repman.until(lambda seen: state(seen, replica) is ServerState.FAILED, "its death to be shown")
        traffic.flows(50)
        replica.start()
        world.healthy()
        assert traffic.errors == []
    world.nothing_lost(traffic)
