"""How MySQL and MariaDB store values in rows events, as the text that the server itself would print of them.

Each function reads one value at an offset.  TIMESTAMP is printed in UTC.

Source: MariaDB Knowledge Base and MySQL internals, "Rows event" and "Date and Time Data Type Representation"; the
decimal format is described at the top of ``strings/decimal.c`` in words: digits in groups of nine, four bytes each,
big-endian, the sign bit inverted, all bytes inverted for negative numbers.
"""

from __future__ import annotations

import ipaddress
import time
import uuid
from collections.abc import Callable

_BYTES_OF_DIGITS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
"""How many bytes so many decimal digits take."""
HOUR = 3600


def decimal_size(precision: int, scale: int) -> int:
    """Bytes of a stored DECIMAL."""
    whole = precision - scale
    return sum(digits // 9 * 4 + _BYTES_OF_DIGITS[digits % 9] for digits in (whole, scale))


def decimal(precision: int, scale: int) -> Callable[[bytes], bytes]:
    """What prints the stored bytes of a DECIMAL."""
    size = decimal_size(precision, scale)
    whole = precision - scale
    parts = [whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9]
    groups = []
    at = size * 8
    for digits in parts:
        bits = _BYTES_OF_DIGITS[digits] * 8
        if bits:
            at -= bits
            groups.append((at, (1 << bits) - 1, 10**digits))
    top, everything, one = 1 << (size * 8 - 1), (1 << size * 8) - 1, 10**scale
    form = f"%s%d.%0{scale}d".encode() if scale else b"%s%d"

    def read(raw: bytes) -> bytes:
        stored = int.from_bytes(raw, "big")
        sign = b""
        if stored & top:
            stored ^= top
        else:
            stored = stored ^ everything ^ top
            sign = b"-"
        value = 0
        for shift, mask, factor in groups:
            value = value * factor + ((stored >> shift) & mask)
        if not scale:
            return form % (sign, value)
        return form % (sign, *divmod(value, one))

    return read


def fraction_size(precision: int) -> int:
    """Bytes of the stored fraction of a second."""
    return (precision + 1) // 2


def _fraction(raw: int, precision: int) -> bytes:
    return b"." + (b"%0*d" % (fraction_size(precision) * 2, raw))[:precision]


def datetime(precision: int) -> Callable[[bytes], bytes]:
    """What prints the stored bytes of a DATETIME."""
    shift = fraction_size(precision) * 8
    mask = (1 << shift) - 1

    def read(raw: bytes) -> bytes:
        stored = int.from_bytes(raw, "big")
        packed = (stored >> shift) - 0x8000000000
        year, month = divmod(packed >> 22, 13)
        text = b"%04d-%02d-%02d %02d:%02d:%02d" % (
            year,
            month,
            packed >> 17 & 31,
            packed >> 12 & 31,
            packed >> 6 & 63,
            packed & 63,
        )
        return text + _fraction(stored & mask, precision) if precision else text

    return read


def timestamp(precision: int) -> Callable[[bytes], bytes]:
    """What prints the stored bytes of a TIMESTAMP, in UTC."""
    shift = fraction_size(precision) * 8
    mask = (1 << shift) - 1
    hours: dict[int, bytes] = {}

    def read(raw: bytes) -> bytes:
        stored = int.from_bytes(raw, "big")
        seconds = stored >> shift
        hour, rest = divmod(seconds, HOUR)
        prefix = hours.get(hour)
        if prefix is None:
            if len(hours) > 10_000:
                hours.clear()
            prefix = hours[hour] = time.strftime("%Y-%m-%d %H:", time.gmtime(hour * HOUR)).encode()
        text = b"%s%02d:%02d" % (prefix, *divmod(rest, 60)) if stored else b"0000-00-00 00:00:00"
        return text + _fraction(stored & mask, precision) if precision else text

    return read


def time_of_day(precision: int) -> Callable[[bytes], bytes]:
    """What prints the stored bytes of a TIME."""
    shift = fraction_size(precision) * 8
    mask = (1 << shift) - 1

    def read(raw: bytes) -> bytes:
        stored = int.from_bytes(raw, "big") - (0x800000 << shift)
        sign = b"-" if stored < 0 else b""
        stored = abs(stored)
        packed = stored >> shift
        text = b"%s%02d:%02d:%02d" % (sign, packed >> 12 & 0x3FF, packed >> 6 & 63, packed & 63)
        return text + _fraction(stored & mask, precision) if precision else text

    return read


def date(raw: bytes) -> bytes:
    """The stored three bytes of a DATE."""
    packed = int.from_bytes(raw, "little")
    return b"%04d-%02d-%02d" % (packed >> 9, packed >> 5 & 15, packed & 31)


def old_datetime(raw: bytes) -> bytes:
    """The stored eight bytes of a DATETIME of the format before MySQL 5.6."""
    text = b"%014d" % int.from_bytes(raw, "little")
    return b"%s-%s-%s %s:%s:%s" % (text[:4], text[4:6], text[6:8], text[8:10], text[10:12], text[12:])


def old_time(raw: bytes) -> bytes:
    """The stored three bytes of a TIME of the format before MySQL 5.6."""
    value = int.from_bytes(raw, "little", signed=True)
    text = b"%07d" % abs(value) if abs(value) >= 1_000_000 else b"%06d" % abs(value)
    return b"%s%s:%s:%s" % (b"-" if value < 0 else b"", text[:-4], text[-4:-2], text[-2:])


def year(raw: bytes) -> bytes:
    """The stored byte of a YEAR."""
    return b"%04d" % (raw[0] + 1900 if raw[0] else 0)


def labelled(labels: tuple[bytes, ...]) -> Callable[[bytes], bytes]:
    """What prints the stored bytes of an ENUM: number 0 is the empty string of an invalid value."""
    table = (b"", *labels)

    def read(raw: bytes) -> bytes:
        return table[int.from_bytes(raw, "little")]

    return read


def chosen(labels: tuple[bytes, ...]) -> Callable[[bytes], bytes]:
    """What prints the stored bytes of a SET: its labels in the order of their definition."""
    known: dict[bytes, bytes] = {}

    def read(raw: bytes) -> bytes:
        text = known.get(raw)
        if text is None:
            bits = int.from_bytes(raw, "little")
            text = b",".join(label for number, label in enumerate(labels) if bits >> number & 1)
            if len(known) < 10_000:
                known[raw] = text
        return text

    return read


def padded(size: int) -> Callable[[bytes], bytes]:
    """What gives a BINARY its trailing zero bytes back, which rows events leave out."""
    return lambda raw: raw.ljust(size, b"\0")


def recoded(codec: str) -> Callable[[bytes], bytes]:
    """What turns text of another character set into UTF-8."""
    return lambda raw: raw.decode(codec).encode()


def uuid_text(raw: bytes) -> bytes:
    """The stored 16 bytes of a UUID of MariaDB, whose storage order is that of its parts reversed for time-based ones."""
    return str(uuid.UUID(bytes=raw.ljust(16, b"\0"))).encode()


def inet4_text(raw: bytes) -> bytes:
    """The stored four bytes of an INET4."""
    return str(ipaddress.IPv4Address(raw.ljust(4, b"\0"))).encode()


def inet6_text(raw: bytes) -> bytes:
    """The stored 16 bytes of an INET6, printed as MariaDB does: mapped addresses keep their dots."""
    address = ipaddress.IPv6Address(raw.ljust(16, b"\0"))
    if address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}".encode()
    return str(address).encode()
