"""Values of MySQL and MariaDB as PostgreSQL reads them; pure.

Each function takes the source's text of a value that is not NULL (`repman.streams.structure.table` says what that is) and gives
the text that PostgreSQL's input function takes, or None for NULL.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from repman.streams.types.types_mapped import Mapped, Rule

Converter = Callable[[bytes], bytes | None]

_EPOCH_DAY = b"1970-01-01"
_EPOCH_TIME = b"1970-01-01 00:00:00"
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_HAS_SRID = 0x20000000
"""The bit of a type's number by which EWKB says that an SRID follows."""


def converter(mapped: Mapped) -> Converter | None:
    """What turns a column's values; None when their text stays as it is."""
    if mapped.rule is Rule.BITS:
        return _bits(mapped.source.type.length or 1)
    if mapped.rule in (Rule.DATE, Rule.DATETIME, Rule.INSTANT):
        return _dated(mapped)
    return _BY_RULE.get(mapped.rule)


def without_nul(text: bytes) -> bytes:
    """PostgreSQL's texts cannot hold U+0000."""
    return text.replace(b"\0", b"") if b"\0" in text else text


def bytea(raw: bytes) -> bytes:
    """As the hexadecimal form of bytea."""
    return b"\\x" + raw.hex().encode()


def json_without_nul(text: bytes) -> bytes:
    r"""jsonb cannot hold \u0000 in its strings either."""
    if b"\\u0000" in text:
        text = _ESCAPED_NUL.sub(rb"\1", text)
    return without_nul(text)


def _bit_boolean(raw: bytes) -> bytes:
    return b"t" if raw.strip(b"\0") else b"f"


def _bits(length: int) -> Converter:
    return lambda raw: f"{int.from_bytes(raw, 'big'):0{length}b}".encode()


def _dated(mapped: Mapped) -> Converter:
    suffix = b"+00" if mapped.rule is Rule.INSTANT else b""
    instead: bytes | None = None
    if mapped.zero_dates == "epoch":
        instead = _EPOCH_DAY if mapped.rule is Rule.DATE else _EPOCH_TIME + suffix
    refuses = mapped.zero_dates == "fail"

    def turned(text: bytes) -> bytes | None:
        if (text[5:7] == b"00" or text[8:10] == b"00" or text[:4] == b"0000") and not refuses:
            return instead
        return text + suffix

    return turned


def _point(raw: bytes) -> bytes:
    order = "<" if raw[4] else ">"
    across, up = struct.unpack_from(order + "dd", raw, 9)
    return f"({across!r},{up!r})".encode()


def _wkb(raw: bytes) -> bytes:
    return bytea(raw[4:])


def _ewkb(raw: bytes) -> bytes:
    order = "<" if raw[4] else ">"
    (kind,) = struct.unpack_from(order + "I", raw, 5)
    (srid,) = struct.unpack_from("<I", raw)
    head = raw[4:5] + struct.pack(order + "II", kind | _HAS_SRID, srid)
    return (head + raw[9:]).hex().encode()


def _vector(raw: bytes) -> bytes:
    numbers = struct.unpack(f"<{len(raw) // 4}f", raw)
    return b"{" + ",".join(repr(number) for number in numbers).encode() + b"}"


_BY_RULE: dict[Rule, Converter] = {
    Rule.TEXT: without_nul,
    Rule.BIT_BOOLEAN: _bit_boolean,
    Rule.BYTES: bytea,
    Rule.JSON: json_without_nul,
    Rule.POINT: _point,
    Rule.WKB: _wkb,
    Rule.SPATIAL: _ewkb,
    Rule.VECTOR: _vector,
}
