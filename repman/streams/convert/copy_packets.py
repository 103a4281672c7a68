"""The packets of a MySQL result's rows, taken from the socket in large pieces.

Source of the packets: MySQL client/server protocol, "Text Resultset": each row is a packet of length-encoded strings,
0xFB is NULL; a packet that begins with 0xFE and is shorter than nine bytes ends the rows.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

import pymysql

from repman.streams.convert.copy_bundle import BUNDLE_BYTES

_READ = 256 << 10
_HEAD = Struct("<I")
_MOST = 0xFFFFFF
"""A packet of this length goes on in the next one."""
_NULL, _TWO, _THREE, _EIGHT, _ERROR = 0xFB, 0xFC, 0xFD, 0xFE, 0xFF
_LONGEST_END = 9


def _text_of(packet: bytes) -> bytes:
    """The only value of a row; empty for NULL."""
    first = packet[0]
    if first < _NULL:
        return packet[1:]
    if first == _NULL:
        return b""
    return packet[{_TWO: 3, _THREE: 4, _EIGHT: 9}[first] :]


class Packets:
    """Reads the rows of one result from a buffered stream; with `one_text` gives each row's only value."""

    def __init__(self, stream: Any, *, one_text: bool) -> None:
        self._stream = stream
        self._one_text = one_text
        self._data = b""
        self._ended = False

    def read(self) -> list[bytes] | None:
        """Some rows, at least one; None when there are no more.  Raises PyMySQL's error when the server reports one."""
        while not self._ended:
            made = self._parse()
            if made:
                return made
            if not self._ended:
                self._fill()
        return None

    def drain(self) -> None:
        """Read what is left and throw it away."""
        while self.read() is not None:
            pass

    def _parse(self) -> list[bytes]:
        """The rows that are received whole, up to a bundle of them."""
        unpack, data, at = _HEAD.unpack_from, self._data, 0
        end = len(data)
        one_text = self._one_text
        made: list[bytes] = []
        while at + 5 <= end and at < BUNDLE_BYTES:
            size = unpack(data, at)[0] & _MOST
            stop = at + 4 + size
            if stop > end or size == _MOST:
                break
            first = data[at + 4]
            if one_text and first < _NULL:
                made.append(data[at + 5 : stop])
            elif first == _EIGHT and size < _LONGEST_END:
                self._ended = True
                break
            elif first == _ERROR:
                self._ended = True
                pymysql.err.raise_mysql_exception(data[at + 4 : stop])
            else:
                packet = data[at + 4 : stop]
                made.append(_text_of(packet) if one_text else packet)
            at = stop
        self._data = data[at:]
        if not made and not self._ended and len(self._data) >= 4 and unpack(self._data)[0] & _MOST == _MOST:
            packet = self._long()
            made.append(_text_of(packet) if one_text else packet)
        return made

    def _fill(self) -> None:
        data = self._data
        missing = (_HEAD.unpack_from(data)[0] & _MOST) + 4 - len(data) if len(data) >= 4 else 0
        self._data = data + (self._exactly(missing) if missing > _READ else self._some())

    def _some(self) -> bytes:
        data: bytes = self._stream.read1(_READ)
        if not data:
            raise pymysql.err.OperationalError(2013, "the connection was closed while rows were read")
        return data

    def _exactly(self, count: int) -> bytes:
        data: bytes = self._stream.read(count)
        if len(data) < count:
            raise pymysql.err.OperationalError(2013, "the connection was closed while rows were read")
        return data

    def _long(self) -> bytes:
        """A row that takes several packets, whose first one is at the beginning of the data."""
        parts = []
        data = self._data
        while True:
            if len(data) < 4:
                data += self._exactly(4 - len(data))
            size = _HEAD.unpack_from(data)[0] & _MOST
            if len(data) < size + 4:
                data += self._exactly(size + 4 - len(data))
            parts.append(data[4 : size + 4])
            data = data[size + 4 :]
            if size < _MOST:
                self._data = data
                return b"".join(parts)


def split(packet: bytes, columns: int) -> tuple[bytes | None, ...]:
    """The values of a row's packet."""
    made: list[bytes | None] = []
    at = 0
    for _ in range(columns):
        size = packet[at]
        at += 1
        if size >= _NULL:
            if size == _NULL:
                made.append(None)
                continue
            width = {_TWO: 2, _THREE: 3, _EIGHT: 8}[size]
            size = int.from_bytes(packet[at : at + width], "little")
            at += width
        made.append(packet[at : at + size])
        at += size
    return tuple(made)
