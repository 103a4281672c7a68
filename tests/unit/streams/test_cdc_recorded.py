"""Decoders against bytes that real servers have sent."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest

from repman.errors import StreamFailed
from repman.streams.cdc import binlog_events as events
from repman.streams.cdc import pgoutput_messages as messages
from repman.streams.cdc.binlog_rows import NULL, Form, images
from repman.streams.cdc.changes import UNCHANGED

HERE = Path(__file__).parent / "recorded"
FORMS = {
    "id": Form(unsigned=True),
    "b": Form(unsigned=True),
    "cu": Form(unsigned=True),
    "en": Form(labels=(b"a", b"b,c", "é".encode())),
    "se": Form(labels=(b"x", b"y", b"z")),
    "bi": Form(binary=4),
    "u": Form(kind="uuid"),
    "i4": Form(kind="inet4"),
    "i6": Form(kind="inet6"),
    "l1": Form(codec="cp1252"),
}


def recorded(name: str) -> list[str]:
    return [line for line in (HERE / name).read_text().splitlines() if not line.startswith("#")]


def of_kind(kind: str) -> list[list[str]]:
    return [line.split(" ")[1:] for line in recorded("mariadb-types.txt") if line.startswith(kind + " ")]


def text(word: str) -> bytes:
    return NULL if word == "-" else b"" if word == "." else b64decode(word)


def test_rows_events_say_what_the_server_prints() -> None:
    table = events.table_map(b64decode(of_kind("map")[0][0]))
    read = images(table, [FORMS.get(name, Form()) for name in table.names])
    rows: list[tuple[bytes, ...]] = []
    for (word,) in of_kind("rows"):
        event = b64decode(word)
        body = events.rows_body(event, event[4])
        assert body.full
        assert body.number == table.number
        read(body.data, body.at, len(body.data), rows)
    expected = [tuple(map(text, words)) for words in of_kind("text")]
    assert len(rows) == len(expected) == 6
    for found, wanted in zip(rows, expected, strict=True):
        for name, one, other in zip(table.names, found, wanted, strict=True):
            if name in ("f", "g") and one != NULL:
                assert float(one) == float(other), name
            else:
                assert one == other, name


def test_columns_that_are_not_followed_are_passed_over() -> None:
    table = events.table_map(b64decode(of_kind("map")[0][0]))
    wanted = {"id", "vc", "l1"}
    forms = [FORMS.get(name, Form()) if name in wanted else Form(wanted=False) for name in table.names]
    rows: list[tuple[bytes, ...]] = []
    event = b64decode(of_kind("rows")[0][0])
    body = events.rows_body(event, event[4])
    images(table, forms)(body.data, body.at, len(body.data), rows)
    assert rows == [(b"18446744073709551615", "😀\\x".encode(), "é".encode())]


def test_pairs_of_which_the_first_row_is_read_for_its_key_only() -> None:
    table = events.table_map(b64decode(of_kind("map")[0][0]))
    forms = [FORMS.get(name, Form()) for name in table.names]
    keys = [form if name == "id" else replace(form, empty=True) for name, form in zip(table.names, forms, strict=True)]
    bodies = [events.rows_body(event, event[4]) for event in (b64decode(word) for (word,) in of_kind("rows")[:2])]
    data = b"".join(body.data[body.at :] for body in bodies)
    rows: list[tuple[bytes, ...]] = []
    images(table, keys, forms)(data, 0, len(data), rows)
    first, second = (tuple(map(text, words)) for words in of_kind("text")[:2])
    assert rows[0] == (first[0], *[NULL] * (len(table.names) - 1))
    assert (rows[1][0], rows[1][-3:]) == (second[0], second[-3:])


def test_a_type_that_cannot_be_read_is_named() -> None:
    table = events.TableMap(1, "d", "t", bytes([3, 245]), (0, 4))
    with pytest.raises(StreamFailed, match=r"column 2 of d\.t .*JSON of MySQL"):
        images(table, [Form(), Form()])


def test_pgoutput_messages() -> None:
    at = messages.DATA_SIZE
    kinds, relations, rows = "", [], []
    for line in recorded("postgresql-messages.txt"):
        message = b64decode(line)
        kind = chr(message[at])
        kinds += kind
        if kind == "R":
            relations.append(messages.relation(message, at))
        elif kind in "IUD":
            read = messages.row_reader((0, 1, 2, 3), (None,) * 4)
            place = at + 5
            if message[place] in b"KO":
                row, place = read(message, place + 1)
                rows.append(row)
            if kind != "D":
                rows.append(read(message, place + 1)[0])
        elif kind == "T":
            assert messages.truncated(message, at) == (relations[0].oid,)
        elif kind == "C":
            assert messages.commit(message, at).end > 0
    assert kinds == "BRIICBUCBUCBDCBRTC"
    assert [column.name for column in relations[0].columns] == ["id", "t", "b", "f"]
    assert [column.key for column in relations[0].columns] == [True, False, False, False]
    assert rows == [
        (b"1", b"it's", b"x" * 3000, b"0.1"),
        (b"2", NULL, b"b", NULL),
        (b"1", b"new", UNCHANGED, b"0.1"),
        (b"1", NULL, NULL, NULL),
        (b"10", b"new", UNCHANGED, b"0.1"),
        (b"2", NULL, NULL, NULL),
    ]


def test_rows_in_another_order_and_without_some_columns() -> None:
    line = next(line for line in recorded("postgresql-messages.txt") if chr(b64decode(line)[25]) == "I")
    message = b64decode(line)
    read = messages.row_reader((1, None, None, 0), (None, None, None, lambda value: b"<" + value + b">"))
    assert read(message, messages.DATA_SIZE + 6)[0] == (b"<0.1>", b"1")
