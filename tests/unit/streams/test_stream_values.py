"""Values on their way: each rule by itself, and the line that the loaders take."""

from __future__ import annotations

import csv
import io
import json
import struct

import pytest

from repman.streams.convert.copy_packets import Packets, split
from repman.streams.convert.copy_postgresql import split as split_text
from repman.streams.convert.load_insert import fields_of, row_of
from repman.streams.structure.table import Column, Engine, Table, Type, Version, literal, quoted
from repman.streams.types import values_rows, values_to_mysql, values_to_postgresql
from repman.streams.types.types_mapped import Mapped, MappedTable, Rule
from repman.streams.types.values_arrays import array_as_json, hstore_as_json, range_as_json

MARIADB = Version(Engine.MARIADB, (10, 11, 0))
POSTGRESQL = Version(Engine.POSTGRESQL, (15, 0))


def column(rule: Rule, name: str = "varchar", **changes: object) -> Mapped:
    length = changes.pop("length", None)
    return Mapped(Column("c", Type(name, name, length=length)), "text", rule, **changes)  # type: ignore[arg-type]


def table(source: Version, target: Version, *columns: Mapped) -> MappedTable:
    made = Table("s", "t", tuple(each.source for each in columns))
    return MappedTable(made, "s", "t", columns, source, target)


@pytest.mark.parametrize(
    ("mapped", "text", "wanted"),
    [
        (column(Rule.TEXT), b"a\0b", b"ab"),
        (column(Rule.BYTES), b"\0\xff", b"\\x00ff"),
        (column(Rule.BYTES), b"", b"\\x"),
        (column(Rule.BIT_BOOLEAN), b"\0", b"f"),
        (column(Rule.BIT_BOOLEAN), b"\1", b"t"),
        (column(Rule.BITS, length=9), b"\1\1", b"100000001"),
        (column(Rule.DATE), b"0000-00-00", None),
        (column(Rule.DATE), b"2024-00-15", None),
        (column(Rule.DATE), b"2024-02-00", None),
        (column(Rule.DATE, zero_dates="epoch"), b"0000-00-00", b"1970-01-01"),
        (column(Rule.DATE, zero_dates="fail"), b"0000-00-00", b"0000-00-00"),
        (column(Rule.DATETIME), b"2024-02-29 00:00:00.5", b"2024-02-29 00:00:00.5"),
        (column(Rule.INSTANT), b"2024-02-29 00:00:00", b"2024-02-29 00:00:00+00"),
        (column(Rule.INSTANT, zero_dates="epoch"), b"0000-00-00 00:00:00", b"1970-01-01 00:00:00+00"),
        (column(Rule.JSON), rb'"a\u0000b"', b'"ab"'),
        (column(Rule.JSON), rb'"a\\u0000b"', rb'"a\\u0000b"'),
        (column(Rule.POINT), struct.pack("<IBIdd", 4326, 1, 1, 1.5, -2), b"(1.5,-2.0)"),
        (column(Rule.WKB), b"\0\0\0\0\1\2", b"\\x0102"),
        (column(Rule.VECTOR), struct.pack("<2f", 1.5, -2), b"{1.5,-2.0}"),
        (column(Rule.PLAIN), b"1", b"1"),
    ],
)
def test_values_for_postgresql(mapped: Mapped, text: bytes, wanted: bytes | None) -> None:
    turn = values_to_postgresql.converter(mapped)
    assert (text if turn is None else turn(text)) == wanted


@pytest.mark.parametrize(
    ("mapped", "text", "wanted"),
    [
        (column(Rule.NUMBER), b"NaN", None),
        (column(Rule.NUMBER), b"-Infinity", None),
        (column(Rule.NUMBER), b"1.10", b"1.10"),
        (column(Rule.MONEY), b"-$1,234.56", b"-1234.56"),
        (column(Rule.BOOLEAN), b"t", b"1"),
        (column(Rule.BYTES), b"\\x00ff", b"\0\xff"),
        (column(Rule.DATE), b"infinity", None),
        (column(Rule.DATE), b"0044-03-15 BC", None),
        (column(Rule.DATE), b"10000-01-01", None),
        (column(Rule.DATE), b"9999-12-31", b"9999-12-31"),
        (column(Rule.INSTANT), b"2024-01-01 00:00:00.5+00", b"2024-01-01 00:00:00.5"),
        (column(Rule.INSTANT), b"-infinity", None),
        (column(Rule.BITS), b"100000001", b"\1\1"),
        (column(Rule.POINT), b"(1.5,-2)", struct.pack("<IBIdd", 0, 1, 1, 1.5, -2)),
        (
            column(Rule.SPATIAL),
            b"0101000020E6100000000000000000F03F0000000000000040",
            struct.pack("<IBIdd", 4326, 1, 1, 1, 2),
        ),
    ],
)
def test_values_for_mysql(mapped: Mapped, text: bytes, wanted: bytes | None) -> None:
    turn = values_to_mysql.converter(mapped)
    assert turn is not None
    assert turn(text) == wanted


@pytest.mark.parametrize(
    ("element", "text", "wanted"),
    [
        ("int4", "{1,NULL,-3}", [1, None, -3]),
        ("int4", "{}", []),
        ("int4", "{{1,2},{3,4}}", [[1, 2], [3, 4]]),
        ("int4", "[0:1]={5,6}", [5, 6]),
        ("float8", "{NaN,1.5}", [None, 1.5]),
        ("text", '{"a\\"b",NULL,"NULL","c,{d}","\\\\",""}', ['a"b', None, "NULL", "c,{d}", "\\", ""]),
        ("bool", "{t,f}", [True, False]),
        ("jsonb", '{"{\\"a\\": 1}",NULL}', [{"a": 1}, None]),
        ("box", "{(1,1),(0,0);(2,2),(1,1)}", ["(1", "1)", "(0", "0)", "(2", "2)", "(1", "1)"]),
    ],
)
def test_arrays_become_json(element: str, text: str, wanted: object) -> None:
    assert json.loads(array_as_json(element)(text.encode()) or b"") == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[1,5)", {"lower": "1", "upper": "5", "bounds": "[)"}),
        ("(,3]", {"lower": None, "upper": "3", "bounds": "(]"}),
        ("empty", {"empty": True}),
        ('["a,\\"b","c""d")', {"lower": 'a,"b', "upper": 'c"d', "bounds": "[)"}),
        ("{[1,2),[5,7)}", [{"lower": "1", "upper": "2", "bounds": "[)"}, {"lower": "5", "upper": "7", "bounds": "[)"}]),
        ("{}", []),
    ],
)
def test_ranges_become_json(text: str, wanted: object) -> None:
    assert range_as_json(text) == wanted


def test_hstore_becomes_an_object() -> None:
    found = hstore_as_json(b'"a"=>"1", "b \\"q\\""=>NULL, "c"=>"x, y"')
    assert json.loads(found or b"") == {"a": "1", 'b "q"': None, "c": "x, y"}


def test_a_line_is_read_as_csv_with_null_as_a_bare_word() -> None:
    values = [b"1", b"NULL", None, b'a"b,\n', b""]
    mapped = table(MARIADB, POSTGRESQL, column(Rule.PLAIN, unquoted=True), *[column(Rule.TEXT)] * 4)
    line = values_rows.line(values_rows.fields(mapped))(values)
    assert line == b'1,"NULL",NULL,"a""b,\n",""'
    (row,) = csv.reader(io.StringIO(line.decode(), newline=""))
    assert row == ["1", "NULL", "NULL", 'a"b,\n', ""]


def test_bytes_for_mysql_are_bound_as_they_are_and_loaded_as_digits() -> None:
    mapped = table(POSTGRESQL, MARIADB, column(Rule.BYTES))
    assert values_rows.parameter(mapped, mapped.columns[0])(b"\\x00ff") == b"\0\xff"
    assert values_rows.field(mapped, mapped.columns[0])(b"\\x00ff") == b'"00ff"'
    assert values_rows.load_expression(mapped, mapped.columns[0]) == "UNHEX({})"
    back = table(MARIADB, POSTGRESQL, column(Rule.BYTES))
    assert values_rows.parameter(back, back.columns[0])(b"\0\xff") == "\\x00ff"
    assert values_rows.parameter(back, back.columns[0])(None) is None


class Trickle(io.BytesIO):
    """A socket that gives as little at once as it likes."""

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(7)


def packet(body: bytes) -> bytes:
    made = b""
    while True:
        part, body = body[:0xFFFFFF], body[0xFFFFFF:]
        made += len(part).to_bytes(3, "little") + b"\0" + part
        if len(part) < 0xFFFFFF:
            return made


def text(value: bytes | None) -> bytes:
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    return (
        b"\xfd" + size.to_bytes(3, "little") + value if size < 1 << 24 else b"\xfe" + size.to_bytes(8, "little") + value
    )


@pytest.mark.parametrize("stream", [Trickle, io.BytesIO])
def test_packets_are_cut_where_they_end(stream: type[io.BytesIO]) -> None:
    values = [b"a", b"", b"b" * 250, b"c" * 251, b"d" * 70_000, None, b"e"]
    source = stream(b"".join(packet(text(value)) for value in values) + packet(b"\xfe\0\0\2\0") + b"next")
    packets = Packets(source, one_text=True)
    found = []
    while (many := packets.read()) is not None:
        found += many
    assert found == [value or b"" for value in values]


def test_a_row_of_many_packets_is_put_together() -> None:
    large = b"x" * (0xFFFFFF * 2 + 5)
    source = io.BytesIO(packet(text(b"1") + text(large)) + packet(text(b"2") + text(None)) + packet(b"\xfe\0\0\2\0"))
    packets = Packets(source, one_text=False)
    rows = []
    while (many := packets.read()) is not None:
        rows += [split(row, 2) for row in many]
    assert rows == [(b"1", large), (b"2", None)]


def test_a_line_of_copy_is_unescaped() -> None:
    assert split_text(rb"a\tb\\" + b"\t" + rb"\N" + b"\t\t" + rb"\\N\n\r\b\f\v") == (
        b"a\tb\\",
        None,
        b"",
        b"\\N\n\r\b\f\v",
    )


@pytest.mark.parametrize("name", ["a`b", 'a"b', "a'b\\", "ä", "%s"])
def test_names_and_literals_are_quoted(name: str) -> None:
    assert quoted(Engine.MYSQL, name)[1:-1].replace("``", "`") == name
    assert quoted(Engine.POSTGRESQL, name)[1:-1].replace('""', '"') == name
    assert literal(Engine.MYSQL, name)[1:-1].replace("''", "'").replace("\\\\", "\\") == name
    assert literal(Engine.POSTGRESQL, "a'b") == "'a''b'"
    assert literal(Engine.POSTGRESQL, "a\\b'") == " E'a\\\\b'''"


def test_a_line_becomes_a_row_of_values() -> None:
    assert fields_of(b'1,"a""b,\n",NULL,"NULL",""') == [
        (b"1", False),
        (b'a"b,\n', True),
        (b"NULL", False),
        (b"NULL", True),
        (b"", True),
    ]
    mapped = table(POSTGRESQL, MARIADB, column(Rule.PLAIN, unquoted=True), column(Rule.TEXT), column(Rule.BYTES))
    line = values_rows.line(values_rows.fields(mapped))([b"1", b"it's \\ \"", b"\\x00ff"])
    text, digits = (
        (lambda value: b"'" + value.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"),
        (lambda value: b"x" + value),
    )
    assert row_of(line, [text, text, digits]) == b"('1','it''s \\\\ \"',x00ff)"
