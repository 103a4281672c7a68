"""Where snapshots and oplogs are kept: files that are there whole or not at all.

A repository stores bytes under names.  What is compressed and checksummed goes through `store` and `load`: a file is
trusted only together with the size and the SHA-256 that were written down of it elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import zstandard

from repman.checkpoints.manifest import File
from repman.errors import RepositoryError

T = TypeVar("T")
_CHUNK = 1 << 20
_LEVEL = 1
"""Of zstd: documents shrink nearly as much as on higher ones, and the servers that are read are not waited for."""
_UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as the repository shows it without reading it."""

    size: int
    mark: str
    """Changes when the file is written anew: its time of modification, or its ETag."""


class Repository(Protocol):
    """Files by name; names are relative paths with slashes.  Every method raises RepositoryError."""

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Keep a file, in the place of an earlier one; when `chunks` raises, nothing is kept.  It is on the disk then."""

    def read(self, name: str) -> Iterator[bytes]:
        """Its bytes."""

    def listed(self, below: str) -> dict[str, Stored]:
        """The files whose names begin with that, which ends with a slash."""

    def delete(self, name: str) -> None:
        """Forget a file; there need not be one."""


class Directory:
    """A repository in a directory of its own."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write beside the file, sync, rename: who looks sees the old file or the whole new one."""
        path = self._path(name)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            with unfinished.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise self._failed("write", name, error) from error
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def read(self, name: str) -> Iterator[bytes]:
        """Its bytes, a MiB at once."""
        try:
            with self._path(name).open("rb") as file:
                yield from _chunks(file)
        except FileNotFoundError as error:
            raise RepositoryError(f"{name} is missing from {self._root}") from error
        except OSError as error:
            raise self._failed("read", name, error) from error

    def listed(self, below: str) -> dict[str, Stored]:
        """The files; what a writer that died left unfinished is none."""
        found = {}
        try:
            for path in self._path(below).rglob("*"):
                if path.is_file() and not path.name.endswith(_UNFINISHED):
                    status = path.stat()
                    found[path.relative_to(self._root).as_posix()] = Stored(status.st_size, str(status.st_mtime_ns))
        except OSError as error:
            raise self._failed("list", below, error) from error
        return found

    def delete(self, name: str) -> None:
        """Delete the file, and the directories that it leaves empty."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty
                while (path := path.parent) != self._root:
                    path.rmdir()
        except OSError as error:
            raise self._failed("delete", name, error) from error

    def sweep(self, before: float) -> int:
        """Delete what writers that died left unfinished before that time (Unix, in seconds); how many files."""
        left = 0
        try:
            for path in self._root.rglob(f".*{_UNFINISHED}"):
                if path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)
                    left += 1
        except OSError as error:
            raise self._failed("sweep", ".", error) from error
        return left

    def _path(self, name: str) -> Path:
        if name.startswith("/") or ".." in name.split("/"):
            raise RepositoryError(f"{name} is no name of a file of the repository")
        return self._root / name

    def _failed(self, verb: str, name: str, error: OSError) -> RepositoryError:
        where = self._root / name
        return RepositoryError(f"Cannot {verb} {where}: {error.strerror or error}; check the disk and its permissions")


class Below:
    """A part of a repository that is used like one of its own."""

    def __init__(self, repository: Repository, prefix: str) -> None:
        self._repository, self._prefix = repository, prefix.rstrip("/") + "/"

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """As the whole one."""
        self._repository.put(self._prefix + name, chunks)

    def read(self, name: str) -> Iterator[bytes]:
        """As the whole one."""
        return self._repository.read(self._prefix + name)

    def listed(self, below: str) -> dict[str, Stored]:
        """As the whole one."""
        found = self._repository.listed(self._prefix + below)
        return {name.removeprefix(self._prefix): stored for name, stored in found.items()}

    def delete(self, name: str) -> None:
        """As the whole one."""
        self._repository.delete(self._prefix + name)


def store(repository: Repository, name: str, parts: Iterable[bytes], count: Callable[[bytes], int]) -> File:
    """Keep documents compressed; `count` says how many a part has.  Raises RepositoryError, and what `parts` raises."""
    digest, size, raw_bytes, documents = hashlib.sha256(), 0, 0, 0

    def compressed() -> Iterator[bytes]:
        nonlocal size, raw_bytes, documents
        frame = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()

        def out(chunk: bytes) -> bytes:
            nonlocal size
            digest.update(chunk)
            size += len(chunk)
            return chunk

        for part in parts:
            raw_bytes += len(part)
            documents += count(part)
            yield out(frame.compress(part))
        yield out(frame.flush())

    repository.put(name, compressed())
    return File(name, size, digest.hexdigest(), raw_bytes, documents)


def load(repository: Repository, file: File) -> Iterator[bytes]:
    """What `store` was given, in other parts.  Raises RepositoryError, at the end when only that shows the damage."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    try:
        for chunk in checked(repository, file):
            if found := frame.decompress(chunk):
                yield found
    except zstandard.ZstdError as error:
        raise RepositoryError(f"{file.name} is damaged: {error}") from error


def checked(repository: Repository, file: File) -> Iterator[bytes]:
    """The file as it is kept.  Raises RepositoryError, at its end, when it is not the one that was written."""
    digest, size = hashlib.sha256(), 0
    for chunk in repository.read(file.name):
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if size != file.size:
        raise RepositoryError(f"{file.name} has {size} bytes instead of {file.size}")
    if digest.hexdigest() != file.sha256:
        raise RepositoryError(f"{file.name} is damaged: its checksum is another one")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
