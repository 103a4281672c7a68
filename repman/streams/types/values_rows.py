"""Functions made for one column of a mapped table: a value as a field of the loader, and as a bound parameter.

The loader's line is CSV, the same for COPY and for LOAD DATA: commas between fields, text in double quotes with quotes
doubled, the bare word NULL for NULL, no escapes.  Bytes go to PostgreSQL as ``\\x`` and hexadecimal digits, to MySQL as
hexadecimal digits, which `load_expression` turns back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from repman.streams.types import values_to_mysql, values_to_postgresql
from repman.streams.types.types_mapped import Mapped, MappedTable
from repman.streams.types.values_to_postgresql import Converter

NULL = b"NULL"
Field = Callable[[bytes | None], bytes]
Parameter = Callable[[bytes | None], str | bytes | None]


def converter(table: MappedTable, mapped: Mapped) -> Converter | None:
    """What turns a value of the source into one of the target; None when its text stays as it is.

    To MySQL, what it gives is text, or bytes when `is_bytes`; to PostgreSQL it is always text.
    """
    if table.source_version.engine.is_mysql:
        if table.target_version.engine.is_mysql:
            return None
        return values_to_postgresql.converter(mapped)
    return values_to_mysql.converter(mapped) if table.target_version.engine.is_mysql else None


def is_bytes(table: MappedTable, mapped: Mapped) -> bool:
    """Whether the target's value is bytes, not text."""
    return table.target_version.engine.is_mysql and values_to_mysql.gives_bytes(mapped)


def parameter(table: MappedTable, mapped: Mapped) -> Parameter:
    """What makes a bound parameter of a value: text, bytes for MySQL's binary columns, or None.

    PostgreSQL takes the text with the unknown type, or cast to the column's type; sessions are in UTC.
    """
    turn = converter(table, mapped)
    binary = is_bytes(table, mapped)

    def made(value: bytes | None) -> str | bytes | None:
        if value is not None and turn is not None:
            value = turn(value)
        return value if value is None or binary else value.decode()

    return made


def field(table: MappedTable, mapped: Mapped) -> Field:
    """What makes a field of the loader's line of a value."""
    turn = converter(table, mapped)
    binary = is_bytes(table, mapped)
    bare = mapped.unquoted and not binary

    def made(value: bytes | None) -> bytes:
        if value is not None and turn is not None:
            value = turn(value)
        if value is None:
            return NULL
        if bare:
            return value
        if binary:
            return b'"' + value.hex().encode() + b'"'
        return b'"' + value.replace(b'"', b'""') + b'"'

    return made


def load_expression(table: MappedTable, mapped: Mapped) -> str | None:
    """MySQL: what turns a loaded field, ``{}``, into the column's value; None when it is taken as it is."""
    if is_bytes(table, mapped):
        return "UNHEX({})"
    return None


def line(fields: Sequence[Field]) -> Callable[[Sequence[bytes | None]], bytes]:
    """What makes the loader's line of a row, without its line end."""
    made = tuple(fields)

    def joined(row: Sequence[bytes | None]) -> bytes:
        return b",".join([make(value) for make, value in zip(made, row, strict=True)])

    return joined


def fields(table: MappedTable) -> tuple[Field, ...]:
    """`field` of each column that takes values."""
    return tuple(field(table, mapped) for mapped in table.columns)
