"""Reads the stream of mariadb-backup: chunks of files, each with its length and checksum.

Source: Percona XtraBackup documentation, "The xbstream binary", and the bytes that mariadb-backup 10.11 writes: magic
``XBSTCK01``, a byte of flags, a byte for the kind (``P`` data, ``E`` end of a file), the length of the path (4 bytes),
the path, and for data the length (8), the offset (8), the CRC-32 (4) and the bytes; all little-endian.
"""

from __future__ import annotations

import re
import struct
import zlib

from repman.errors import JobFailed
from repman.model.position import MariadbGtid

_MAGIC = b"XBSTCK01"
_HEAD = struct.Struct("<8sBcI")
_DATA = struct.Struct("<QQI")
_LONGEST_PATH = 4096
_POSITIONS = ("xtrabackup_binlog_info", "mariadb_backup_binlog_info")
"""The older and the newer name of the file that holds the position."""
_LAST = ("xtrabackup_info", "mariadb_backup_info")
_GTIDS = re.compile(r"^\d+-\d+-\d+(,\d+-\d+-\d+)*$")


class XbstreamInspector:
    """Follows a stream: every chunk undamaged, every file ended, and the file that is written last among them."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._open: set[str] = set()
        self._ended: set[str] = set()
        self._left = 0
        self._crc = 0
        self._wanted = 0
        self._path = ""
        self._position = b""

    def feed(self, data: bytes) -> None:
        """The next bytes.  Raises JobFailed for a damaged stream."""
        view = memoryview(data)
        while view:
            if self._left:
                part = view[: self._left]
                self._take(bytes(part))
                view = view[len(part) :]
                continue
            self._rest += view
            view = memoryview(b"")
            if (taken := self._chunk()) is not None:
                view = memoryview(taken)

    def finish(self) -> None:
        """Raises JobFailed when the stream is cut off or holds no complete backup."""
        if self._rest or self._left or self._open:
            cut = f" in {min(self._open)}" if self._open else ""
            raise JobFailed(f"The backup's stream is cut off{cut}")
        if not self._ended.intersection(_LAST):
            raise JobFailed("The backup's stream does not hold the file that mariadb-backup writes last")

    @property
    def files(self) -> int:
        """How many files it holds."""
        return len(self._ended)

    @property
    def position(self) -> tuple[str, int, str]:
        """Binary log, offset and GTID of the server it was read from; empty where it states none."""
        fields = self._position.decode(errors="replace").strip().split("\t")
        if len(fields) < 2 or not fields[1].isdigit():
            return "", 0, ""
        return fields[0], int(fields[1]), gtid_of(fields[2]) if len(fields) > 2 else ""

    def _chunk(self) -> bytes | None:
        """Read a chunk's head if it is all there; returns what follows it."""
        rest = self._rest
        if len(rest) < _HEAD.size:
            return None
        magic, _, kind, length = _HEAD.unpack_from(rest)
        if magic != _MAGIC or kind not in (b"P", b"E") or length > _LONGEST_PATH:
            raise JobFailed("The backup's stream is damaged: a chunk does not begin as it should")
        end = _HEAD.size + length + (_DATA.size if kind == b"P" else 0)
        if len(rest) < end:
            return None
        self._path = bytes(rest[_HEAD.size : _HEAD.size + length]).decode(errors="replace")
        if kind == b"P":
            self._left, _, self._wanted = _DATA.unpack_from(rest, _HEAD.size + length)
            self._crc = 0
            self._open.add(self._path)
            if not self._left:
                self._check()
        else:
            self._open.discard(self._path)
            self._ended.add(self._path.removeprefix("./"))
        following = bytes(rest[end:])
        rest.clear()
        return following

    def _take(self, part: bytes) -> None:
        self._crc = zlib.crc32(part, self._crc)
        self._left -= len(part)
        if self._path.removeprefix("./") in _POSITIONS:
            self._position += part
        if not self._left:
            self._check()

    def _check(self) -> None:
        if self._crc != self._wanted:
            raise JobFailed(f"The backup's stream is damaged: the checksum of a part of {self._path} is wrong")


def gtid_of(text: str) -> str:
    """A position in the server's notation, put in order; empty when the text is none."""
    text = text.strip().replace(" ", "")
    return str(MariadbGtid.parse(text)) if _GTIDS.match(text) else ""
