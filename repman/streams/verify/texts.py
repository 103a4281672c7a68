"""One form for a value of the source and the value that it became, by which they can be compared; pure.

The source's text goes through the converters in Python, although rows are copied in a form that the source's server
makes as a rule: thus each of the two ways is a check of the other.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from repman.streams.types import values_rows
from repman.streams.types.types_mapped import Mapped, MappedTable, Rule

Canonical = Callable[[bytes], bytes]

_ISO = re.compile(rb"P(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?[\d.]+)S)?)?")
_TRUE = frozenset({b"t", b"1", b"\x01"})


def _same(text: bytes) -> bytes:
    return text


def _number(text: bytes) -> bytes:
    """A number without the zeros that say nothing."""
    try:
        found = Decimal(text.decode())
    except InvalidOperation:
        return text
    return f"{found.normalize():f}".encode() if found else b"0"


def _integer(text: bytes) -> bytes:
    return b"%d" % int(text)


def _float(text: bytes) -> bytes:
    return struct.pack(">d", float(text))


def _short_float(text: bytes) -> bytes:
    return struct.pack(">f", float(text))


def _boolean(text: bytes) -> bytes:
    return b"1" if text in _TRUE else b"0"


def _moment(text: bytes) -> bytes:
    """A date or time without the zone, which is UTC on both sides, and without the zeros of its fraction."""
    text = text.removesuffix(b"+00")
    return text.rstrip(b"0").rstrip(b".") if b"." in text else text


def _span(text: bytes) -> bytes:
    """A TIME of MySQL or an interval of ISO 8601 in microseconds."""
    if match := _ISO.fullmatch(text):
        days, hours, minutes, seconds = (Decimal((part or b"0").decode()) for part in match.groups())
        return str(int((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000_000)).encode()
    sign = -1 if text.startswith(b"-") else 1
    hours, minutes, seconds = (Decimal(part) for part in text.lstrip(b"-").decode().split(":"))
    return str(int(sign * ((hours * 60 + minutes) * 60 + seconds) * 1_000_000)).encode()


def _padded(text: bytes) -> bytes:
    return text.rstrip(b" ")


def _plain_number(text: str) -> str:
    return _number(text.encode()).decode()


def _document(text: bytes) -> bytes:
    """A JSON document with sorted keys; of a key that an object has twice the last one."""
    try:
        found = json.loads(text, parse_float=_plain_number, parse_int=_plain_number)
    except ValueError:
        return text
    return json.dumps(found, sort_keys=True).encode()


def _floats(text: bytes) -> bytes:
    return b",".join(_short_float(part) for part in text.strip(b"{}[]()").split(b","))


def _doubles(text: bytes) -> bytes:
    return b",".join(_float(part) for part in text.strip(b"{}[]()").split(b","))


def _lower(text: bytes) -> bytes:
    return text.lower()


_BY_DECLARED: tuple[tuple[str, Canonical], ...] = (
    ("BOOLEAN", _boolean),
    ("TINYINT(1)", _boolean),
    ("REAL[]", _floats),
    ("REAL", _short_float),
    ("FLOAT", _short_float),
    ("DOUBLE", _float),
    ("INTERVAL", _span),
    ("TIME", _moment),
    ("DATE", _moment),
    ("CHARACTER(", _padded),
    ("CHAR(", _padded),
    ("JSON", _document),
    ("NUMERIC", _number),
    ("DECIMAL", _number),
    ("POINT", _doubles),
    ("SMALLINT", _integer),
    ("MEDIUMINT", _integer),
    ("INT", _integer),
    ("BIGINT", _integer),
    ("UUID", _lower),
)
"""By the beginning of the target's type; the first one that fits."""
_RAW = frozenset({Rule.BYTES, Rule.BITS, Rule.RAW_BITS, Rule.RAW_SPATIAL, Rule.SPATIAL, Rule.WKB})


def canonical(table: MappedTable, mapped: Mapped) -> Canonical:
    """What gives both sides' texts of equal values the same form."""
    crossing = table.source_version.engine.is_mysql != table.target_version.engine.is_mysql
    declared = mapped.declared.upper()
    if mapped.rule in _RAW or values_rows.is_bytes(table, mapped):
        return _same
    if not crossing and mapped.rule is not Rule.FLOAT and declared.split("(")[0] != "TINYINT":
        return _same
    if not crossing and declared == "TINYINT(1)":
        return _integer
    for beginning, made in _BY_DECLARED:
        if declared.startswith(beginning):
            return made
    return _same


def of_source(table: MappedTable) -> Callable[[Sequence[bytes | None]], list[bytes | None]]:
    """What turns a row of the source into the common form."""
    turns = [(values_rows.converter(table, column), canonical(table, column)) for column in table.columns]

    def turned(row: Sequence[bytes | None]) -> list[bytes | None]:
        made: list[bytes | None] = []
        for value, (turn, form) in zip(row, turns, strict=True):
            if value is not None and turn is not None:
                value = turn(value)
            made.append(None if value is None else form(value))
        return made

    return turned


def of_target(table: MappedTable) -> Callable[[Sequence[bytes | None]], list[bytes | None]]:
    """What turns a row of the target into the common form."""
    forms = [canonical(table, column) for column in table.columns]

    def turned(row: Sequence[bytes | None]) -> list[bytes | None]:
        return [None if value is None else form(value) for value, form in zip(row, forms, strict=True)]

    return turned
