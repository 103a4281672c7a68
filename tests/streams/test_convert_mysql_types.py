"""Every type of MariaDB with its edge values, in PostgreSQL and in another MariaDB."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from mariadb_source import Mariadb
from postgres_stand import Postgres
from stream_cases import Case, columns, convert, expected, rows, settings

from repman.errors import StreamFailed
from repman.streams.job import OnError, Options, TypeOverride

CASES = (
    Case("TINYINT", ["-128", "127", "NULL"], "smallint", ["-128", "127", None]),
    Case("TINYINT UNSIGNED", ["0", "255"], "smallint", ["0", "255"]),
    Case("TINYINT(1)", ["0", "1", "NULL"], "boolean", ["false", "true", None], "DEFAULT 1"),
    Case("TINYINT(1)", ["2", "-1"], "smallint", ["2", "-1"]),
    Case("TINYINT(1) UNSIGNED", ["1", "255"], "smallint", ["1", "255"]),
    Case("SMALLINT", ["-32768", "32767"], "smallint", ["-32768", "32767"]),
    Case("SMALLINT UNSIGNED", ["65535", "0"], "integer", ["65535", "0"]),
    Case("MEDIUMINT", ["-8388608", "8388607"], "integer", ["-8388608", "8388607"]),
    Case("MEDIUMINT UNSIGNED", ["16777215"], "integer", ["16777215"]),
    Case("INT", ["-2147483648", "2147483647"], "integer", ["-2147483648", "2147483647"]),
    Case("INT(6) UNSIGNED ZEROFILL", ["42", "4294967295"], "bigint", ["42", "4294967295"]),
    Case(
        "BIGINT",
        ["-9223372036854775808", "9223372036854775807"],
        "bigint",
        ["-9223372036854775808", "9223372036854775807"],
    ),
    Case("BIGINT UNSIGNED", ["18446744073709551615", "0"], "numeric(20,0)", ["18446744073709551615", "0"]),
    Case(
        "DECIMAL(65,30)",
        ["99999999999999999999999999999999999.999999999999999999999999999999", "-0.000000000000000000000000000001"],
        "numeric(65,30)",
        ["99999999999999999999999999999999999.999999999999999999999999999999", "-0.000000000000000000000000000001"],
    ),
    Case(
        "FLOAT",
        ["1e10/3", "1.17549435e-38", "3.40282347e38", "NULL"],
        "real",
        ["3.3333332e+09", "1.1754944e-38", "3.4028235e+38", None],
    ),
    Case(
        "DOUBLE",
        ["0.1e0", "5e-324", "1.7976931348623157e308"],
        "double precision",
        ["0.1", "5e-324", "1.7976931348623157e+308"],
    ),
    Case("FLOAT(7,3)", ["1234.567"], "double precision", ["1234.5670166015625"]),
    Case("BIT(1)", ["b'0'", "b'1'", "NULL"], "boolean", ["false", "true", None], "DEFAULT b'0'"),
    Case("BIT(9)", ["b'100000001'", "0"], "bit(9)", ["100000001", "000000000"], "DEFAULT b'101'"),
    Case("BIT(64)", ["18446744073709551615"], "bit(64)", ["1" * 64]),
    Case("YEAR", ["0", "1901", "2155"], "smallint", ["0", "1901", "2155"]),
    Case(
        "DATE",
        ["'0000-00-00'", "'2024-00-15'", "'9999-12-31'", "'0001-01-01'", "NULL"],
        "date",
        [None, None, "9999-12-31", "0001-01-01", None],
    ),
    Case(
        "DATETIME(6)",
        ["'9999-12-31 23:59:59.999999'", "'0000-00-00'", "'2024-02-29 00:00:00.000001'"],
        "timestamp(6) without time zone",
        ["9999-12-31 23:59:59.999999", None, "2024-02-29 00:00:00.000001"],
    ),
    Case(
        "DATETIME",
        ["'2024-03-31 02:30:00'"],
        "timestamp(0) without time zone",
        ["2024-03-31 02:30:00"],
        "DEFAULT CURRENT_TIMESTAMP",
    ),
    Case(
        "TIMESTAMP(3) NULL",
        ["FROM_UNIXTIME(1711846800.125)", "'0000-00-00 00:00:00'", "NULL", "FROM_UNIXTIME(2147483647)"],
        "timestamp(3) with time zone",
        ["2024-03-31 01:00:00.125+00", None, None, "2038-01-19 03:14:07+00"],
        "DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)",
    ),
    Case("TIME(3)", ["'23:59:59.999'", "'00:00:00'"], "time(3) without time zone", ["23:59:59.999", "00:00:00"]),
    Case(
        "TIME",
        ["'-838:59:59'", "'838:59:59'", "'00:00:01'"],
        "interval(0)",
        ["PT-838H-59M-59S", "PT838H59M59S", "PT1S"],
    ),
    Case("CHAR(5)", ["'ab  '", "''", "'NULL'"], "character(5)", ["ab   ", "     ", "NULL "]),
    Case(
        "VARCHAR(200)",
        ["'a\\tb\\nc\\rd\\\\\\'\\\"e,\\b\\0f'", "''", "'NULL'", "NULL", "'\\\\N'", "'\\\\.'", "'x '"],
        "character varying(200)",
        ["a\tb\nc\rd\\'\"e,\bf", "", "NULL", None, "\\N", "\\.", "x "],
        "DEFAULT 'it''s \\\\ ''x'",
    ),
    Case(
        "VARCHAR(20) CHARACTER SET latin1", ["_latin1 x'e4f6fc80'", "'a\"b'"], "character varying(20)", ["äöü€", 'a"b']
    ),
    Case("TEXT", ["'😀é\\v\\f'", "REPEAT('x',65535)"], "text", ["😀évf", "x" * 65535]),
    Case("LONGTEXT", ["REPEAT('ä',70000)", "''"], "text", ["ä" * 70000, ""]),
    Case(
        "BINARY(4)",
        ["'ab'", "x'00ff0a5c'", "NULL"],
        "bytea",
        ["\\x61620000", "\\x00ff0a5c", None],
        "DEFAULT 0x00000001",
    ),
    Case("VARBINARY(10)", ["x'00ff2c22'", "''"], "bytea", ["\\x00ff2c22", "\\x"]),
    Case("BLOB", ["x'0a0d00'", "'NULL'"], "bytea", ["\\x0a0d00", "\\x4e554c4c"]),
    Case(
        "ENUM('a','b,c','d''e','ü')",
        ["'b,c'", "'d''e'", "'ü'", "NULL"],
        "character varying(3)",
        ["b,c", "d'e", "ü", None],
        "DEFAULT 'a'",
    ),
    Case("SET('x','y','z')", ["'z,x'", "''", "NULL"], "text", ["x,z", "", None]),
    Case(
        "JSON",
        [
            '\'{"b": 1.10, "a": [1, null, "\\\\"q\\\\", ü"], "n": 12345678901234567890}\'',
            "'null'",
            "'\"a\\\\u0000b\"'",
            "NULL",
            '\'{"a":1,"a":2}\'',
        ],
        "jsonb",
        ['{"a": [1, null, "\\"q\\", ü"], "b": 1.10, "n": 12345678901234567890}', "null", '"ab"', None, '{"a": 2}'],
    ),
    Case("POINT", ["ST_GeomFromText('POINT(1.5 -2)', 4326)", "NULL"], "point", ["(1.5,-2)", None]),
    Case(
        "POLYGON",
        ["ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')", "NULL"],
        "bytea",
        [
            "\\x010300000001000000040000000000000000000000000000000000000000000000000"
            "0f03f0000000000000000000000000000f03f000000000000f03f00000000000000000000000000000000",
            None,
        ],
    ),
    Case("INET6", ["'2001:db8::1'", "'::'", "NULL"], "inet", ["2001:db8::1/128", "::/128", None]),
    Case(
        "UUID",
        ["'123e4567-e89b-12d3-a456-426655440000'", "NULL"],
        "uuid",
        ["123e4567-e89b-12d3-a456-426655440000", None],
        "DEFAULT uuid()",
    ),
)


def make(mariadb: Mariadb) -> None:
    mariadb.run(f"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, {columns(CASES)})")
    values = ", ".join(f"(0, {row})" for row in rows(CASES))
    mariadb.run("SET sql_mode='ALLOW_INVALID_DATES'", "SET NAMES utf8mb4", f"INSERT INTO t VALUES {values}")


def test_each_type_arrives_in_postgresql(mariadb: Mariadb, postgres: Postgres) -> None:
    make(mariadb)
    progress = convert(settings(mariadb.endpoint(), postgres.endpoint(), "t"))
    found = postgres.run(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1"
        " ORDER BY attnum"
    )
    assert [kind for (kind,) in found] == [case.becomes for case in CASES]
    padded = [case.becomes == "character(5)" for case in CASES]
    text = ", ".join(f"rpad(c{n}, 5)" if pad else f"c{n}::text" for n, pad in enumerate(padded))
    session = "SET timezone = 'UTC'", "SET intervalstyle = 'iso_8601'"
    for wanted, row in zip(expected(CASES), postgres.run(*session, f"SELECT {text} FROM t ORDER BY id"), strict=True):
        for case, one, other in zip(CASES, wanted, row, strict=True):
            assert other == one, case.type
    assert progress.target.rows == len(rows(CASES))
    told = "\n".join(progress.warnings)
    for word in ("ENUM becomes", "holds more than 0 and 1", "TIME becomes interval", "ON UPDATE", "POINT becomes"):
        assert word in told


def test_each_type_arrives_in_another_mariadb(mariadb: Mariadb) -> None:
    mariadb.fresh(("d", "e"))
    make(mariadb)
    convert(settings(mariadb.endpoint(), mariadb.endpoint("e"), "t"))
    one, other = (mariadb.value("SHOW CREATE TABLE t", database=name) for name in ("d", "e"))
    made = [mariadb.run("SHOW CREATE TABLE t", database=name)[0][1] for name in ("d", "e")]
    assert one == other
    plain = [re.sub(r" CHARACTER SET utf8mb4| COLLATE [\w]+", "", text) for text in made]
    assert plain[0] == plain[1]
    assert mariadb.run("SELECT * FROM t ORDER BY id") == mariadb.run("SELECT * FROM t ORDER BY id", database="e")
    sums = [mariadb.run("CHECKSUM TABLE t", database=name)[0][1] for name in ("d", "e")]
    assert sums[0] == sums[1]


def test_an_override_goes_before_the_table(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, a TINYINT(1), b JSON)", 'INSERT INTO t VALUES (1, 1, \'{"b":1,"a":2}\')'
    )
    overrides = (TypeOverride("integer", column="a"), TypeOverride("json", type="json"))
    convert(settings(mariadb.endpoint(), postgres.endpoint(), "t", type_overrides=overrides))
    assert postgres.run("SELECT a, b::text FROM t") == [(1, '{"b":1,"a":2}')]


@pytest.mark.parametrize(("policy", "becomes"), [("null", None), ("epoch", "1970-01-01")])
def test_zero_dates_become_what_the_user_wants(
    mariadb: Mariadb, postgres: Postgres, policy: str, becomes: str | None
) -> None:
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, a DATE NOT NULL)",
        "SET sql_mode=''",
        "INSERT INTO t VALUES (1, '0000-00-00')",
    )
    progress = convert(settings(mariadb.endpoint(), postgres.endpoint(), "t", zero_dates=policy))
    assert postgres.run("SELECT a::text FROM t") == [(becomes,)]
    nullable = postgres.value(
        "SELECT is_nullable FROM information_schema.columns WHERE table_name='t' AND column_name='a'"
    )
    assert nullable == ("YES" if becomes is None else "NO")
    assert any("NOT NULL is left out" in text for text in progress.warnings) == (becomes is None)


def test_what_an_enum_does_not_have_is_the_empty_text(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.fresh(("d", "e"))
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, a ENUM('x','y'))",
        "SET sql_mode=''",
        "INSERT INTO t VALUES (1, 'x'), (2, 'z')",
    )
    convert(settings(mariadb.endpoint(), postgres.endpoint(), "t"))
    assert postgres.run("SELECT id, a FROM t ORDER BY id") == [(1, "x"), (2, "")]
    # a strict MariaDB takes no such value: the row is kept with its reason, and the others are copied
    wanted = settings(mariadb.endpoint(), mariadb.endpoint("e"), "t", on_error=OnError.SKIP, verify=False)
    progress = convert(wanted)
    assert (progress.failed, progress.target.rows) == (1, 1)
    assert mariadb.run("SELECT id, a FROM t", database="e") == ((1, "x"),)
    kept = mariadb.run("SELECT name, line, reason FROM _streams_rejected", database="e")
    assert [(name, line) for name, line, _ in kept] == [("t", '2,""')]
    assert "Data truncated" in kept[0][2]
    mariadb.run("DROP TABLE t", database="e")
    with pytest.raises(StreamFailed, match=r"t does not take a row \(id = 2\)"):
        convert(replace(wanted, stream="stream_2", options=Options()))
