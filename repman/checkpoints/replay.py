"""Entries of an oplog become operations of `applyOps`, up to a moment.  Pure.

A transaction counts from one cluster time, on all shards the same: it is applied whole when that is after the snapshot
and not after the moment, and otherwise not at all, wherever its entries are.  Indexes are not built on the way but kept
account of, as to build each once at the end is faster, and `applyOps` builds none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

import bson
from bson import Timestamp

from repman.checkpoints import oplog
from repman.checkpoints.manifest import Decision, PartDump
from repman.checkpoints.model import PartType
from repman.checkpoints.namespaces import is_kept, is_kept_database, landing
from repman.errors import CheckpointFailed
from repman.mongo.raw import LENIENT, document, documents, element, elements, fields

_AS_THEY_ARE = frozenset({"drop", "dropDatabase", "convertToCapped", "emptycapped"})
_WITHOUT_EFFECT = frozenset({"startIndexBuild", "abortIndexBuild", "dbCheck"})
_OF_INDEXES = frozenset({"createIndexes", "commitIndexBuild", "dropIndexes", "deleteIndexes"})
_time = Struct("<II").unpack_from

Key = tuple[str, str]


@dataclass(slots=True)
class Indexes:
    """The indexes that are to be there at the end, without that of `_id`: by collection, by name, their BSON."""

    specs: dict[Key, dict[str, bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, dump: PartDump) -> Indexes:
        """Those of a snapshot."""
        found = cls()
        for each in dump.collections:
            for spec in each.indexes:
                found.add((each.sum.database, each.sum.name), spec)
        return found

    def add(self, key: Key, spec: bytes) -> None:
        """One more, or another one of the same name."""
        decoded = bson.decode(spec, LENIENT)
        if decoded["name"] != "_id_" and not decoded.get("clustered"):
            self.specs.setdefault(key, {})[decoded["name"]] = spec

    def command(self, key: Key, raw: bytes, decoded: Mapping[str, Any]) -> None:
        """What a logged command about indexes changes."""
        name = next(iter(decoded))
        if name == "createIndexes":
            self.add(key, document(*list(elements(raw).values())[1:]))
        elif name == "commitIndexBuild":
            for spec in documents(fields(raw)[b"indexes"]):
                self.add(key, spec)
        elif decoded["index"] == "*":
            self.specs.pop(key, None)
        else:
            self.specs.get(key, {}).pop(decoded["index"], None)

    def modify(self, key: Key, change: Mapping[str, Any]) -> None:
        """What `collMod` changes of an index."""
        mine = self.specs.get(key, {})
        for name, spec in mine.items():
            decoded: dict[str, Any] = bson.decode(spec, LENIENT)
            if name == change.get("name") or dict(decoded["key"]) == dict(change.get("keyPattern", {"": 0})):
                decoded.update({each: change[each] for each in change if each not in ("name", "keyPattern")})
                if decoded.get("unique"):
                    decoded.pop("prepareUnique", None)
                mine[name] = bson.encode({each: value for each, value in decoded.items() if value is not False})
                return

    def rename(self, key: Key, other: Key) -> None:
        """The collection has another name, and what had it is gone."""
        self.specs.pop(other, None)
        if key in self.specs:
            self.specs[other] = self.specs.pop(key)

    def drop(self, database: str, name: str = "") -> None:
        """The collection is gone; without a name, the whole database."""
        for key in [key for key in self.specs if key[0] == database and name in ("", key[1])]:
            del self.specs[key]


@dataclass(slots=True)
class _Open:
    """A transaction whose end was not read yet."""

    operations: list[bytes] = field(default_factory=list)
    prepared: bool = False


class Replay:
    """Takes the entries of one part in their order."""

    def __init__(
        self, dump: PartDump, after: Timestamp, until: Timestamp, decisions: Mapping[str, Timestamp | None]
    ) -> None:
        """`decisions`: how prepared transactions ended, as any part's oplog says."""
        self._kind: PartType = dump.type
        self._after, self._until, self._decisions = after, until, decisions
        self._open: dict[str, _Open] = {}
        self._later = {
            f"{each.sum.database}.{each.sum.name}": each.at for each in dump.collections if each.at is not None
        }
        self._landing: dict[bytes, bytes] = {}
        self.indexes = Indexes.of(dump)
        self.ended = False
        """Whether the moment was passed."""

    def operations(self, entry: bytes) -> Iterator[bytes]:
        """What is to be applied because of the next entry.  Raises CheckpointFailed where it is not understood."""
        parts = elements(entry)
        increment, seconds = _time(parts[b"ts"], 4)
        moment = Timestamp(seconds, increment)
        if moment > self._until:
            self.ended = True
            return
        kind = parts[b"op"][8:9]
        if kind == b"n":
            return
        if kind == b"c":
            decoded = oplog.decoded(entry)
            if transaction := oplog.transaction_of(decoded):
                yield from self._transaction(transaction, entry, decoded, moment)
            elif moment > self._after:
                yield from self._command(parts, decoded, moment)
        elif moment > self._after:
            yield from self._change(parts, moment)

    def at_the_end(self) -> Iterator[bytes]:
        """What transactions did that counted before the moment, and were told so after it."""
        for transaction, open_ in self._open.items():
            if not open_.prepared:
                continue
            if transaction not in self._decisions:
                raise CheckpointFailed(
                    f"How the transaction {transaction} ended is not known: capture the oplog further."
                )
            commit = self._decisions[transaction]
            if commit is not None and self._after < commit <= self._until:
                yield from self._inner(open_.operations, commit)
        self._open.clear()

    def _transaction(self, transaction: str, entry: bytes, decoded: oplog.Entry, moment: Timestamp) -> Iterator[bytes]:
        name = oplog.command_of(decoded)
        if name == "abortTransaction":
            self._open.pop(transaction, None)
        elif name == "commitTransaction":
            commit = decoded["o"]["commitTimestamp"]
            found = self._open.pop(transaction, None)
            if self._after < commit <= self._until:
                if found is None:
                    raise CheckpointFailed(
                        f"What the transaction {transaction} wrote was captured only in part: take a new snapshot."
                    )
                yield from self._inner(found.operations, commit)
        elif name == "applyOps":
            open_ = self._open.setdefault(transaction, _Open())
            open_.operations += documents(fields(fields(entry)[b"o"])[b"applyOps"])
            if decoded["o"].get("prepare"):
                open_.prepared = True
            elif not decoded["o"].get("partialTxn"):
                # Without a second phase: it counts from its last entry.
                del self._open[transaction]
                if moment > self._after:
                    yield from self._inner(open_.operations, moment)
        elif moment > self._after:
            yield from self._command(elements(entry), decoded, moment)

    def _inner(self, operations: list[bytes], moment: Timestamp) -> Iterator[bytes]:
        for each in operations:
            parts = elements(each)
            kind = parts[b"op"][8:9]
            if kind == b"c":
                yield from self._command(parts, bson.decode(each, LENIENT), moment)
            elif kind != b"n":
                yield from self._change(parts, moment)

    def _change(self, parts: dict[bytes, bytes], moment: Timestamp) -> Iterator[bytes]:
        namespace = parts[b"ns"]
        lands = self._landing.get(namespace)
        if lands is None:
            database, _, name = namespace[8:-1].decode().partition(".")
            kept = is_kept(self._kind, database, name)
            lands = element("ns", f"{database}.{landing(database, name)}") if kept else b""
            self._landing[namespace] = lands
        if lands and not self._is_in_snapshot(namespace[8:-1], moment):
            # `b` of an update, which config servers log of chunks, lets it insert where there is nothing.
            upserts = parts.get(b"b", b"") if parts[b"op"][8:9] == b"u" else b""
            yield document(parts[b"op"], lands, parts[b"o"], parts.get(b"o2", b""), upserts)

    def _is_in_snapshot(self, namespace: bytes, moment: Timestamp) -> bool:
        if not self._later:
            return False
        read = self._later.get(namespace.decode())
        return read is not None and moment <= read

    def _matters(self, database: str, name: str, moment: Timestamp) -> bool:
        kept = is_kept(self._kind, database, name)
        return kept and not self._is_in_snapshot(f"{database}.{name}".encode(), moment)

    def _command(self, parts: dict[bytes, bytes], decoded: oplog.Entry, moment: Timestamp) -> Iterator[bytes]:
        name = oplog.command_of(decoded)
        command = decoded["o"]
        if name == "applyOps":
            yield from self._inner([*documents(fields(_value(parts[b"o"]))[b"applyOps"])], moment)
            return
        database = str(decoded["ns"]).partition(".")[0]
        # The collections of `config` are there before, as servers make them.
        if name in _WITHOUT_EFFECT or database == "config" or not is_kept_database(self._kind, database):
            return
        target = command[name]
        if isinstance(target, str) and name != "renameCollection" and not self._matters(database, target, moment):
            return
        key = (database, str(target))
        plain = document(parts[b"op"], parts[b"ns"], parts[b"o"])
        if name in _OF_INDEXES:
            self.indexes.command(key, _value(parts[b"o"]), command)
        elif name == "create":
            # With the UUID that it has: config servers know sharded collections by it.
            yield document(parts[b"op"], parts[b"ns"], parts.get(b"ui", b""), parts[b"o"])
        elif name == "renameCollection":
            self.indexes.rename(_split(command[name]), _split(command["to"]))
            yield plain
        elif name == "collMod":
            if "index" in command:
                self.indexes.modify(key, command["index"])
            rest = [value for each, value in elements(_value(parts[b"o"])).items() if each != b"index"]
            if len(rest) > 1:
                yield document(parts[b"op"], parts[b"ns"], b"\x03o\x00" + document(*rest))
        elif name in _AS_THEY_ARE:
            if name in ("drop", "dropDatabase"):
                self.indexes.drop(database, target if name == "drop" else "")
            yield plain
        else:
            raise CheckpointFailed(
                f"The oplog holds the command {name}, which this release of repman cannot restore: restore to a moment "
                f"before {moment.as_datetime():%Y-%m-%dT%H:%M:%SZ}, or from a snapshot after it."
            )


def decisions_of(slices: Mapping[str, tuple[Any, ...]]) -> dict[str, Timestamp | None]:
    """How prepared transactions ended, as the slices of all parts say together."""
    found: dict[str, Timestamp | None] = {}
    for pieces in slices.values():
        for piece in pieces:
            for each in piece.decided:
                decision: Decision = each
                # One shard may have given up what another committed only if it never promised: a commit counts.
                if found.get(decision.transaction) is None:
                    found[decision.transaction] = decision.commit
    return found


def _value(part: bytes) -> bytes:
    """The document that is the value of an element ``o``."""
    return part[3:]


def _split(namespace: str) -> Key:
    database, _, name = namespace.partition(".")
    return database, name
