"""Values of PostgreSQL as MySQL and MariaDB read them; pure.

Each function takes the source's text of a value that is not NULL (`repman.streams.structure.table` says what that is) and gives
the text that MySQL converts to the column's type, or None for NULL.  For columns of bytes, bits and shapes it gives the
bytes that are stored.
"""

from __future__ import annotations

import json
import re
import struct

from repman.streams.types.types_mapped import Mapped, Rule
from repman.streams.types.values_arrays import array_as_json, hstore_as_json, range_as_json
from repman.streams.types.values_to_postgresql import Converter

_NOT_NUMBERS = frozenset({b"NaN", b"Infinity", b"-Infinity"})
_MONEY = re.compile(rb"[^0-9.\-]")
_HAS_SRID = 0x20000000
_HAS_NO_SRID = 0xDFFFFFFF
_POINT_TYPE = 1


def converter(mapped: Mapped) -> Converter | None:
    """What turns a column's values; None when their text stays as it is."""
    if mapped.rule is Rule.ARRAY:
        return array_as_json(mapped.source.type.name)
    return _BY_RULE.get(mapped.rule)


def gives_bytes(mapped: Mapped) -> bool:
    """Whether what comes out is bytes and not text."""
    return mapped.rule in _BINARY


def raw_bytes(text: bytes) -> bytes:
    r"""The bytes of a bytea, from its hexadecimal form ``\x...``."""
    return bytes.fromhex(text[2:].decode())


def _number(text: bytes) -> bytes | None:
    return None if text in _NOT_NUMBERS else text


def _money(text: bytes) -> bytes:
    return _MONEY.sub(b"", text)


def _boolean(text: bytes) -> bytes:
    return b"1" if text == b"t" else b"0"


def _date(text: bytes) -> bytes | None:
    return text if text[4:5] == b"-" and not text.endswith(b"C") else None


def _instant(text: bytes) -> bytes | None:
    found = _date(text)
    return found.removesuffix(b"+00") if found else None


def _bits(text: bytes) -> bytes:
    return int(text, 2).to_bytes((len(text) + 7) // 8, "big")


def _point(text: bytes) -> bytes:
    across, up = text.strip(b"()").split(b",")
    return b"\0\0\0\0" + struct.pack("<BIdd", 1, _POINT_TYPE, float(across), float(up))


def _spatial(text: bytes) -> bytes:
    raw = bytes.fromhex(text.decode())
    order = "<" if raw[0] else ">"
    (kind,) = struct.unpack_from(order + "I", raw, 1)
    if not kind & _HAS_SRID:
        return b"\0\0\0\0" + raw
    (srid,) = struct.unpack_from(order + "I", raw, 5)
    return struct.pack("<I", srid) + raw[:1] + struct.pack(order + "I", kind & _HAS_NO_SRID) + raw[9:]


def _range(text: bytes) -> bytes:
    return json.dumps(range_as_json(text.decode()), ensure_ascii=False).encode()


_BY_RULE: dict[Rule, Converter] = {
    Rule.NUMBER: _number,
    Rule.MONEY: _money,
    Rule.BOOLEAN: _boolean,
    Rule.BYTES: raw_bytes,
    Rule.DATE: _date,
    Rule.DATETIME: _date,
    Rule.INSTANT: _instant,
    Rule.BITS: _bits,
    Rule.POINT: _point,
    Rule.SPATIAL: _spatial,
    Rule.RANGE: _range,
    Rule.HSTORE: hstore_as_json,
}
_BINARY = frozenset({Rule.BYTES, Rule.BITS, Rule.POINT, Rule.SPATIAL, Rule.RAW_SPATIAL, Rule.RAW_BITS})
