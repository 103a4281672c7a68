"""The source's writer is lost: the stream follows the new one, or says what that one lacks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pymysql
import pytest
from cdc_stand import Following, following, rows_of, settings
from mariadb_source import PASSWORD, USER, Mariadb
from postgres_stand import Postgres, wait_until

from repman.errors import PositionLost

SEMI_SYNC = ("SET GLOBAL rpl_semi_sync_master_enabled = ON", "SET GLOBAL rpl_semi_sync_master_timeout = 100000")


@pytest.fixture
def pair() -> Iterator[tuple[Mariadb, Mariadb]]:
    """A writer and its replica, each with a table ``t``."""
    writer, replica = Mariadb(), Mariadb(("--read-only=ON",), server_id=2)
    try:
        for server in (writer, replica):
            server.run("RESET MASTER", database=None)
        replica.run(
            "SET GLOBAL gtid_slave_pos = ''",
            "SET GLOBAL rpl_semi_sync_slave_enabled = ON",
            f"CHANGE MASTER TO master_host = '127.0.0.1', master_port = {writer.port}, master_user = '{USER}', "
            f"master_password = '{PASSWORD}', master_use_gtid = slave_pos, master_connect_retry = 1",
            "START SLAVE",
            database=None,
        )
        writer.run("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", database=None)
        wait_until(lambda: has(replica, 0), what="the replica to have the table")
        yield writer, replica
    finally:
        writer.remove()
        replica.remove()


def has(server: Mariadb, rows: int) -> bool:
    with contextlib.suppress(pymysql.Error):
        return len(rows_of(server, "t")) == rows
    return False


def promote(replica: Mariadb) -> None:
    replica.run("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = OFF", database=None)


def test_the_stream_follows_the_new_writer(pair: tuple[Mariadb, Mariadb], postgres: Postgres) -> None:
    writer, replica = pair
    wanted = settings(writer.endpoint(), postgres.endpoint(), "t", writers=(replica.endpoint(),))
    with following(wanted) as stream:
        writer.run("INSERT INTO t VALUES (1)")
        stream.applied(1)
        wait_until(lambda: has(replica, 1), what="the replica to have the row")
        writer.kill()
        promote(replica)
        replica.run("INSERT INTO t VALUES (2)")
        stream.applied(2)
        assert rows_of(postgres, "t") == [("1",), ("2",)]


def test_what_a_failover_has_erased_stops_the_stream(pair: tuple[Mariadb, Mariadb], postgres: Postgres) -> None:
    writer, replica = pair
    wanted = settings(writer.endpoint(), postgres.endpoint(), "t", writers=(replica.endpoint(),))
    stream = Following(wanted)
    replica.run("STOP SLAVE IO_THREAD", database=None)
    writer.run("INSERT INTO t VALUES (1)")
    stream.applied(1)
    lost = writer.value("SELECT @@gtid_binlog_pos")
    writer.kill()
    promote(replica)
    replica.run("INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)")
    error = stream.failed()
    assert isinstance(error, PositionLost)
    assert f"({lost})" in str(error)
    assert rows_of(postgres, "t") == [("1",)]


def test_what_no_replica_has_acknowledged_is_not_applied(pair: tuple[Mariadb, Mariadb], postgres: Postgres) -> None:
    writer, replica = pair
    writer.run(*SEMI_SYNC)
    replica.run("STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD", database=None)
    clients = "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_clients'"
    wait_until(lambda: writer.run(clients)[0][1] == "1", what="the replica to acknowledge")
    wanted = settings(writer.endpoint(), postgres.endpoint(), "t", writers=(replica.endpoint(),))
    with following(wanted) as stream:
        writer.run("INSERT INTO t VALUES (1)")
        stream.applied(1)
        replica.run("STOP SLAVE IO_THREAD", database=None)
        waiting = threading.Thread(target=writer.run, args=("INSERT INTO t VALUES (2)",))
        waiting.start()
        # it is in the writer's log, and was read from there
        wait_until(lambda: stream.progress.source.rows == 2, what="the row to be read")
        assert stream.progress.target.rows == 1
        assert rows_of(postgres, "t") == [("1",)]
        replica.run("START SLAVE IO_THREAD", database=None)
        stream.applied(2)
        waiting.join(30)
        assert rows_of(postgres, "t") == [("1",), ("2",)]
