"""What is written down of snapshots, slices of oplogs and checkpoints, beside the files themselves.  Pure.

A manifest is JSON, sealed by its SHA-256 on a line of its own, and written after all that it names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from bson import ObjectId, Timestamp

from repman.checkpoints.codec import decode, encode
from repman.checkpoints.model import PartType
from repman.errors import RepositoryError

T = TypeVar("T")
FORMAT = 1


@dataclass(frozen=True, slots=True)
class File:
    """A compressed file of documents."""

    name: str
    size: int
    """Compressed, in bytes."""
    sha256: str
    raw_bytes: int
    documents: int


@dataclass(frozen=True, slots=True)
class Sum:
    """What tells two states of a collection apart."""

    database: str
    name: str
    documents: int
    data_bytes: int
    digest: str
    """The sum of the server's 64-bit hashes of all documents; see `repman.checkpoints.sums`."""


@dataclass(frozen=True, slots=True)
class CollectionDump:
    """One collection of a part in a snapshot."""

    sum: Sum
    uuid: str
    """In hex."""
    options: bytes
    """BSON of what `create` takes."""
    indexes: tuple[bytes, ...]
    """BSON of each, all that were complete, that of `_id` included."""
    files: tuple[File, ...]
    at: Timestamp | None = None
    """The cluster time that it is of where that is not the snapshot's: capped collections of servers before 8.0."""


@dataclass(frozen=True, slots=True)
class PartDump:
    """One part of a cluster in a snapshot."""

    type: PartType
    set_name: str
    shard: str
    version: str
    """Of mongod."""
    since: Timestamp
    """From this entry of the oplog on everything is needed that a restore to a later moment may apply."""
    collections: tuple[CollectionDump, ...]


@dataclass(frozen=True, slots=True)
class SnapshotManifest:
    """A snapshot."""

    id: ObjectId
    group: str
    cluster: str
    at: Timestamp
    parts: tuple[PartDump, ...]
    format: int = FORMAT

    @property
    def floor(self) -> Timestamp:
        """The earliest moment that it can be brought to: its own, or that of the last of its capped collections."""
        return max([self.at, *(each.at for part in self.parts for each in part.collections if each.at)])


@dataclass(frozen=True, slots=True)
class Decision:
    """How a prepared transaction ended."""

    transaction: str
    commit: Timestamp | None
    """The cluster time that it counts from, the same on all shards; None: it was aborted."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of the oplog of one part; its first entry is the last one of the slice before."""

    part: str
    chain: str
    """Slices of one chain follow each other without a gap."""
    number: int
    first: Timestamp
    last: Timestamp
    first_digest: str
    """SHA-256 of the first entry's bytes."""
    last_digest: str
    file: File
    prepared: tuple[tuple[str, Timestamp], ...] = ()
    """Transactions that were prepared in it: lsid and number, and when."""
    decided: tuple[Decision, ...] = ()
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class PartSums:
    """What one part held at a checkpoint."""

    part: str
    sums: tuple[Sum, ...]


@dataclass(frozen=True, slots=True)
class CheckpointManifest:
    """What a restored checkpoint is compared with."""

    id: ObjectId
    at: Timestamp
    parts: tuple[PartSums, ...]
    format: int = FORMAT


def seal(value: object) -> bytes:
    """The bytes of a manifest."""
    text = encode(value).encode()
    return b"%b\n%b\n" % (text, hashlib.sha256(text).hexdigest().encode())


def unseal(kind: type[T], name: str, sealed: bytes) -> T:
    """The manifest again; raises RepositoryError when it is not whole, or of a newer release."""
    text, _, rest = sealed.partition(b"\n")
    if rest.strip() != hashlib.sha256(text).hexdigest().encode():
        raise RepositoryError(f"{name} is damaged: its checksum is another one")
    try:
        found = decode(kind, text)
    except ValueError as error:
        raise RepositoryError(f"{name} is not readable by this release of repman: {error}") from error
    if getattr(found, "format", FORMAT) > FORMAT:
        raise RepositoryError(f"{name} was written by a newer release of repman: update this one")
    return found


def place_of_snapshot(snapshot: ObjectId) -> str:
    """Its directory."""
    return f"snapshots/{snapshot}/"


def place_of_slices(part: str) -> str:
    """The directory of the slices of a part."""
    return f"slices/{quote(part, safe='')}/"


def name_of_slice(part: str, chain: str, number: int) -> str:
    """Of its manifest, without ``.json``."""
    return f"{place_of_slices(part)}{chain}-{number:08d}"


def place_of_checkpoint(checkpoint: ObjectId) -> str:
    """The name of its manifest."""
    return f"checkpoints/{checkpoint}.json"
