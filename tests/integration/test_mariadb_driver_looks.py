"""Looking at real servers: every way in which a look can end, and how fast."""

import contextlib
import socket
import time

import pymysql
import pytest
from mariadb_stand import wait_until

from repman.model.observation import Reach, Receiver


def reaches(seen):
    return [one.reach for one in seen]


def timed(work, *arguments, **options):
    start = time.monotonic()
    result = work(*arguments, **options)
    return result, time.monotonic() - start


ALL_ANSWERED = [Reach.ANSWERED] * 3


def test_a_look_tells_what_a_cluster_is(stand):
    writer, first, second = stand.bootstrap()
    writer.write("INSERT INTO d.t (a) VALUES (1)")
    stand.settle(writer, [first, second])
    seen = stand.look()
    assert [one.address for one in seen] == stand.addresses
    w, r, _ = seen
    assert w.open
    assert not r.open
    assert [one.server_id for one in seen] == [server.value("@@server_id") for server in stand.servers]
    assert str(w.executed) == writer.value("@@gtid_binlog_pos")
    assert w.links == ()
    assert w.semi_sync.lossless
    assert w.semi_sync.ackers == 2
    assert r.link.source == writer.address
    assert r.link.receiver is Receiver.RUNNING
    assert r.link.healthy
    assert r.link.uses_gtid
    assert r.link.heartbeat_period == 0.2
    assert r.link.source_server_id == w.server_id
    assert r.executed.same_as(w.executed)
    assert r.drained
    assert r.semi_sync.replica_enabled
    assert w.version.at_least(10, 11)
    assert w.binlog
    assert w.log_replica_updates
    assert w.strict_gtid
    assert w.row_format
    assert w.boot
    before = r.link.heartbeats
    wait_until(lambda: stand.look()[1].link.heartbeats > before, what="a heartbeat")


def test_only_the_chosen_are_looked_at_in_configured_order(stand):
    seen = stand.driver.observe(1.0, [stand.addresses[2], stand.addresses[0]])
    assert [one.address for one in seen] == [stand.addresses[0], stand.addresses[2]]


def test_received_and_not_applied_shows(stand):
    writer, first, _ = stand.bootstrap()
    first.run("STOP SLAVE SQL_THREAD")
    writer.write("INSERT INTO d.t (a) VALUES (1)")
    wait_until(lambda: not stand.look()[1].drained, what="the row to arrive")
    seen = stand.look()
    assert seen[1].received.covers(seen[0].executed)
    assert not seen[1].executed.covers(seen[0].executed)
    assert not seen[1].link.applier_running


def test_a_killed_server_is_refused_in_the_next_look_within_milliseconds(stand):
    assert reaches(stand.look()) == ALL_ANSWERED
    stand.servers[0].kill()
    seen, seconds = timed(stand.look)
    assert reaches(seen) == [Reach.REFUSED, Reach.ANSWERED, Reach.ANSWERED]
    assert seconds < 0.1


def test_a_kill_ends_the_wait_and_the_next_look_knows(stand):
    stand.look()
    killed_at = []

    def kill():
        time.sleep(0.2)
        killed_at.append(time.monotonic())
        stand.servers[1].kill()

    stand.background(kill)
    closed = stand.driver.wait(10.0)
    assert closed == {stand.addresses[1]}
    assert time.monotonic() - killed_at[0] < 0.1
    deadline = time.monotonic() + 0.5
    while stand.look()[1].reach is not Reach.REFUSED:
        assert time.monotonic() < deadline
    assert stand.driver.wait(0.05) == frozenset()


def test_waiting_is_not_disturbed_by_living_servers(stand):
    stand.look()
    closed, seconds = timed(stand.driver.wait, 0.3)
    assert closed == frozenset()
    assert 0.29 <= seconds < 0.6


def test_a_frozen_server_is_silent_and_delays_nobody(stand):
    stand.look()
    stand.servers[0].freeze()
    seen, seconds = timed(stand.look, timeout=0.3)
    assert reaches(seen) == [Reach.SILENT, Reach.ANSWERED, Reach.ANSWERED]
    assert seconds < 0.4
    assert seen[1].at < seen[0].at - 0.2
    stand.servers[0].thaw()
    assert reaches(stand.look(timeout=2.0)) == ALL_ANSWERED


def test_an_answer_that_comes_late_is_never_taken_for_a_new_one(stand):
    writer, *_ = stand.bootstrap()
    old = stand.look()[0].executed
    writer.freeze()
    assert stand.look(timeout=0.1)[0].reach is Reach.SILENT
    writer.thaw()
    writer.write("INSERT INTO d.t (a) VALUES (7)")
    new = stand.look()[0]
    assert new.reach is Reach.ANSWERED
    assert not old.covers(new.executed)
    assert str(new.executed) == writer.value("@@gtid_binlog_pos")


def test_a_frozen_server_that_is_killed_is_refused(stand):
    stand.look()
    stand.servers[0].freeze()
    stand.look(timeout=0.1)
    stand.servers[0].kill()
    assert stand.driver.wait(1.0) == {stand.addresses[0]}
    assert stand.look()[0].reach is Reach.REFUSED


def test_a_login_at_a_frozen_server_hangs_without_hanging_the_look(stand):
    stand.servers[0].freeze()
    for _ in range(3):
        seen, seconds = timed(stand.look, timeout=0.2)
        assert reaches(seen) == [Reach.SILENT, Reach.ANSWERED, Reach.ANSWERED]
        assert seconds < 0.3
    stand.servers[0].thaw()
    assert reaches(stand.look(timeout=2.0)) == ALL_ANSWERED


def test_a_wrong_password_is_denied_and_not_dead(stand):
    driver = stand.new_driver(database=("repman", "wrong"))
    seen = stand.look(driver)
    assert reaches(seen) == [Reach.DENIED] * 3
    assert "1045" in seen[0].error


def test_a_missing_right_is_denied(stand):
    stand.servers[0].as_root("SET sql_log_bin=0", "CREATE USER x_poor IDENTIFIED BY 'poor'")
    seen = stand.look(stand.new_driver(database=("x_poor", "poor")))
    assert seen[0].reach is Reach.DENIED
    assert "1227" in seen[0].error


def test_a_name_without_address_is_unresolved(stand):
    driver = stand.new_driver(["no-such-host.invalid:3306", stand.addresses[1]])
    seen = stand.look(driver, timeout=3.0)
    assert reaches(seen) == [Reach.UNRESOLVED, Reach.ANSWERED]
    assert "no-such-host" in seen[0].error


def test_a_name_with_several_addresses_is_tried_through(stand):
    port = stand.servers[0].entry.port
    assert stand.look(stand.new_driver([f"localhost:{port}"]))[0].reach is Reach.ANSWERED


def test_an_unused_port_is_refused_at_once(stand):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        driver = stand.new_driver([f"127.0.0.1:{unused.getsockname()[1]}"])
        seen, seconds = timed(stand.look, driver)
    assert reaches(seen) == [Reach.REFUSED]
    assert seconds < 0.05


def test_a_host_that_swallows_packets_is_silent(stand):
    """A full backlog drops connection attempts, as a firewall does."""
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        driver = stand.new_driver([f"127.0.0.1:{deaf.getsockname()[1]}"], connect_timeout=0.3)
        seen, seconds = timed(stand.look, driver, timeout=1.0)
    assert reaches(seen) == [Reach.SILENT]
    assert seconds < 1.1


def test_a_full_connection_table_is_busy(stand):
    server = stand.servers[0]
    server.run("SET GLOBAL max_connections=10")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(pymysql.err.OperationalError):
            for _ in range(20):
                stack.enter_context(contextlib.closing(server.connect(server.application)))
        extra = stack.enter_context(contextlib.closing(server.connect()))  # the one place kept for administrators
        assert extra.open
        seen = stand.look()
        assert seen[0].reach is Reach.BUSY
        assert "1040" in seen[0].error


def test_a_server_that_shuts_down_is_never_silent(stand):
    stand.look()
    came = stand.background(stand.sandbox.stop, stand.servers[0].entry.name)
    told = set()
    while not came:
        told.add(stand.look()[0].reach)
    assert told <= {Reach.ANSWERED, Reach.BUSY, Reach.CLOSED, Reach.REFUSED}
    assert stand.look()[0].reach is Reach.REFUSED


def test_a_killed_session_is_replaced_in_the_same_look(stand):
    stand.look()
    server = stand.servers[0]
    [(session,)] = server.run("SELECT IS_USED_LOCK('repman.test')")
    server.run(f"KILL {session}")
    assert stand.driver.wait(1.0) == {server.address}
    seen = stand.look()[0]
    assert seen.reach is Reach.ANSWERED
    assert seen.leased


def test_boot_changes_with_the_process_and_not_with_the_connection(stand):
    server = stand.servers[0]
    # The run of a younger server cannot be told from one that was started a moment before.
    wait_until(
        lambda: (
            int(server.value("VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME'")) > 5
        )
    )
    first = stand.look()[0].boot
    [(session,)] = server.run("SELECT IS_USED_LOCK('repman.test')")
    server.run(f"KILL {session}")
    stand.driver.wait(1.0)
    assert stand.look()[0].boot == first
    server.kill()
    server.start()
    again = stand.look()[0]
    assert again.reach is Reach.ANSWERED
    assert again.boot != first


def test_one_holds_the_vote_and_the_other_learns_who(stand):
    assert all(seen.leased for seen in stand.look())
    rival = stand.new_driver()
    stand.look(rival)
    seen = stand.look(rival)
    assert not any(one.leased for one in seen)
    assert seen[0].lease_holder.startswith("repman at 127.0.0.1:")
    assert all(one.leased for one in stand.look())
    stand.driver.close()
    wait_until(lambda: all(one.leased for one in stand.look(rival)), what="the votes to be free")


def test_one_that_does_not_contend_takes_no_vote(stand):
    onlooker = stand.new_driver(contend=False)
    assert not any(one.leased for one in stand.look(onlooker))
    assert all(one.leased for one in stand.look())


def test_a_long_step_keeps_the_votes_alive(stand):
    stand.look()
    for watch in stand.driver._watches.values():
        watch.keep()
        watch.keep()
    assert all(one.leased for one in stand.look())


def test_a_replica_that_was_restarted_without_its_source_has_forgotten_what_it_received(stand):
    writer, first, _ = stand.bootstrap()
    first.run("STOP SLAVE SQL_THREAD")
    writer.write("INSERT INTO d.t (a) VALUES (1)")
    aim = stand.look()[0].executed
    wait_until(lambda: stand.look()[1].received.covers(aim), what="the row to arrive")
    writer.kill()
    first.kill()
    first.start()
    wait_until(lambda: stand.look()[1].answered)
    assert not stand.look()[1].received.covers(aim)


def test_a_transaction_of_its_own_shows_in_the_positions(stand):
    _, first, _ = stand.bootstrap()
    first.as_root("INSERT INTO d.t (a) VALUES (666)")
    w, one, two = stand.look()
    assert not w.executed.covers(one.executed)
    assert w.executed.covers(two.executed)
    surplus = one.executed.minus(w.executed)
    assert surplus.startswith(f"0-{one.server_id}-")
    assert surplus.endswith(str(one.executed).rpartition("-")[2])


def test_inventory_does_not_wait_with_commits_that_wait(stand):
    writer, replica, _ = stand.bootstrap(replicas=1)
    replica.run("STOP SLAVE IO_THREAD")
    stand.background(writer.write, "INSERT INTO d.t (a) VALUES (1)")
    wait_until(lambda: stand.look()[0].semi_sync.waiting == 1, what="the commit to wait")
    for _ in range(3):  # the next group of commits holds the log's lock while it waits for the first one
        stand.background(writer.write, "INSERT INTO d.t (a) VALUES (2)")
    wait_until(lambda: writer.sessions(writer.application[0]) == 4, what="more commits")
    ended = stand.look()[0].semi_sync.waits_ended
    stand.driver.inventory(1.0)
    assert stand.look()[0].inventory.user_schemas == ("d",)
    killed = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'Killed' OR INFO LIKE 'SHOW MASTER%'"
    assert writer.run(killed)[0][0] == 0
    replica.run("START SLAVE IO_THREAD")
    wait_until(lambda: stand.look()[0].semi_sync.waiting == 0, what="the commit to be acknowledged")
    assert stand.look()[0].semi_sync.waits_ended > ended


def test_inventory_names_accounts_that_bypass_read_only(stand):
    server = stand.servers[0]
    server.as_root(
        "SET sql_log_bin=0",
        "CREATE USER x_over@'%' IDENTIFIED BY 'x'",
        "GRANT ALL ON *.* TO x_over@'%'",
        "CREATE USER x_super@'%' IDENTIFIED BY 'x'",
        "GRANT SUPER, INSERT, CREATE ON *.* TO x_super@'%'",
        "CREATE USER x_plain@'%' IDENTIFIED BY 'x'",
        "GRANT INSERT, CREATE ON *.* TO x_plain@'%'",
    )
    stand.look()
    stand.driver.inventory(2.0)
    inventory = stand.look()[0].inventory
    assert inventory.bypassing_accounts == ("x_over@%",)
    assert inventory.user_schemas == ()
    assert dict(inventory.variables)["log_bin"] == "ON"
    for user, allowed in (("x_over", True), ("x_super", False), ("x_plain", False)):
        attempt = contextlib.nullcontext() if allowed else pytest.raises(pymysql.err.OperationalError, match="1290")
        with attempt:
            server.run("CREATE DATABASE d", account=(user, "x"))
    stand.driver.inventory(2.0)
    assert stand.look()[0].inventory.user_schemas == ("d",)


def test_the_silence_of_a_frozen_source_shows_in_heartbeats_only(stand):
    writer, *_ = stand.bootstrap()
    wait_until(lambda: stand.look()[1].link.heartbeats >= 2, what="heartbeats")
    writer.freeze()
    first = stand.driver.observe(1.0, stand.addresses[1:])[0].link
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        link = stand.driver.observe(1.0, stand.addresses[1:])[0].link
        assert link.heartbeats <= first.heartbeats + 1  # one may have been under way
        assert link.receiver is Receiver.RUNNING
        stand.driver.wait(0.05)
    writer.thaw()
    wait_until(
        lambda: stand.driver.observe(1.0, stand.addresses[1:])[0].link.heartbeats > first.heartbeats + 1,
        what="heartbeats again",
    )
