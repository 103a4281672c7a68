"""Rows events made into tuples by a function that is written for one table and compiled.

A reader's time goes into the columns of rows.  A loop over columns that asks each for its type is several times slower
than code that knows them, so that code is made here, once per table map: for each column a line that reads its value
as the server would print it, and hands it to the function that makes it what the target takes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from repman.errors import StreamFailed
from repman.streams.cdc import binlog_values as values
from repman.streams.cdc.binlog_events import TableMap

NULL = b"NULL"
"""As the fields of both targets' lines spell it: texts are in quotes."""
Images = Callable[[bytes, int, int, list[Any]], None]
"""Reads the row images between two offsets, and appends each as a tuple to the list."""


@dataclass(frozen=True, slots=True)
class Form:
    """What rows events do not say of a column."""

    wanted: bool = True
    """Whether rows have a place for it."""
    empty: bool = False
    """Whether NULL is put into that place whatever the value is, because nobody asks for it."""
    unsigned: bool = False
    labels: tuple[bytes, ...] = ()
    """Of ENUM and SET, in UTF-8."""
    binary: int = 0
    """Length of a BINARY."""
    codec: str = ""
    """Python's name of the character set, when that is not UTF-8."""
    kind: str = ""
    """``uuid``, ``inet4`` or ``inet6`` of MariaDB, which look like BINARY; else empty."""
    convert: Callable[[bytes], bytes] | None = None
    """Makes a field of the printed value; None: `template` does."""
    template: str = "{}"
    """The same as an expression of Python, in which braces stand for the value."""

    @property
    def read(self) -> bool:
        """Whether its values are read, and not passed over."""
        return self.wanted and not self.empty


_NUMBERS = {1: ("b", "B"), 2: ("h", "H"), 3: ("i", "I"), 8: ("q", "Q")}
_SPECIAL = {"uuid": values.uuid_text, "inet4": values.inet4_text, "inet6": values.inet6_text}


class _Source:
    """The lines of the function being written, and the names that they use."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"number": int.from_bytes, "NULL": NULL}
        self._count = 0

    def name(self, value: Any) -> str:
        """A name for `value` in the lines."""
        self._count += 1
        name = f"n{self._count}"
        self.names[name] = value
        return name

    def structure(self, form: str) -> tuple[str, int]:
        """The name of an unpacker, and the size of what it reads."""
        made = struct.Struct("<" + form)
        return self.name(made.unpack_from), made.size


def images(table: TableMap, forms: Sequence[Form], then: Sequence[Form] | None = None) -> Images:
    """The compiled reader of a table's rows.  `forms` has one entry for each column of `table`.

    With `then`, rows come in pairs, as in updates: the first of each is read by `forms`, the second by `then`.
    Raises StreamFailed for a type that cannot be read, and names table and type.
    """
    source = _Source()
    lines = ["def read(data, at, end, out):", " append = out.append", " while at < end:"]
    lines += _image(source, table, forms)
    if then is not None:
        lines += _image(source, table, then)
    namespace = source.names
    exec(compile("\n".join(lines), f"<rows of {table.schema}.{table.table}>", "exec"), namespace)
    made: Images = namespace["read"]
    return made


def _image(source: _Source, table: TableMap, forms: Sequence[Form]) -> list[str]:
    """The lines that read one row and append it."""
    count = len(table.types)
    size = (count + 7) // 8
    row = "".join(f"c{number}, " if forms[number].read else "NULL, " for number in range(count) if forms[number].wanted)
    columns = [_column(source, table, number, forms[number]) for number in range(count)]
    lines = [f"  nulls = number(data[at:at + {size}], 'little')", f"  at += {size}", "  if not nulls:"]
    lines += [f"   {line}" for line in _straight(source, table, forms, columns)]
    lines.append("  else:")
    for number, column in enumerate(columns):
        lines.append(f"   if nulls & {1 << number}: c{number} = NULL")
        lines.append("   else:")
        lines += [f"    {line}" for line in column]
    lines.append(f"  append(({row}))")
    return lines


def _number_form(kind: int, form: Form) -> str:
    """The letter of `struct` for a number; empty for all other types."""
    if kind in _NUMBERS:
        return _NUMBERS[kind][form.unsigned]
    return {4: "f", 5: "d"}.get(kind, "")


def _straight(source: _Source, table: TableMap, forms: Sequence[Form], columns: list[list[str]]) -> list[str]:
    """The lines for a row without NULL: neighbouring numbers are read at once."""
    lines: list[str] = []
    number, count = 0, len(columns)
    while number < count:
        run = number
        while run < count and _number_form(table.types[run], forms[run]):
            run += 1
        if run - number < 2:
            lines += columns[number]
            number += 1
            continue
        letters = "".join(_number_form(table.types[i], forms[i]) for i in range(number, run))
        unpack, size = source.structure(letters)
        lines.append(", ".join(f"c{i}" for i in range(number, run)) + f" = {unpack}(data, at)")
        lines.append(f"at += {size}")
        for i in range(number, run):
            if forms[i].read:
                lines.append(_printed(source, i, table.types[i], forms[i]))
        number = run
    return lines


def _printed(source: _Source, number: int, kind: int, form: Form) -> str:
    text = f"repr(c{number}).encode()" if kind in (4, 5) else f"b'%d' % c{number}"
    return f"c{number} = {_converted(source, text, form)}"


def _converted(source: _Source, text: str, form: Form) -> str:
    if form.convert is not None:
        return f"{source.name(form.convert)}({text})"
    return text if form.template == "{}" else form.template.format(text)


def _column(source: _Source, table: TableMap, number: int, form: Form) -> list[str]:
    """The lines that read one column that is not NULL."""
    kind, meta = table.types[number], table.meta[number]
    letter = _number_form(kind, form)
    if letter:
        unpack, size = source.structure(letter)
        if not form.read:
            return [f"at += {size}"]
        return [f"c{number}, = {unpack}(data, at)", f"at += {size}", _printed(source, number, kind, form)]
    size, prefix, reader = _layout(table, number, kind, meta, form)
    lines = []
    if prefix == 1:
        lines.append("to = at + 1 + data[at]; at += 1")
    elif prefix:
        lines.append(f"to = at + {prefix} + number(data[at:at + {prefix}], 'little'); at += {prefix}")
    else:
        lines.append(f"to = at + {size}")
    if form.read:
        text = "data[at:to]"
        if reader is not None:
            text = f"{source.name(reader)}({text})"
        lines.append(f"c{number} = {_converted(source, text, form)}")
    lines.append("at = to")
    return lines


_Layout = tuple[int, int, Callable[[bytes], bytes] | None]
"""Fixed size, or size of the length in front of the value, and what prints the bytes (None: they are the text)."""


def _layout(table: TableMap, number: int, kind: int, meta: int, form: Form) -> _Layout:
    if kind == 9:
        return 3, 0, _medium(form.unsigned)
    if kind in (7, 10, 11, 12, 13):
        sizes = {7: 4, 10: 3, 11: 3, 12: 8, 13: 1}
        readers = {7: _old_timestamp, 10: values.date, 11: values.old_time, 12: values.old_datetime, 13: values.year}
        return sizes[kind], 0, readers[kind]
    if kind in (17, 18, 19):
        size = {17: 4, 18: 5, 19: 3}[kind] + values.fraction_size(meta)
        return size, 0, {17: values.timestamp, 18: values.datetime, 19: values.time_of_day}[kind](meta)
    if kind == 246:
        precision, scale = meta & 0xFF, meta >> 8
        return values.decimal_size(precision, scale), 0, values.decimal(precision, scale)
    if kind == 16:
        return (meta >> 8) + (1 if meta & 0xFF else 0), 0, None
    if kind in (249, 250, 251, 252, 255):
        return 0, meta, _text_reader(form)
    if kind in (15, 253):
        return 0, 1 if meta < 256 else 2, _text_reader(form)
    if kind in (247, 248, 254):
        return _string(kind, meta, form)
    name = {245: "JSON of MySQL", 140: "BLOB COMPRESSED", 141: "VARCHAR COMPRESSED"}.get(kind, f"number {kind}")
    raise StreamFailed(
        f"column {number + 1} of {table.schema}.{table.table} has a type that cannot be followed ({name}): "
        "leave the table out of the stream, or change the column's type and start a new stream"
    )


def _string(kind: int, meta: int, form: Form) -> _Layout:
    """CHAR, BINARY, ENUM and SET share a type; its metadata tells which one, and the length."""
    first, second = meta & 0xFF, meta >> 8
    if kind == 254 and first & 0x30 == 0x30:
        kind, length = first, second
    elif kind == 254:
        kind, length = 254, second | ((first & 0x30) ^ 0x30) << 4
    else:
        length = second
    if kind == 247:
        return length, 0, values.labelled(form.labels)
    if kind == 248:
        return length, 0, values.chosen(form.labels)
    return 0, 1 if length < 256 else 2, _text_reader(form)


def _text_reader(form: Form) -> Callable[[bytes], bytes] | None:
    if form.kind:
        return _SPECIAL[form.kind]
    if form.binary:
        return values.padded(form.binary)
    return values.recoded(form.codec) if form.codec else None


def _medium(unsigned: bool) -> Callable[[bytes], bytes]:
    return lambda raw: b"%d" % int.from_bytes(raw, "little", signed=not unsigned)


def _old_timestamp(raw: bytes) -> bytes:
    return values.timestamp(0)(raw[::-1])
