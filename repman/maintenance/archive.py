"""One file of a backup: written from a program's output, and read back before anybody relies on it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from repman.errors import JobFailed
from repman.maintenance.compression import Compression
from repman.maintenance.course import Course

CHUNK = 1 << 20


class Inspector(Protocol):
    """Follows a stream and knows at its end whether it is whole."""

    def feed(self, data: bytes) -> None:
        """The next bytes.  Raises JobFailed when they cannot belong to such a stream."""

    def finish(self) -> None:
        """The stream has ended.  Raises JobFailed when something is missing."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was read back."""

    size: int
    data_bytes: int
    checksum: str


def write(course: Course, argv: Sequence[str], compression: Compression, path: Path, said: str = "") -> int:
    """Store what a program writes; returns the CRC of it.  `said`: what it must say in the end.

    Raises JobFailed, also when the program did not end well; the file is then of no use.
    """
    crc = 0
    with course.programs(), open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        producer = course.start(argv, stdout=subprocess.PIPE)
        packer = course.start(compression.compress, stdin=subprocess.PIPE, stdout=file)
        source, sink = producer.process.stdout, packer.process.stdin
        assert source is not None
        assert sink is not None
        while data := _read(source):
            crc = zlib.crc32(data, crc)
            try:
                sink.write(data)
            except BrokenPipeError:
                break  # its own words say why
            course.moved(len(data))
        close_quietly(sink)
        source.close()
        course.finish(packer, producer)
        if said not in producer.said():
            raise JobFailed(f"{producer.name} did not say {said!r}: {producer.tail()}")
        os.fsync(file.fileno())
    return crc


def read_back(course: Course, compression: Compression, path: Path, inspector: Inspector, crc: int | None) -> Written:
    """Read a file from its disk, expand it and inspect it to its end.  Raises JobFailed when it is not whole."""
    checksum = digest(course, path)
    expanded = 0
    seen = 0
    with course.programs(), open(path, "rb") as file:
        unpacker = course.start(compression.expand, stdin=file, stdout=subprocess.PIPE)
        source = unpacker.process.stdout
        assert source is not None
        while data := _read(source):
            seen = zlib.crc32(data, seen)
            expanded += len(data)
            inspector.feed(data)
            course.moved(0)
        course.finish(unpacker)
    inspector.finish()
    if crc is not None and crc != seen:
        raise JobFailed(f"{path} reads back other bytes than were written to it: check the disk below it")
    return Written(path.stat().st_size, expanded, checksum)


def expand_into(course: Course, compression: Compression, path: Path, argv: Sequence[str], step: str) -> None:
    """Give a file's expanded bytes to a program, with that step shown.  Raises JobFailed."""
    with course.programs(), open(path, "rb") as file:
        # The program reads through our descriptor, so its offset tells how far it is.
        course.step(step, path.stat().st_size, measure=lambda: os.lseek(file.fileno(), 0, os.SEEK_CUR))
        unpacker = course.start(compression.expand, stdin=file, stdout=subprocess.PIPE)
        source = unpacker.process.stdout
        assert source is not None
        taker = course.start(argv, stdin=source)
        source.close()
        course.finish(taker, unpacker)


def digest(course: Course, path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits.  Raises JobFailed when it cannot be read."""
    found = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:
            while data := file.read(CHUNK):
                found.update(data)
                course.moved(len(data))
    except OSError as error:
        raise JobFailed(f"{path} cannot be read: {error}") from error
    return found.hexdigest()


def relay(course: Course, source: IO[bytes], sink: IO[bytes], inspector: Inspector | None = None) -> None:
    """Pass bytes from one program to another until the source has no more, or the sink takes no more."""
    while data := _read(source):
        if inspector is not None:
            inspector.feed(data)
        try:
            sink.write(data)
        except BrokenPipeError:
            break
        course.moved(len(data))
    source.close()
    close_quietly(sink)


def close_quietly(sink: IO[bytes]) -> None:
    """Close a pipe whose reader may have gone: how that one ended is asked elsewhere."""
    try:
        sink.close()
    except BrokenPipeError:
        return


def _read(source: IO[bytes]) -> bytes:
    return os.read(source.fileno(), CHUNK)
