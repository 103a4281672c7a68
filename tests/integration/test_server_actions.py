"""Wishes about single servers, on a real cluster: what each does to the servers, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cluster import World, codes, refused, state
from http_api import Api
from mariadb_stand import Server, wait_until

from repman.model.command import Receipt
from repman.model.decision import ServerState


@pytest.fixture
def world(served: World) -> Iterator[World]:
    """The shared cluster with its API; nothing that operators wished is left behind, whatever a test ended in."""
    yield served
    repman = served.repman
    for server in served.servers:
        repman.ask("hold", server.address, on=False)
        repman.ask("maintenance", server.address, on=False)
        repman.ask("start-server", server.address)
    served.restore()
    no_replica_wrote_anything(served)


def no_replica_wrote_anything(world: World) -> None:
    """What a replica has of its own in its binary log it wrote while it was the writer, so the writer of now has it."""
    known = world.writer.value("@@global.gtid_binlog_state").split(",")
    for replica in world.replicas:
        ours = f"-{replica.value('@@global.server_id')}-"
        own = [gtid for gtid in replica.value("@@global.gtid_binlog_state").split(",") if ours in gtid]
        assert set(own) <= set(known), f"{replica.entry.name} wrote {own}; the writer knows {known}"


def act(world: World, server: Server, action: str, status: int = 200, **parameters: object) -> str:
    """An action on a server, as clients ask for it; returns the codes of a refusal or the status of the receipt."""
    answer = Api(world).post(f"servers/{server.entry.name}/{action}", **parameters)
    assert answer.status_code == status, answer.text
    told = answer.json()
    return " ".join(reason["code"] for reason in told["reasons"]) or str(told["status"])


def test_a_held_server_is_left_alone_also_by_the_next_monitor(world: World) -> None:
    repman, held = world.repman, world.replicas[0]
    assert repman.ask("hold", world.writer.address, reason="x").refusals[0][0] == "is-writer"

    receipt = repman.done("hold", held.address, reason="job 7")
    seen = repman.snapshot
    assert "job 7" in receipt.sentence
    assert seen.server(held.address).held == "job 7"  # type: ignore[union-attr]
    assert state(seen, held) is ServerState.MAINTENANCE
    assert "held" in codes(seen)
    assert held.address not in seen.routes.readers
    assert repman.ask("hold", held.address, reason="job 7").status == "unchanged"
    assert repman.ask("hold", held.address, reason="job 8").refusals[0][0] == "already-held"

    before = len(repman.plans())
    repman.kill()
    world.restarted()
    held.run("STOP SLAVE")
    repman.until(
        lambda seen: seen.at > 0 and not held_replicates(world, held.address), "the stopped replica to be seen"
    )
    for _ in range(3):
        seen = repman.looked()
    assert seen.server(held.address).held == "job 7"  # type: ignore[union-attr]
    assert held.replica()["Slave_IO_Running"] == "No"
    assert len(repman.plans()) == before
    assert refused(repman.snapshot) == set()

    repman.done("hold", held.address, on=False)
    world.healthy()
    assert held.replica()["Slave_IO_Running"] == "Yes"


def held_replicates(world: World, address: str) -> bool:
    view = world.repman.snapshot.server(address)
    assert view is not None
    return all(link.healthy for link in view.seen.links)


def reasons(receipt: Receipt) -> list[str]:
    assert receipt.status == "refused", receipt
    return [code for code, _ in receipt.refusals]


def test_a_stopped_server_stays_stopped_until_it_is_started(world: World) -> None:
    repman, stopped = world.repman, world.replicas[0]
    assert act(world, world.writer, "actions/stop", 409) == "is-writer"
    with world.traffic() as traffic:
        assert act(world, stopped, "actions/stop") == "done"
        assert not world.alive(stopped)
        seen = repman.looked()
        assert state(seen, stopped) is ServerState.MAINTENANCE
        assert "stopped-on-purpose" in codes(seen)
        assert "server-down" not in codes(seen)
        assert repman.ask("stop-server", stopped.address).status == "unchanged"
        other = next(server for server in world.replicas if server is not stopped)
        assert reasons(repman.ask("stop-server", other.address)) == ["last-acker"]
        repman.kill()
        world.restarted()
        assert "stopped-on-purpose" in codes(repman.looked())
        assert not world.alive(stopped)
        traffic.flows(50)
        assert act(world, stopped, "actions/start") == "done"
        world.healthy()
    assert act(world, stopped, "actions/start") == "unchanged"
    assert "stopped-on-purpose" not in codes(repman.snapshot)
    world.nothing_lost(traffic)


def test_the_writer_is_stopped_by_force_after_a_switchover(world: World) -> None:
    repman, old = world.repman, world.writer
    with world.traffic() as traffic:
        assert act(world, old, "actions/stop", force="true") == "done"
        assert world.only_open() is not old
        assert not world.alive(old)
        traffic.flows(50)
        assert repman.plans()[0].plan.kind == "switchover"
        repman.done("start-server", old.address)
        world.healthy()
    world.nothing_lost(traffic)


def test_the_cluster_is_closed_for_writes_and_opened_again(world: World) -> None:
    repman, writer, replica = world.repman, world.writer, world.replicas[0]
    assert reasons(repman.ask("read-only", replica.address, on=False)) == ["not-the-writer"]
    assert repman.ask("read-only", replica.address, on=True).status == "unchanged"
    assert act(world, replica, "actions/toogle-read-only", 409) == "not-the-writer"
    assert act(world, writer, "actions/toogle-read-only") == "done"
    assert not any(world.is_open(server) for server in world.servers)
    repman.kill()
    world.restarted()
    for _ in range(3):
        seen = repman.looked()
    assert "closed-by-wish" in codes(seen)
    assert not any(world.is_open(server) for server in world.servers)
    writer.kill()
    seen = repman.until(lambda seen: not seen.writer_alive and seen.refusals, "the dead writer to be seen")
    assert refused(repman.looked()) >= {"closed-by-wish"}
    assert not any(world.is_open(server) for server in world.servers)
    writer.start()
    repman.until(lambda seen: seen.writer_alive, "the writer to be back")
    repman.looked()
    assert not any(world.is_open(server) for server in world.servers)
    repman.done("read-only", writer.address, on=False)
    assert world.only_open() is writer
    world.healthy()
    assert act(world, writer, "actions/toggle-read-only") == "done"
    assert not world.is_open(writer)
    assert act(world, writer, "actions/toggle-read-only") == "done"
    world.healthy()


def test_stopped_replication_stays_stopped(world: World) -> None:
    repman, stopped, other = world.repman, *world.replicas
    with world.traffic() as traffic:
        assert act(world, stopped, "actions/stop-slave") == "done"
        traffic.flows(50)
        for _ in range(3):
            seen = repman.looked()
        assert "replication-stopped" in codes(seen)
        told = stopped.replica()
        assert (told["Slave_IO_Running"], told["Slave_SQL_Running"]) == ("No", "No")
        assert act(world, other, "actions/stop-slave", 409) == "last-acker"
        assert reasons(repman.ask("stop-replication", world.writer.address)) == ["is-writer"]
        world.restarted()
        repman.looked()
        assert stopped.replica()["Slave_IO_Running"] == "No"
        assert repman.ask("stop-replication", stopped.address).status == "unchanged"
        assert act(world, stopped, "actions/start-slave") == "done"
        world.healthy()
        assert repman.ask("start-replication", stopped.address).status == "unchanged"
    world.nothing_lost(traffic)


def test_replication_is_removed_and_built_again(world: World) -> None:
    repman, alone = world.repman, world.replicas[0]
    with world.traffic() as traffic:
        assert act(world, alone, "actions/reset-slave-all") == "done"
        for _ in range(3):
            repman.looked()
        assert alone.replica() is None
        assert not world.is_open(alone)
        traffic.flows(50)
        assert act(world, alone, "actions/start-slave") == "done"
        world.healthy()
    world.nothing_lost(traffic)


def test_a_transaction_that_cannot_be_applied_is_skipped(world: World) -> None:
    repman, replica, writer = world.repman, world.replicas[0], world.writer
    assert act(world, replica, "actions/skip-replication-event", 409) == "no-applier-error"
    writer.write("CREATE DATABASE IF NOT EXISTS skipping", "CREATE TABLE skipping.t (id INT PRIMARY KEY)")
    writer.write("INSERT INTO skipping.t VALUES (1), (2)")
    made = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'skipping'"
    wait_until(lambda: replica.as_root(made) == ((1,),), 10, "the table")
    wait_until(lambda: replica.as_root("SELECT COUNT(*) FROM skipping.t") == ((2,),), 10, "the rows")
    replica.as_root("SET sql_log_bin=0", "DELETE FROM skipping.t WHERE id = 1")
    writer.write("DELETE FROM skipping.t WHERE id = 1")
    writer.write("INSERT INTO skipping.t VALUES (3)")
    repman.until(lambda seen: state(seen, replica) is ServerState.SLAVE_ERR, "the error")
    answer = Api(world).get(f"servers/{replica.entry.name}/actionsskip-replication-event")
    assert answer.status_code == 200, answer.text
    assert "may differ" in answer.json()["sentence"]
    world.healthy()
    assert replica.as_root("SELECT id FROM skipping.t ORDER BY id") == ((2,), (3,))
    writer.write("DROP DATABASE skipping")


def test_a_binary_log_is_emptied_and_the_position_stays(world: World) -> None:
    repman, replica, writer = world.repman, world.replicas[0], world.writer
    assert act(world, replica, "actions/reset-master", 409) == "needs-force"
    assert act(world, writer, "actions/reset-master", 409, force="true") == "has-replicas"
    with world.traffic() as traffic:
        traffic.flows(50)
        assert act(world, replica, "actions/reset-master", force="true") == "done"
        assert [row[0] for row in replica.run("SHOW BINARY LOGS")] == ["binlog.000001"]
        traffic.flows(50)
        world.healthy()
        repman.done("switchover", replica.address)
        traffic.flows(50)
        world.healthy()
    world.nothing_lost(traffic)


def test_the_log_of_a_writer_that_nobody_reads_is_emptied(world: World) -> None:
    world.restarted(**{**world.standard, "test": True})
    world.healthy()
    repman, writer = world.repman, world.writer

    def alone() -> list[Server]:
        replicas = world.replicas
        for replica in replicas:
            assert act(world, replica, "actions/stop", force="true") == "done"
        return replicas

    replicas, before = alone(), writer.value("@@global.gtid_binlog_pos")
    assert act(world, writer, "actions/reset-master") == "done"
    assert world.only_open() is writer
    assert [row[0] for row in writer.run("SHOW BINARY LOGS")] == ["binlog.000001"]
    assert writer.value("@@global.gtid_binlog_pos") == before
    for replica in replicas:
        assert act(world, replica, "actions/start") == "done"
    world.healthy()
    with world.traffic() as traffic:
        traffic.flows(50)
        replicas = alone()
        repman.looked()
        assert act(world, writer, "actions/reset-master", 409) == "would-cut-off"
        for replica in replicas:
            assert act(world, replica, "actions/start") == "done"
        world.healthy()
        traffic.flows(50)
    world.nothing_lost(traffic)


def test_the_last_server_is_stopped_by_force(world: World) -> None:
    repman, writer = world.repman, world.writer
    for replica in world.replicas:
        act(world, replica, "actions/stop", force="true")
    assert act(world, writer, "actions/stop", 409) == "is-writer"
    assert act(world, writer, "actions/stop", force="true") == "done"
    assert not any(world.alive(server) for server in world.servers)
    for server in world.servers:
        if server is not writer:
            assert act(world, server, "actions/start") == "done"
    repman.until(lambda seen: sum(view.seen.answered for view in seen.servers) == 2, "the replicas")
    repman.looked()
    assert not any(world.is_open(server) for server in world.servers), "the writer was stopped on purpose"
    assert act(world, writer, "actions/start") == "done"
    world.healthy()


def test_a_rated_server_is_preferred_or_ignored(world: World) -> None:
    repman, first, second = world.repman, *world.replicas
    assert reasons(repman.ask("rate", first.address, rating="odd")) == ["unknown-rating"]
    assert act(world, second, "actions/set-prefered") == "done"
    assert act(world, second, "actions/set-preferred") == "unchanged"
    world.restarted()
    assert repman.looked().server(second.address).policy.preferred == 0  # type: ignore[union-attr]
    repman.done("switchover")
    assert world.only_open() is second
    world.healthy()
    assert act(world, first, "actions/set-ignored") == "done"
    assert reasons(repman.ask("switchover", first.address)) == ["candidate-unfit"]
    for server in (first, second):
        assert act(world, server, "actions/set-unrated") == "done"
    assert all(view.policy.electable and view.policy.preferred is None for view in repman.looked().servers)


def test_every_server_is_restarted_one_after_the_other(world: World) -> None:
    repman, home = world.repman, world.writer
    before = {server.address: world.sandbox.pid(server.entry.name) for server in world.servers}
    repman.done("maintenance", world.replicas[0].address)
    assert "not-settled" in reasons(repman.ask("rolling-restart"))
    repman.done("maintenance", world.replicas[0].address, on=False)
    world.healthy()
    with world.traffic() as traffic:
        answer = Api(world).post("actions/rolling")
        assert (answer.status_code, answer.json()["status"]) == (200, "started"), answer.text
        assert repman.ask("rolling-restart").status == "unchanged"
        repman.until(lambda seen: seen.rolling is None and not seen.in_failover, "every server to be restarted", 60)
        traffic.flows(50)
        world.healthy()
    after = {server.address: world.sandbox.pid(server.entry.name) for server in world.servers}
    assert all(after[address] not in (None, before[address]) for address in before)
    assert world.only_open() is home
    world.nothing_lost(traffic)


def test_a_rolling_restart_is_left_off(world: World) -> None:
    api, repman = Api(world), world.repman
    assert api.post("actions/cancel-rolling-restart").json()["status"] == "unchanged"
    assert api.post("actions/rolling").json()["status"] == "started"
    assert api.post("actions/cancel-rolling-restart").json()["status"] == "done"
    before = len(repman.plans())
    world.healthy()
    for _ in range(3):
        assert repman.looked().rolling is None
    assert [
        plan.plan.kind for plan in repman.plans()[: len(repman.plans()) - before] if plan.plan.kind == "restart"
    ] == []


def test_maintenance_takes_a_server_out_of_service(world: World) -> None:
    repman, replica = world.repman, world.replicas[0]
    assert act(world, world.writer, "actions/maintenance", 409) == "is-writer"
    assert act(world, replica, "actions/maintenance") == "done"
    assert replica.address not in repman.snapshot.routes.readers
    assert act(world, replica, "actions/set-maintenance") == "unchanged"
    assert act(world, replica, "actions/del-maintenance") == "done"
    assert act(world, replica, "actions/del-maintenance") == "unchanged"
    assert act(world, replica, "actions/set-maintenance") == "done"
    assert act(world, replica, "actions/maintenance") == "done"
    world.healthy()
    answer = Api(world).post("servers/nobody/actions/maintenance")
    assert (answer.status_code, answer.text) == (500, "Server Not Found")


def test_a_server_is_promoted_by_its_own_path(world: World) -> None:
    wished = world.replicas[-1]
    assert act(world, wished, "actions/switchover") == "done"
    assert world.only_open() is wished
    assert act(world, wished, "actions/switchover") == "unchanged"
    world.healthy()


def test_a_client_waits_until_every_database_answers(world: World) -> None:
    api, replica = Api(world), world.replicas[0]
    assert api.get("actions/waitdatabases").status_code == 200
    replica.kill()
    world.repman.until(lambda seen: state(seen, replica) is ServerState.FAILED, "the death")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, "actions/waitdatabases")
        assert not waiting.done()
        replica.start()
        answer = waiting.result(30)
    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    world.healthy()


def test_availability_is_counted_anew(world: World) -> None:
    repman = world.repman
    counted = repman.looked().watched_seconds
    assert Api(world).post("actions/reset-sla").status_code == 200
    assert repman.looked().watched_seconds < counted
