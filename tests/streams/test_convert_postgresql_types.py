"""Every type of PostgreSQL with its edge values, in MariaDB and in another PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mariadb_source import Mariadb
from postgres_stand import Postgres
from stream_cases import Case, columns, convert, expected, rows, settings

from repman.streams.job import OnError

LONG = "99999999999999999999999999999999999.999999999999999999999999999999"
CASES = (
    Case("smallint", ["-32768", "32767", "NULL"], "smallint(6)", ["-32768", "32767", None]),
    Case("integer", ["-2147483648", "2147483647"], "int(11)", ["-2147483648", "2147483647"], "DEFAULT 7"),
    Case(
        "bigint",
        ["-9223372036854775808", "9223372036854775807"],
        "bigint(20)",
        ["-9223372036854775808", "9223372036854775807"],
    ),
    Case("oid", ["4294967295"], "bigint(20) unsigned", ["4294967295"]),
    Case(
        "numeric(10,2)",
        ["1.10", "'NaN'", "-99999999.99"],
        "decimal(10,2)",
        ["1.10", None, "-99999999.99"],
        "DEFAULT 1.5",
    ),
    Case("numeric(4,-2)", ["123400"], "decimal(6,0)", ["123400"]),
    Case(
        "numeric",
        [LONG, "1.5", "'Infinity'", "'-Infinity'", "'NaN'"],
        "decimal(65,30)",
        [LONG, "1.500000000000000000000000000000", None, None, None],
    ),
    Case("numeric", ["1e40", "0.1"], "varchar(255)", ["1" + "0" * 40, "0.1"]),
    Case("numeric(70,2)", ["1e60"], "varchar(73)", ["1" + "0" * 60 + ".00"]),
    Case(
        "real",
        ["1e10/3", "'NaN'", "'-Infinity'", "1.17549435e-38"],
        "float",
        ["3333333248", None, None, "1.1754943508222875e-38"],
    ),
    Case(
        "double precision",
        ["0.1", "'Infinity'", "5e-324", "1.7976931348623157e308"],
        "double",
        ["0.1", None, "5e-324", "1.7976931348623157e308"],
    ),
    Case("money", ["'-$1,234.56'", "0"], "decimal(19,2)", ["-1234.56", "0.00"]),
    Case("boolean", ["true", "false", "NULL"], "tinyint(1)", ["1", "0", None], "DEFAULT true"),
    Case("char(5)", ["'ab'", "''"], "char(5)", ["ab", ""]),
    Case(
        "varchar(20)",
        [r"E'a\tb\nc\rd\\''\"e,\b\x0b\f'", "''", "'NULL'", "NULL", r"'\N'", r"'\.'", "'x '"],
        "varchar(20)",
        ["a\tb\nc\rd\\'\"e,\b\v\f", "", "NULL", None, "\\N", "\\.", "x "],
        r"DEFAULT E'it''s \\ ''x'",
    ),
    Case("text", ["'😀é'", "repeat('ä', 70000)", "'\"'", "E'\\n'"], "longtext", ["😀é", "ä" * 70000, '"', "\n"]),
    Case("bytea", [r"'\x00ff0a2c22'", "''", "NULL", "'NULL'"], "longblob", ["00FF0A2C22", "", None, "4E554C4C"]),
    Case(
        "date",
        ["'infinity'", "'0044-03-15 BC'", "'9999-12-31'", "'0001-01-01'", "'10000-01-01'"],
        "date",
        [None, None, "9999-12-31", "0001-01-01", None],
    ),
    Case(
        "timestamp",
        ["'9999-12-31 23:59:59.999999'", "'-infinity'", "'2024-02-29 00:00:00.000001'"],
        "datetime(6)",
        ["9999-12-31 23:59:59.999999", None, "2024-02-29 00:00:00.000001"],
        "DEFAULT now()",
    ),
    Case("timestamp(0)", ["'2024-03-31 02:30:00'"], "datetime", ["2024-03-31 02:30:00"]),
    Case(
        "timestamptz",
        ["'2039-01-01 00:00:00+05:45'", "'infinity'"],
        "datetime(6)",
        ["2038-12-31 18:15:00.000000", None],
    ),
    Case("time(3)", ["'24:00:00'", "'23:59:59.999'"], "time(3)", ["24:00:00.000", "23:59:59.999"]),
    Case("timetz", ["'12:00:00.5+05:45'"], "varchar(21)", ["12:00:00.5+05:45"]),
    Case("interval", ["'1 year 2 months -3 days 04:05:06.7'", "'0'"], "varchar(64)", ["P1Y2M-3DT4H5M6.7S", "PT0S"]),
    Case(
        "uuid",
        ["'123e4567-e89b-12d3-a456-426655440000'", "NULL"],
        "uuid",
        ["123e4567-e89b-12d3-a456-426655440000", None],
        "DEFAULT gen_random_uuid()",
    ),
    Case("json", ['\'{"b":1.10, "a":[1,null],"a":2}\'', "NULL"], "longtext", ['{"b":1.10, "a":[1,null],"a":2}', None]),
    Case("jsonb", ['\'{"b":1.10,"a":"ü\\""}\'', "'null'"], "longtext", ['{"a": "ü\\"", "b": 1.10}', "null"]),
    Case(
        "int[]",
        ["'{1,NULL,-3}'", "'{}'", "'{{1,2},{3,4}}'", "'[0:1]={5,6}'"],
        "longtext",
        ["[1, null, -3]", "[]", "[[1, 2], [3, 4]]", "[5, 6]"],
    ),
    Case(
        "text[]",
        ["ARRAY['a\"b', NULL, 'NULL', 'c,{d}', '\\', '', 'ü']"],
        "longtext",
        ['["a\\"b", null, "NULL", "c,{d}", "\\\\", "", "ü"]'],
    ),
    Case("boolean[]", ["'{t,f,NULL}'"], "longtext", ["[true, false, null]"]),
    Case("numeric[]", ["'{1.10,NaN}'"], "longtext", ["[1.10, null]"]),
    Case("mood", ["'it''s'", "'ok'", "NULL"], "enum('ok','it''s','ü,')", ["it's", "ok", None], "DEFAULT 'ok'"),
    Case("small", ["7"], "int(11)", ["7"]),
    Case("inet", ["'192.168.0.1/24'", "'::1'"], "varchar(43)", ["192.168.0.1/24", "::1"]),
    Case("cidr", ["'10.0.0.0/8'"], "varchar(43)", ["10.0.0.0/8"]),
    Case("macaddr", ["'08:00:2b:01:02:03'"], "varchar(17)", ["08:00:2b:01:02:03"]),
    Case("bit(9)", ["B'100000001'"], "bit(9)", ["257"]),
    Case("bit varying(70)", ["B'101'"], "varchar(70)", ["101"]),
    Case("point", ["'(1.5,-2)'", "NULL"], "point", ["POINT(1.5 -2)", None]),
    Case("circle", ["'<(1,2),3>'"], "longtext", ["<(1,2),3>"]),
    Case(
        "int4range",
        ["'[1,5)'", "'empty'"],
        "longtext",
        ['{"lower": "1", "upper": "5", "bounds": "[)"}', '{"empty": true}'],
    ),
    Case(
        "int4multirange",
        ["'{[1,2),[5,7)}'"],
        "longtext",
        ['[{"lower": "1", "upper": "2", "bounds": "[)"}, {"lower": "5", "upper": "7", "bounds": "[)"}]'],
    ),
    Case("pair", ["ROW(1,'a,b')"], "longtext", ['(1,"a,b")']),
    Case("hstore", ['\'"a"=>"1", b=>NULL\''], "longtext", ['{"a": "1", "b": null}']),
    Case("xml", ["'<a>1</a>'"], "longtext", ["<a>1</a>"]),
    Case("tsvector", ["'a:1 b:2'"], "longtext", ["'a':1 'b':2"]),
    Case("citext", ["'Ab'"], "longtext", ["Ab"]),
    Case("name", ["'x'"], "varchar(64)", ["x"]),
)


def prepare(postgres: Postgres, database: str) -> None:
    postgres.run(
        "CREATE EXTENSION hstore",
        "CREATE EXTENSION citext",
        "CREATE TYPE pair AS (a int, b text)",
        database=database,
    )


def make(postgres: Postgres) -> None:
    prepare(postgres, "d")
    postgres.run(
        "CREATE TYPE mood AS ENUM ('ok', 'it''s', 'ü,')",
        "CREATE DOMAIN small AS int CHECK (value < 10)",
        f"CREATE TABLE t (id serial PRIMARY KEY, {columns(CASES)})",
        *[f"INSERT INTO t VALUES (DEFAULT, {row})" for row in rows(CASES)],
    )


def shown(number: int, case: Case) -> str:
    """What a column of MariaDB is as text."""
    name = f"c{number}"
    if case.becomes == "longblob":
        return f"HEX({name})"
    if case.becomes == "point":
        return f"ST_AsText({name})"
    if case.becomes == "float":
        return f"CAST({name}*1.0e0 AS CHAR)"
    return f"CAST({name}+0 AS CHAR)" if case.becomes.startswith("bit") else f"CAST({name} AS CHAR)"


@pytest.fixture(params=["ON", "OFF"])
def local_infile(request: pytest.FixtureRequest, mariadb: Mariadb) -> Iterator[None]:
    """Without LOAD DATA LOCAL rows are inserted."""
    mariadb.run(f"SET GLOBAL local_infile = {request.param}")
    yield
    mariadb.run("SET GLOBAL local_infile = ON")


@pytest.mark.usefixtures("local_infile")
def test_each_type_arrives_in_mariadb(mariadb: Mariadb, postgres: Postgres) -> None:
    make(postgres)
    progress = convert(settings(postgres.endpoint(), mariadb.endpoint(), "t"))
    kinds = mariadb.run(
        "SELECT COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='d' AND TABLE_NAME='t'"
        " AND COLUMN_NAME <> 'id' ORDER BY ORDINAL_POSITION"
    )
    assert [kind for (kind,) in kinds] == [case.becomes for case in CASES]
    texts = ", ".join(shown(number, case) for number, case in enumerate(CASES))
    for wanted, row in zip(expected(CASES), mariadb.run(f"SELECT {texts} FROM t ORDER BY id"), strict=True):
        for case, one, other in zip(CASES, wanted, row, strict=True):
            assert (other.decode() if isinstance(other, bytes) else other) == one, case.type
    told = "\n".join(progress.warnings)
    for word in ("NaN and infinity", "an array becomes JSON", "composite", "timestamptz becomes", "does not fit"):
        assert word.replace("does not fit", "do not fit") in told


def test_each_type_arrives_in_another_postgresql(postgres: Postgres) -> None:
    postgres.fresh(("d", "e"))
    make(postgres)
    prepare(postgres, "e")
    convert(settings(postgres.endpoint(), postgres.endpoint("e"), "t"))
    one, other = (postgres.run("SELECT t::text FROM t ORDER BY id", database=name) for name in ("d", "e"))
    assert one == other
    kinds = (
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0"
        " ORDER BY attnum"
    )
    one, other = (postgres.run(kinds, database=name) for name in ("d", "e"))
    assert [kind for (kind,) in other] == [
        kind.replace("small", "integer") if kind == "small" else kind for (kind,) in one
    ]


def test_texts_that_differ_in_case_or_blanks_stay_different_keys(mariadb: Mariadb, postgres: Postgres) -> None:
    postgres.run("CREATE TABLE t (k text PRIMARY KEY, b bytea UNIQUE)")
    postgres.run(
        "INSERT INTO t VALUES ('AB', '\\x00'), ('ab', '\\x01'), ('ab ', '\\x0100'), ('ä', '\\x02'), ('a', NULL)"
    )
    convert(settings(postgres.endpoint(), mariadb.endpoint(), "t"))
    assert {key for (key,) in mariadb.run("SELECT k FROM t")} == {"AB", "ab", "ab ", "ä", "a"}


def test_what_has_no_value_in_mariadb_becomes_null_where_null_was_forbidden(
    mariadb: Mariadb, postgres: Postgres
) -> None:
    postgres.run(
        "CREATE TABLE t (id int PRIMARY KEY, d date NOT NULL, n float8 NOT NULL, k date NOT NULL)",
        "INSERT INTO t VALUES (1, 'infinity', 'NaN', '2024-01-01'), (2, '2024-01-01', 1.5, '2024-01-01')",
    )
    convert(settings(postgres.endpoint(), mariadb.endpoint(), "t"))
    assert mariadb.run("SELECT CAST(d AS CHAR), n FROM t ORDER BY id") == ((None, None), ("2024-01-01", 1.5))
    nullable = "SELECT IS_NULLABLE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='d' AND TABLE_NAME='t' ORDER BY ORDINAL_POSITION"
    assert [found for (found,) in mariadb.run(nullable)] == ["NO", "YES", "YES", "NO"]


def test_reasons_do_not_tell_the_values_of_rows(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20))", "INSERT INTO t VALUES (1, 'secret'), (2, '3')")
    postgres.run("CREATE TABLE t (id int PRIMARY KEY, a int)")
    progress = convert(settings(mariadb.endpoint(), postgres.endpoint(), "t", on_error=OnError.SKIP, verify=False))
    assert progress.failed == 1
    assert any("invalid input syntax" in text for text in progress.errors)
    postgres.run("CREATE TABLE s (id int PRIMARY KEY, a text)", "INSERT INTO s VALUES (1, 'secret'), (2, '3')")
    mariadb.run("CREATE TABLE s (id int PRIMARY KEY, a INT)")
    back = convert(settings(postgres.endpoint(), mariadb.endpoint(), "s", on_error=OnError.SKIP, verify=False))
    assert back.failed == 1
    assert any("Incorrect integer value" in text for text in back.errors)
    assert "secret" not in repr((progress, back))


def test_keys_that_only_differ_in_case_are_announced(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (k VARCHAR(10) COLLATE utf8mb4_general_ci PRIMARY KEY)", "INSERT INTO t VALUES ('a')")
    progress = convert(settings(mariadb.endpoint(), postgres.endpoint(), "t"))
    assert any("unique without regard to case" in text for text in progress.warnings)
