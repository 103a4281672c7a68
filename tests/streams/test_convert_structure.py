"""Keys, references, defaults, comments, counters and names of a copy."""

from __future__ import annotations

import psycopg
import pymysql
import pytest
from mariadb_source import Mariadb
from postgres_stand import Postgres
from stream_cases import convert, settings

from repman.errors import StreamFailed
from repman.streams.convert.convert import Convert
from repman.streams.job import Creation, StructurePolicy, TableChoice, WriteMode

HOSTILE = ("a`b", 'a"b', "a'b", "a b", "a%sb{}", "a\\b", "select", "A", "ä😀"[:1], ";--", "x" * 64, "x" * 63 + "y")


def family(mariadb: Mariadb) -> None:
    mariadb.run(
        "CREATE TABLE parent (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE COMMENT 'it''s',"
        " body TEXT, price DECIMAL(8,2), FULLTEXT KEY words (body), KEY part (body(10), price), CHECK (price > 0)) COMMENT 'Eltern'"
        " AUTO_INCREMENT=100",
        "CREATE TABLE child (a INT, b INT, parent BIGINT UNSIGNED, up INT, PRIMARY KEY (a, b), KEY (parent),"
        " CONSTRAINT fk FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE SET NULL,"
        " CONSTRAINT self FOREIGN KEY (up) REFERENCES child (a))",
        "INSERT INTO parent (code, body, price) VALUES ('x', 'some words', 1), ('y', NULL, NULL)",
        "INSERT INTO child VALUES (1, 1, 100, NULL), (2, 1, 101, 1)",
    )


def test_a_family_of_tables_keeps_its_structure_in_postgresql(mariadb: Mariadb, postgres: Postgres) -> None:
    family(mariadb)
    progress = convert(settings(mariadb.endpoint(), postgres.endpoint(), "child", "parent"))
    indexes = dict(postgres.run("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"))
    assert sorted(indexes) == [
        "child_parent",
        "child_pkey",
        "child_self",
        "parent_code",
        "parent_part",
        "parent_pkey",
        "parent_words",
    ]
    assert "UNIQUE" in indexes["parent_code"]
    assert '"left"(body, 10), price' in indexes["parent_part"]
    assert "gin (to_tsvector" in indexes["parent_words"]
    found = postgres.run(
        "SELECT conname, confdeltype, confupdtype, convalidated FROM pg_constraint WHERE contype = 'f'"
    )
    # the parent of `self` is not unique, which only InnoDB allows
    assert found == [("fk", "c", "n", True)]
    assert any("self" in text for text in progress.warnings)
    assert postgres.value("SELECT obj_description('parent'::regclass)") == "Eltern"
    assert postgres.value("SELECT col_description('parent'::regclass, 2)") == "it's"
    assert postgres.value("INSERT INTO parent (code) VALUES ('z') RETURNING id") == 102
    assert any("check" in text for text in progress.warnings)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        postgres.run("INSERT INTO child VALUES (3, 3, 7, NULL)")


def test_the_way_back_and_between_two_of_a_kind(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.fresh(("d", "e", "f"))
    postgres.fresh(("d", "e"))
    family(mariadb)
    convert(settings(mariadb.endpoint(), postgres.endpoint(), "parent", "child"))
    convert(settings(postgres.endpoint(), mariadb.endpoint("e"), "parent", "child"))
    made = mariadb.run("SHOW CREATE TABLE child", database="e")[0][1]
    assert "FOREIGN KEY (`parent`) REFERENCES `parent` (`id`) ON DELETE CASCADE ON UPDATE SET NULL" in made
    assert mariadb.run("INSERT INTO parent (code) VALUES ('z') RETURNING id", database="e") == ((102,),)
    convert(settings(postgres.endpoint(), postgres.endpoint("e"), "parent", "child"))
    asked = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    assert postgres.run(asked) == postgres.run(asked, database="e")
    assert postgres.value("INSERT INTO parent (code) VALUES ('z') RETURNING id", "e") == 102
    convert(settings(mariadb.endpoint(), mariadb.endpoint("f"), "parent", "child"))
    here, there = (mariadb.run("SHOW CREATE TABLE parent", database=name)[0][1] for name in ("d", "f"))
    assert here.replace("general_ci", "") == there.replace("general_ci", "")
    with pytest.raises(pymysql.err.IntegrityError):
        mariadb.run("INSERT INTO child VALUES (3, 3, 7, NULL)", database="f")


def test_hostile_names_go_both_ways(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.fresh(("d", "e"))
    columns = ", ".join(f"`{name.replace('`', '``')}` INT" for name in HOSTILE if name not in ("A",) and len(name) < 64)
    for number, name in enumerate(HOSTILE):
        quoted = "`" + name.replace("`", "``") + "`"
        mariadb.run(
            f"CREATE TABLE {quoted} (id INT PRIMARY KEY, {columns})", f"INSERT INTO {quoted} (id) VALUES ({number})"
        )
    convert(settings(mariadb.endpoint(), postgres.endpoint(), *HOSTILE))
    found = postgres.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(found) == len(HOSTILE)
    names = [name for (name,) in found]
    back = convert(settings(postgres.endpoint(), mariadb.endpoint("e"), *[f"public.{name}" for name in names]))
    assert back.target.rows == len(HOSTILE)
    assert {name for (name,) in mariadb.run("SHOW TABLES", database="e") if not name.startswith("_streams")} == set(
        names
    )


def test_schemas_columns_conditions_and_queries(mariadb: Mariadb, postgres: Postgres) -> None:
    postgres.run(
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (id int PRIMARY KEY, a text, twice int GENERATED ALWAYS AS (id * 2) STORED)",
        "INSERT INTO s.t SELECT n, 'x' || n FROM generate_series(1, 10) n",
        "CREATE VIEW v AS SELECT id FROM s.t WHERE id > 8",
    )
    convert(
        settings(
            postgres.endpoint(),
            mariadb.endpoint(),
            TableChoice("s.t", columns=("id", "twice"), where="id % 2 = 0"),
            "v",
            TableChoice("q", query="SELECT a AS name, count(*) AS many FROM s.t GROUP BY a"),
            verify=False,
        )
    )
    assert mariadb.run("SELECT id, twice FROM s_t ORDER BY id") == tuple((n, n * 2) for n in range(2, 11, 2))
    assert mariadb.run("SELECT id FROM v ORDER BY id") == ((9,), (10,))
    assert mariadb.run("SELECT COUNT(*), SUM(many) FROM q") == ((10, 10),)
    mariadb.fresh(("d", "e"))
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT AS (id+1) VIRTUAL, s INT AS (id+2) STORED)",
        "INSERT INTO t (id) VALUES (1)",
    )
    convert(settings(mariadb.endpoint(), mariadb.endpoint("e"), "t"))
    assert mariadb.run("SELECT * FROM t", database="e") == ((1, 2, 3),)
    convert(
        settings(
            mariadb.endpoint(),
            postgres.endpoint(),
            "t",
            TableChoice("q", query="SELECT id AS a, 'ü' AS b FROM t"),
            verify=False,
        )
    )
    assert postgres.run("SELECT * FROM t") == [(1, 2, 3)]
    assert postgres.run("SELECT * FROM q") == [(1, "ü")]


def test_existing_tables_are_used_or_refused(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1), (2, 2)")
    postgres.run(
        "CREATE TABLE t (id bigint PRIMARY KEY, a text, more int DEFAULT 5)", "INSERT INTO t VALUES (9, 'old')"
    )
    here, there = mariadb.endpoint(), postgres.endpoint()
    must_be_new = StructurePolicy(tables=Creation.MUST_BE_NEW)
    for changes, words in (
        ({"structure": must_be_new}, "has a table t already"),
        ({"write_mode": WriteMode.MUST_BE_EMPTY}, "holds rows"),
    ):
        with pytest.raises(StreamFailed, match=words):
            convert(settings(here, there, "t", **changes))
    convert(settings(here, there, "t", verify=False))
    assert postgres.run("SELECT * FROM t ORDER BY id") == [(1, "1", 5), (2, "2", 5), (9, "old", 5)]
    with pytest.raises(StreamFailed, match="duplicate key"):
        convert(settings(here, there, "t", stream="stream_2"))
    mariadb.run("UPDATE t SET a = 7 WHERE id = 1")
    convert(settings(here, there, "t", stream="stream_3", write_mode=WriteMode.UPSERT, verify=False))
    assert postgres.run("SELECT id, a FROM t ORDER BY id") == [(1, "7"), (2, "2"), (9, "old")]
    convert(settings(here, there, "t", stream="stream_4", write_mode=WriteMode.TRUNCATE))
    assert postgres.run("SELECT id, a FROM t ORDER BY id") == [(1, "7"), (2, "2")]
    convert(settings(here, there, "t", stream="stream_5", structure=StructurePolicy(tables=Creation.ANEW)))
    assert postgres.run("SELECT * FROM t ORDER BY id") == [(1, 7), (2, 2)]
    postgres.run("DROP TABLE t")
    disabled = StructurePolicy(tables=Creation.DISABLED)
    with pytest.raises(StreamFailed, match="has no table t"):
        convert(settings(here, there, "t", stream="stream_6", structure=disabled))


def test_rows_replace_others_in_mariadb(mariadb: Mariadb, postgres: Postgres) -> None:
    postgres.run("CREATE TABLE t (id int PRIMARY KEY, b bytea)", r"INSERT INTO t VALUES (0, '\x00'), (1, NULL)")
    convert(settings(postgres.endpoint(), mariadb.endpoint(), "t"))
    postgres.run(r"UPDATE t SET b = '\x01ff' WHERE id = 1", "INSERT INTO t VALUES (2, '')")
    convert(settings(postgres.endpoint(), mariadb.endpoint(), "t", stream="stream_2", write_mode=WriteMode.UPSERT))
    assert mariadb.run("SELECT * FROM t ORDER BY id") == ((0, b"\0"), (1, b"\x01\xff"), (2, b""))


def test_what_stands_against_a_copy_is_said_before_it(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY)")
    (sentence,) = Convert(settings(mariadb.endpoint(), postgres.endpoint(), "t", "absent")).check()
    assert "absent" in sentence
    (sentence,) = Convert(
        settings(mariadb.endpoint(), postgres.endpoint(), TableChoice("t", where="nonsense("))
    ).check()
    assert "cannot be read" in sentence
    postgres.run("CREATE TABLE t (id int)")
    mariadb.run("SET GLOBAL read_only = ON")
    try:
        (sentence,) = Convert(settings(postgres.endpoint(), mariadb.endpoint(), TableChoice("t", target="u"))).check()
    finally:
        mariadb.run("SET GLOBAL read_only = OFF")
    assert "read-only" in sentence
    assert postgres.run("SELECT count(*) FROM pg_namespace WHERE nspname = '_streams'") == [(0,)]
