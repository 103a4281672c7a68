"""Reading the answers of a server, byte by byte and all at once."""

import struct

import pytest

from repman.engines.mysqlwire import Answer, Result, ServerSaid, WireClosed, quoted


def packet(number, body):
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def text(value):
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    if size < 1 << 16:
        return b"\xfc" + struct.pack("<H", size) + value
    return b"\xfd" + struct.pack("<I", size)[:3] + value


def column(name):
    body = b"".join(text(part) for part in (b"def", b"", b"t", b"t", name, name))
    return body + b"\x0c" + struct.pack("<HIBHB", 33, 255, 253, 0, 0) + b"\0\0"


def eof(more=False):
    return b"\xfe" + struct.pack("<HH", 0, 0x0008 if more else 0x0002)


def ok(more=False):
    return b"\x00\x00\x00" + struct.pack("<HH", 0x0008 if more else 0x0002, 0)


def error(number, words):
    return b"\xff" + struct.pack("<H", number) + b"#HY000" + words


def result(columns, rows, number=1, more=False):
    bodies = [bytes([len(columns)]), *(column(name) for name in columns), eof()]
    bodies += [b"".join(text(field) for field in row) for row in rows]
    bodies.append(eof(more))
    return b"".join(packet((number + place) % 256, body) for place, body in enumerate(bodies))


def read(data, headings=None, chunk=None):
    answer = Answer({} if headings is None else headings)
    chunk = chunk or len(data)
    for at in range(0, len(data), chunk):
        done = answer.feed(data[at : at + chunk])
        assert done == (at + chunk >= len(data))
    return answer


ROWS = ((b"1", None, b""), (b"x" * 300, b"y" * 70000, b"\xfe"))
WHOLE = (
    result([b"a", b"b", b"c"], ROWS, more=True)
    + packet(9, ok(more=True))
    + result([b"n"], (), 10, more=True)
    + result([b"n"], ((b"5",),), 14)
)


@pytest.mark.parametrize("chunk", [None, 1, 7, 4096])
def test_several_results_in_whatever_pieces_they_come(chunk):
    data = WHOLE if chunk != 1 else result([b"a", b"b", b"c"], ((b"1", None, b""), (b"x" * 300, b"", b"\xfe")))
    answer = read(data, chunk=chunk)
    assert answer.error is None
    assert answer.results[0].columns == ("a", "b", "c")
    if chunk != 1:
        assert answer.results == [Result(("a", "b", "c"), ROWS), Result(), Result(("n",)), Result(("n",), ((b"5",),))]
    else:
        assert answer.results[0].rows[1] == (b"x" * 300, b"", b"\xfe")


def test_columns_known_from_the_previous_answer_give_the_same_result():
    headings = {}
    first = read(WHOLE, headings)
    assert read(WHOLE, headings).results == first.results
    assert read(WHOLE, headings, chunk=13).results == first.results


def test_other_columns_than_in_the_previous_answer_are_noticed():
    headings = {}
    read(result([b"a", b"b"], ((b"1", b"2"),)), headings)
    changed = read(result([b"b", b"a"], ((b"1", b"2"),)), headings)
    assert changed.results[0].columns == ("b", "a")
    longer = read(result([b"b", b"a", b"c"], ((b"1", b"2", b"3"),)), headings)
    assert longer.results[0].columns == ("b", "a", "c")


def test_an_error_ends_the_answer_and_keeps_what_came_before():
    answer = read(result([b"a"], ((b"1",),), more=True) + packet(5, error(1227, b"Access denied")))
    assert len(answer.results) == 1
    assert (answer.error.number, answer.error.text) == (1227, "Access denied")


def test_an_error_among_rows():
    data = result([b"a"], ((b"1",),))
    cut = data[: data.rindex(packet(5, eof()))] + packet(5, error(1969, b"Query was interrupted"))
    assert read(cut).error.number == 1969


def test_a_packet_of_the_largest_size_is_refused():
    with pytest.raises(WireClosed, match="16 MiB"):
        Answer({}).feed(b"\xff\xff\xff\x01" + b"\x00" * 20)


def test_records_have_names_and_no_null():
    assert Result(("a", "b"), ((b"1", None),)).records() == [{"a": "1", "b": ""}]


def test_quoting():
    assert quoted('it\'s \\ "x"') == "'it''s \\\\ \"x\"'"
    with pytest.raises(ValueError, match="zero byte"):
        quoted("a\0b")


def test_the_words_of_an_error():
    assert str(ServerSaid(1045, "Access denied")) == "Access denied (1045)"
