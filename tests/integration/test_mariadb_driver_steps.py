"""Steps on real servers: what they reach, what they refuse, and that they never outlive their time."""

import itertools
import time

import pymysql
import pytest
from mariadb_stand import wait_until

from repman.engines.mariadb_acting import Pace
from repman.engines.mariadb_steps import _set_in_time
from repman.model.observation import Receiver

INSERT = "INSERT INTO d.t (a) VALUES (1)"


def failed(outcome, *words):
    assert not outcome.ok
    for word in words:
        assert word in outcome.detail
    return outcome


def test_switchover_by_hand_loses_nothing_and_each_step_can_be_done_twice(stand):
    writer, first, second = stand.bootstrap()
    writer.write(INSERT)
    for kind, server, source in (
        ("fence", writer, None),
        ("catch-up", first, writer),
        ("drain", first, None),
        ("promote", first, None),
        ("follow", writer, first),
        ("open", first, None),
        ("follow", second, first),
    ):
        stand.reach(kind, server, source)
        stand.reach(kind, server, source)
    first.write(INSERT)
    stand.settle(first, [writer, second])
    w, f, s = stand.look()
    assert [one.open for one in (w, f, s)] == [False, True, False]
    assert [one.link and one.link.source for one in (w, f, s)] == [first.address, None, first.address]
    assert w.executed.same_as(f.executed)
    assert s.executed.same_as(f.executed)
    assert f.semi_sync.lossless
    assert f.semi_sync.ackers == 2
    assert not w.semi_sync.source_enabled
    assert first.value("COUNT(*) FROM d.t") == 2


def test_failover_by_hand_after_a_kill_loses_nothing_that_was_acknowledged(stand):
    writer, first, second = stand.bootstrap()
    for replica in (first, second):
        replica.run("STOP SLAVE SQL_THREAD")
    for _ in range(20):
        writer.write(INSERT)
    writer.kill()
    assert stand.reach("fence", writer).fence == "dead"
    for replica in (first, second):
        stand.reach("stop-receiving", replica)
        stand.reach("drain", replica)
    _, f, s = stand.look()
    ahead, behind = (first, second) if f.executed.covers(s.executed) else (second, first)
    stand.reach("promote", ahead)
    stand.reach("follow", behind, ahead)
    stand.reach("open", ahead)
    assert ahead.value("COUNT(*) FROM d.t") == 20


def test_no_step_writes_to_the_binary_log(stand):
    for server in stand.servers:
        stand.reach("prepare", server)
    writer, first, second = stand.bootstrap()
    position = writer.value("@@gtid_binlog_pos")
    for server in stand.servers:
        stand.reach("prepare", server)
    stand.reach("stop-receiving", first)
    stand.reach("drain", first)
    stand.reach("resume", first)
    stand.reach("close", second)
    assert [server.value("@@gtid_binlog_pos") for server in stand.servers] == [position] * 3


def test_prepare_makes_an_account_that_replicates(stand):
    driver = stand.new_driver(replication=("x_replica", "it's \\ a 'password'"))
    writer, first, _ = stand.servers
    for server in (writer, first):
        stand.reach("prepare", server, driver=driver)
    stand.reach("promote", writer)
    stand.reach("follow", first, writer, driver=driver)
    assert first.replica()["Master_User"] == "x_replica"


# following


def test_following_sets_what_is_needed_and_is_really_connected(stand):
    _, first, _ = stand.bootstrap(replicas=1)
    status = first.replica()
    assert status["Slave_IO_Running"] == "Yes"
    assert status["Using_Gtid"] == "Slave_Pos"
    assert status["Connect_Retry"] == 1
    assert float(status["Slave_heartbeat_period"]) == 0.2
    assert first.value("@@slave_net_timeout") == 5


def test_following_again_with_another_heartbeat_changes_it(stand):
    writer, first, _ = stand.bootstrap(replicas=1)
    stand.reach("follow", first, writer, driver=stand.new_driver(heartbeat_period=0.4))
    assert stand.look()[1].link.heartbeat_period == 0.4


def test_following_with_own_transactions_is_refused_and_names_them(stand):
    writer, first, _ = stand.bootstrap()
    stand.reach("stop-receiving", first)
    first.as_root(INSERT)
    outcome = stand.perform("follow", first, writer)
    failed(outcome, f"0-{first.value('@@server_id')}-", writer.address)


def test_following_refuses_to_throw_away_what_only_this_replica_received(stand):
    writer, first, second = stand.bootstrap()
    stand.reach("stop-receiving", second)
    first.run("STOP SLAVE SQL_THREAD")
    writer.write(INSERT)
    wait_until(lambda: not stand.look()[1].drained)
    writer.kill()
    outcome = stand.perform("follow", first, second)
    failed(outcome, "discard")
    first.run("START SLAVE SQL_THREAD")
    stand.reach("drain", first)
    assert first.value("COUNT(*) FROM d.t") == 1


def test_following_with_a_wrong_password_says_so(stand):
    driver = stand.new_driver(replication=("repman_repl", "wrong"))
    writer, first, _ = stand.bootstrap(replicas=0)
    failed(stand.perform("follow", first, writer, driver=driver), "1045", "Access denied")


def test_following_a_source_that_has_purged_what_is_needed_says_so(stand):
    writer, first, _ = stand.bootstrap(replicas=0)
    log = writer.as_root("FLUSH BINARY LOGS", "SHOW MASTER STATUS")
    writer.as_root(f"PURGE BINARY LOGS TO '{log[0][0]}'")
    failed(stand.perform("follow", first, writer), "1236")


def test_an_old_writer_follows_from_what_it_wrote_itself(stand):
    writer, first, _ = stand.bootstrap(replicas=1)
    writer.write(INSERT)
    stand.reach("fence", writer)
    stand.reach("catch-up", first, writer)
    stand.reach("promote", first)
    assert writer.value("@@gtid_slave_pos") == ""
    stand.reach("follow", writer, first)
    assert writer.value("@@gtid_slave_pos") == first.value("@@gtid_binlog_pos")


# draining and promoting


def test_a_promotion_never_throws_received_transactions_away(stand):
    writer, first, _ = stand.bootstrap()
    first.run("STOP SLAVE SQL_THREAD")
    writer.write(INSERT)
    wait_until(lambda: not stand.look()[1].drained)
    gap = stand.look()[0].executed
    outcome = stand.perform("promote", first)
    failed(outcome, str(gap), "not applied")
    assert first.replica()["Slave_IO_Running"] == "Yes"
    stand.reach("stop-receiving", first)
    stand.reach("drain", first)
    stand.reach("promote", first)
    assert first.value("COUNT(*) FROM d.t") == 1
    assert first.replica() is None
    assert first.value("@@read_only") == 1


def test_stopping_the_receiver_starts_a_stopped_applier_first(stand):
    """With both stopped, any START SLAVE would discard the relay log; the trap is shown at the end."""
    writer, first, second = stand.bootstrap()
    for replica in (first, second):
        replica.run("STOP SLAVE SQL_THREAD")
    writer.write(INSERT)
    wait_until(lambda: not any(seen.drained for seen in stand.look()[1:]))
    writer.kill()
    stand.reach("stop-receiving", first)
    stand.reach("drain", first)
    assert first.value("COUNT(*) FROM d.t") == 1
    second.run("STOP SLAVE IO_THREAD")
    failed(stand.perform("drain", second, timeout=2.0), "both stopped", "discards")
    second.run("START SLAVE SQL_THREAD")
    assert not stand.look()[2].received.covers(stand.look()[1].executed)


def test_a_drain_waits_for_the_applier_and_stops_at_its_deadline(stand):
    writer, first, _ = stand.bootstrap()
    writer.write(INSERT)
    stand.settle(writer, [first])
    blocker = first.connect()
    try:
        blocker.cursor().execute("FLUSH TABLES WITH READ LOCK")
        writer.write(INSERT)
        stand.reach("stop-receiving", first)
        start = time.monotonic()
        failed(stand.perform("drain", first, timeout=0.6), "time is over")
        assert time.monotonic() - start < 0.8
    finally:
        blocker.close()
    stand.reach("drain", first)
    assert first.value("COUNT(*) FROM d.t") == 2


def test_an_applier_error_fails_the_drain_with_its_text(stand):
    writer, first, _ = stand.bootstrap()
    first.as_root("SET sql_log_bin=0", "INSERT INTO d.t (id, a) VALUES (1, 99)")
    writer.write("INSERT INTO d.t (id, a) VALUES (1, 1)")
    wait_until(lambda: stand.look()[1].link.applier_errno)
    failed(stand.perform("drain", first), "1062", "Duplicate")


def test_what_waiting_raises_ends_a_step(stand):
    writer, first, _ = stand.bootstrap()
    blocker = first.connect()
    try:
        blocker.cursor().execute("FLUSH TABLES WITH READ LOCK")
        writer.write(INSERT)
        wait_until(lambda: not stand.look()[1].drained)
        calls = []

        def waiting():
            calls.append(time.monotonic())
            if len(calls) == 4:
                raise KeyError("enough")

        with pytest.raises(KeyError, match="enough"):
            stand.perform("drain", first, waiting=waiting, timeout=20.0)
        assert max(later - earlier for earlier, later in itertools.pairwise(calls)) < 0.2
    finally:
        blocker.close()


def test_catching_up_from_a_replica_that_is_ahead(stand):
    writer, first, second = stand.bootstrap()
    stand.reach("stop-receiving", second)
    writer.write(INSERT)
    stand.settle(writer, [first])
    writer.kill()
    stand.reach("stop-receiving", first)
    stand.reach("catch-up", second, first)
    assert second.value("COUNT(*) FROM d.t") == 1
    assert stand.look()[2].link.receiver is Receiver.RUNNING


def test_catching_up_with_a_dead_source_fails(stand):
    writer, first, _ = stand.bootstrap()
    writer.kill()
    failed(stand.perform("catch-up", first, writer), "does not answer", "refused")


# semi-sync, cleaning, time


def test_semi_sync_is_switched_and_waiting_commits_go_on_when_it_is_off(stand):
    writer, first, second = stand.bootstrap()
    for replica in (first, second):
        stand.reach("stop-receiving", replica)
    came = stand.background(writer.write, INSERT)
    wait_until(lambda: stand.look()[0].executed.minus(stand.look()[1].received), what="the commit to wait")
    assert not came
    stand.reach("semi-sync-off", writer)
    wait_until(lambda: came, what="the commit to return")
    assert not isinstance(came[0], Exception)
    assert not stand.look()[0].semi_sync.waiting_for_acks
    stand.reach("semi-sync-on", writer)
    assert stand.look()[0].semi_sync.lossless


def test_promoting_without_semi_sync_does_not_make_commits_wait(stand):
    driver = stand.new_driver(semi_sync=False)
    writer = stand.servers[0]
    stand.reach("promote", writer, driver=driver)
    stand.reach("open", writer, driver=driver)
    writer.write("CREATE DATABASE d")


def test_cleaning_leaves_nothing(stand):
    writer, first, _ = stand.bootstrap()
    for server in (first, writer):
        stand.reach("clean", server)
        stand.reach("clean", server)
    for seen in stand.look()[:2]:
        assert seen.executed.is_empty()
        assert seen.links == ()
        assert not seen.semi_sync.source_enabled


def test_a_statement_that_is_stuck_does_not_succeed_after_its_step(stand):
    server = stand.servers[0]
    driver = stand.new_driver(replication=("x_late", "late"))
    blocker = server.connect()
    try:
        blocker.cursor().execute("FLUSH TABLES WITH READ LOCK")
        start = time.monotonic()
        failed(stand.perform("prepare", server, driver=driver, timeout=0.6), "time is over", "CREATE USER")
        assert time.monotonic() - start < 1.0
    finally:
        blocker.close()
    assert server.value("@@read_only") == 1
    assert server.as_root("SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'x_late'") == ((0,),)


def test_a_step_on_a_frozen_server_ends_in_time_and_has_no_late_effect(stand):
    server = stand.servers[0]
    stand.reach("promote", server)
    server.freeze()
    start = time.monotonic()
    failed(stand.perform("open", server, timeout=0.5))
    assert time.monotonic() - start < 0.7
    server.thaw()
    assert server.value("@@read_only") == 1


def test_a_password_never_shows_in_an_outcome(stand):
    driver = stand.new_driver(replication=("x_secret", "pass'word-that-must-not-show"))
    stand.servers[1].run("SET GLOBAL read_only=1")
    for outcome in (
        stand.perform("follow", stand.servers[1], stand.servers[0], driver=driver),
        stand.perform("prepare", stand.servers[0], driver=driver),
    ):
        assert "must-not-show" not in outcome.detail


def test_resuming(stand):
    writer, first, _ = stand.bootstrap()
    first.run("STOP SLAVE")
    stand.reach("resume", first)
    assert stand.look()[1].link.healthy
    failed(stand.perform("resume", writer), "no replication")


def test_read_only_holds_a_client(stand):
    with pytest.raises(pymysql.err.OperationalError, match="1290"):
        stand.servers[0].write("CREATE DATABASE d")


def test_an_order_to_open_that_arrives_late_opens_nothing(stand):
    """A server that wakes up executes what it finds in its socket, however old it is."""
    server = stand.servers[0]

    class OverByItsClock(Pace):
        @property
        def left(self):
            return -1.0

    acting = stand.driver._acting[server.address]
    _set_in_time(acting, "read_only", "0", OverByItsClock(time.monotonic() + 5.0, lambda: None))
    assert server.value("@@read_only") == 1
    _set_in_time(acting, "read_only", "0", Pace(time.monotonic() + 5.0, lambda: None))
    assert server.value("@@read_only") == 0
