"""The stands by themselves: what the other tests of streams rest on."""

from __future__ import annotations

from mariadb_source import Mariadb
from postgres_stand import Postgres


def test_postgresql_survives_a_crash(postgres: Postgres) -> None:
    postgres.run("CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)")
    postgres.crash()
    postgres.start()
    assert postgres.run("SELECT a FROM t") == [(1,)]
    assert postgres.value("SHOW wal_level") == "logical"


def test_mariadb_survives_a_kill(mariadb: Mariadb) -> None:
    mariadb.run("CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)")
    mariadb.kill()
    mariadb.start()
    assert mariadb.run("SELECT a FROM t") == ((1,),)
    assert mariadb.value("SELECT @@binlog_row_metadata") == "FULL"
