"""The fence on real servers, against everything that is known to make it block or lie."""

import contextlib
import time

import pymysql
import pytest
from mariadb_stand import wait_until

from repman.model.plan import FenceOutcome

INSERT = "INSERT INTO d.t (a) VALUES (1)"


def fenced(stand, server, within=1.0):
    start = time.monotonic()
    outcome = stand.reach("fence", server)
    assert time.monotonic() - start < within
    assert outcome.fence is FenceOutcome.DONE
    assert server.value("@@read_only") == 1
    assert server.sessions("app") == 0
    return outcome


def waits(server, number):
    position = server.value("@@gtid_binlog_pos")
    wait_until(lambda: server.sessions("app") >= number, what="the sessions")
    wait_until(lambda: server.value("@@gtid_binlog_pos") != position, what="the commits to reach the binary log")


def test_a_quiet_server(stand):
    writer, *_ = stand.bootstrap()
    outcome = fenced(stand, writer, within=0.2)
    assert outcome.unacknowledged == ""
    assert fenced(stand, writer).ok


def test_commits_that_wait_for_an_acknowledgement_are_cut_and_told(stand):
    writer, first, second = stand.bootstrap()
    for replica in (first, second):
        stand.reach("stop-receiving", replica)
    before = stand.look()[0].executed
    came = [stand.background(writer.write, INSERT) for _ in range(8)]
    wait_until(lambda: writer.sessions("app") == 8, what="eight sessions")
    wait_until(lambda: stand.look()[0].executed != before, what="a commit in the binary log")
    outcome = fenced(stand, writer)
    wait_until(lambda: all(came), what="the clients to be told")
    assert all(isinstance(one[0], pymysql.err.OperationalError) for one in came)
    after = stand.look()[0].executed
    assert outcome.unacknowledged == after.minus(before) != ""
    number = int(outcome.unacknowledged.rpartition(".")[2]) - int(str(before).rpartition("-")[2])
    assert writer.value("COUNT(*) FROM d.t") == number


def test_a_long_update_is_rolled_back(stand):
    writer, *_ = stand.bootstrap()
    writer.write(INSERT)
    came = stand.background(writer.write, "UPDATE d.t SET a = a + 1 WHERE SLEEP(30) = 0")
    wait_until(
        lambda: writer.run("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'")[0][0]
    )
    outcome = fenced(stand, writer)
    assert outcome.unacknowledged == ""
    wait_until(lambda: came)
    assert isinstance(came[0], pymysql.err.OperationalError)
    assert writer.value("a FROM d.t") == 1


def test_an_idle_open_transaction_cannot_commit_later(stand):
    writer, *_ = stand.bootstrap()
    connection = writer.connect(writer.application)
    with contextlib.closing(connection):
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        cursor.execute(INSERT)
        fenced(stand, writer)
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute("COMMIT")
        connection._force_close()
    assert writer.value("COUNT(*) FROM d.t") == 0


def test_an_explicit_table_lock_does_not_hold_it_up(stand):
    writer, *_ = stand.bootstrap()
    connection = writer.connect(writer.application)
    connection.cursor().execute("LOCK TABLES d.t WRITE")
    fenced(stand, writer)
    connection._force_close()


def test_many_writers_at_work(stand):
    writer, first, second = stand.bootstrap()

    def work():
        with contextlib.closing(writer.connect(writer.application)) as connection:
            cursor = connection.cursor()
            while True:
                cursor.execute(INSERT)
                told.append(cursor.lastrowid)

    told = []
    for _ in range(8):
        stand.background(work)
    wait_until(lambda: len(told) > 50)
    outcome = fenced(stand, writer)
    settled = writer.value("@@gtid_binlog_pos")
    stand.settle(writer, [first, second])
    assert writer.value("@@gtid_binlog_pos") == settled
    assert outcome.unacknowledged == ""
    kept = {row[0] for row in first.run("SELECT id FROM d.t")}
    assert set(told) <= kept


def test_replicas_and_our_own_connections_survive(stand):
    writer, *_ = stand.bootstrap()
    stand.look()
    writer.connect(writer.application)
    dumps = writer.run("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump' ORDER BY ID")
    assert len(dumps) == 2
    fenced(stand, writer)
    assert (
        writer.run("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump' ORDER BY ID") == dumps
    )
    assert stand.driver.wait(0.05) == frozenset()


def test_a_full_connection_table(stand):
    writer, *_ = stand.bootstrap()
    stand.look()
    came = []
    with contextlib.ExitStack() as stack:
        writer.run("SET GLOBAL max_connections=14")
        with contextlib.suppress(pymysql.err.OperationalError):
            while True:
                came.append(stack.enter_context(contextlib.closing(writer.connect(writer.application))))
        stack.enter_context(contextlib.closing(_last_place(writer)))
        assert came
        fenced(stand, writer)
        for connection in came:
            connection._force_close()


def _last_place(writer):
    """The place kept for administrators, as soon as the server has noticed that it is free."""
    found = []

    def free():
        with contextlib.suppress(pymysql.err.OperationalError):
            found.append(writer.connect())
        return found

    wait_until(free, what="the administrators' place")
    return found[0]


def test_a_frozen_server_is_unknown_in_time(stand):
    writer, *_ = stand.bootstrap()
    stand.look()
    writer.freeze()
    start = time.monotonic()
    outcome = stand.perform("fence", writer, timeout=0.5)
    assert time.monotonic() - start < 0.6
    assert not outcome.ok
    assert outcome.fence is FenceOutcome.UNKNOWN
    assert "silent" in outcome.detail


def test_a_frozen_server_with_a_kept_acting_connection(stand):
    writer, *_ = stand.bootstrap()
    fenced(stand, writer)
    stand.reach("open", writer)
    writer.freeze()
    start = time.monotonic()
    outcome = stand.perform("fence", writer, timeout=0.5)
    assert time.monotonic() - start < 0.6
    assert outcome.fence is FenceOutcome.UNKNOWN


def test_a_dead_server_is_dead(stand):
    writer, *_ = stand.bootstrap()
    fenced(stand, writer)
    writer.kill()
    outcome = stand.perform("fence", writer)
    assert outcome.ok
    assert outcome.fence is FenceOutcome.DEAD
    assert not stand.perform("close", writer).ok


def test_a_denied_account_is_no_fence(stand):
    driver = stand.new_driver(database=("repman", "wrong"))
    outcome = stand.perform("fence", stand.servers[0], driver=driver)
    assert not outcome.ok
    assert outcome.fence is FenceOutcome.UNKNOWN


def test_a_killed_commit_that_only_one_replica_has_is_not_unacknowledged(stand):
    writer, _, second = stand.bootstrap()
    stand.reach("stop-receiving", second)
    writer.write(INSERT)
    writer.connect(writer.application)
    assert fenced(stand, writer).unacknowledged == ""


def test_closing_a_writable_replica(stand):
    _, first, _ = stand.bootstrap()
    first.run("SET GLOBAL read_only=0")
    connection = first.connect(first.application)
    outcome = stand.reach("close", first)
    assert outcome.fence is None
    assert first.value("@@read_only") == 1
    assert first.sessions("app") == 0
    assert stand.look()[1].link.healthy
    connection._force_close()


def test_closing_a_replica_while_it_applies_a_stream(stand):
    writer, first, _ = stand.bootstrap()
    first.run("SET GLOBAL read_only=0")
    end = []

    def work():
        with contextlib.closing(writer.connect(writer.application)) as connection:
            while not end:
                connection.cursor().execute(INSERT)

    stand.background(work)
    wait_until(lambda: first.value("COUNT(*) FROM d.t") > 5)
    try:
        stand.reach("close", first, timeout=2.0)
    finally:
        end.append(True)
    assert first.value("@@read_only") == 1
