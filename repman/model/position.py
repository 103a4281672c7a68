"""How far a server has come: a partial order over sets of transactions.

Two positions may be incomparable: then the servers diverged, and nobody may choose between them by
counting.  Engines bring their own kind of position; the core uses only what stands here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import total_ordering
from typing import Any

Gtids = tuple[tuple[int, int, int], ...]
"""(domain, server, sequence) of each."""


class Position(ABC):
    """A set of transactions, as far as the server can tell us about it."""

    __slots__ = ()

    @abstractmethod
    def covers(self, other: Position) -> bool:
        """Whether every transaction of `other` is in this one."""

    @abstractmethod
    def minus(self, other: Position) -> str:
        """The transactions in this one and not in `other`, as text for people; empty if there are none."""

    @abstractmethod
    def count_minus(self, other: Position) -> int:
        """How many transactions are in this one and not in `other`, as an estimate for ranking only."""

    @abstractmethod
    def union(self, other: Position) -> Position:
        """Both sets together."""

    @abstractmethod
    def written_by(self, server_id: int) -> Position:
        """The part that was first written on the server of that id."""

    @abstractmethod
    def not_written_by(self, server_id: int) -> Position:
        """The part that was first written anywhere else."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether nothing was ever written."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """A plain value that `position_from_json` reads back."""

    def same_as(self, other: Position) -> bool:
        """Whether both hold the same transactions."""
        return self.covers(other) and other.covers(self)


class MariadbGtid(Position):
    """A MariaDB position: the last GTID of each domain, and what is known of the way to it.

    `last` holds (domain, server, sequence) with one entry a domain: what ``gtid_binlog_pos``,
    ``gtid_slave_pos`` or ``Gtid_IO_Pos`` says.  `seen` holds the highest sequence number of each server in
    each domain: what ``gtid_binlog_state`` says, together with `last`.  Both are sorted.

    With ``gtid_strict_mode`` sequence numbers of a domain only grow, so the last GTID of a domain stands for
    everything before it, and a server covers a position if it has seen that last GTID.  Without strict mode
    a local write may hide below later numbers, so every entry of `seen` must be covered.

    Source: MariaDB Knowledge Base, "Global Transaction ID" (gtid_binlog_state, gtid_strict_mode).
    """

    # No dataclass, so that the JSON encoder asks `to_json` instead of writing the fields; treat it as frozen.
    __slots__ = ("_json", "last", "seen", "strict")

    def __init__(self, last: Gtids = (), seen: Gtids = (), strict: bool = True) -> None:
        self.last = last
        self.seen = seen
        self.strict = strict
        self._json: dict[str, Any] | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MariadbGtid):
            return NotImplemented
        return self is other or (self.last, self.seen, self.strict) == (other.last, other.seen, other.strict)

    def __hash__(self) -> int:
        return hash((self.last, self.seen, self.strict))

    def __repr__(self) -> str:
        return f"MariadbGtid({str(self)!r}, seen={_write(self.seen)!r}, strict={self.strict})"

    @classmethod
    def parse(cls, last: str, seen: str = "", strict: bool = True) -> MariadbGtid:
        """Read comma lists of ``domain-server-sequence``; `seen` is completed with `last`.

        Where `last` names several GTIDs of one domain (``gtid_binlog_state`` given for it) the
        highest counts.
        Raises ValueError on anything else.
        """
        return cls._from(_read(last), _read(seen), strict)

    @classmethod
    def _from(cls, last: list[tuple[int, int, int]], seen: list[tuple[int, int, int]], strict: bool) -> MariadbGtid:
        latest: dict[int, tuple[int, int, int]] = {}
        for gtid in last:
            if gtid[0] not in latest or gtid[2] > latest[gtid[0]][2]:
                latest[gtid[0]] = gtid
        highest: dict[tuple[int, int], int] = {}
        for domain, server, sequence in (*seen, *last):
            if sequence > highest.get((domain, server), -1):
                highest[domain, server] = sequence
        return cls(
            tuple(sorted(latest.values())),
            tuple(sorted((domain, server, sequence) for (domain, server), sequence in highest.items())),
            strict,
        )

    def covers(self, other: Position) -> bool:
        """See the class: by the last GTID of each domain under strict mode, by all that was seen without."""
        assert isinstance(other, MariadbGtid)
        if other is self or other == self:
            return True
        return not self._missing(other)

    def _missing(self, other: MariadbGtid) -> list[tuple[int, int, int]]:
        mine = {(domain, server): sequence for domain, server, sequence in self.seen}
        must = other.last if other.strict else other.seen
        return [gtid for gtid in must if mine.get((gtid[0], gtid[1]), -1) < gtid[2]]

    def minus(self, other: Position) -> str:
        """Ranges such as ``0-1-9..12``; a single number when only one can be told."""
        assert isinstance(other, MariadbGtid)
        if other.covers(self):
            return ""
        known = {(domain, server): sequence for domain, server, sequence in other.seen}
        parts = []
        for domain, server, sequence in self.seen:
            first = known.get((domain, server), -1) + 1
            if sequence >= first:
                start = max(first, 1)
                parts.append(f"{domain}-{server}-{start}" + (f"..{sequence}" if sequence > start else ""))
        return ",".join(parts)

    def count_minus(self, other: Position) -> int:
        """The distance of the last sequence numbers, summed over the domains; never negative."""
        assert isinstance(other, MariadbGtid)
        reached = {domain: sequence for domain, _, sequence in other.last}
        return sum(max(0, sequence - reached.get(domain, 0)) for domain, _, sequence in self.last)

    def union(self, other: Position) -> MariadbGtid:
        """The higher entry of each domain and server."""
        assert isinstance(other, MariadbGtid)
        if not other.seen or other == self:
            return self
        return self._from([*self.last, *other.last], [*self.seen, *other.seen], self.strict and other.strict)

    def written_by(self, server_id: int) -> MariadbGtid:
        """The entries of that server id."""
        return self._from([], [gtid for gtid in self.seen if gtid[1] == server_id], False)

    def not_written_by(self, server_id: int) -> MariadbGtid:
        """The entries of all other server ids."""
        return self._from([], [gtid for gtid in self.seen if gtid[1] != server_id], False)

    def is_empty(self) -> bool:
        """Whether no GTID was seen."""
        return not self.seen

    def to_json(self) -> dict[str, Any]:
        """Texts in MariaDB's own notation."""
        if self._json is None:
            self._json = {"kind": "mariadb", "last": str(self), "seen": _write(self.seen), "strict": self.strict}
        return self._json

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> MariadbGtid:
        """Read what `to_json` wrote."""
        return cls.parse(document["last"], document["seen"], document["strict"])

    def __str__(self) -> str:
        return _write(self.last)


@total_ordering
class Optime(Position):
    """How far a member of a replica set is in the oplog: the term of an election, and a timestamp in it.

    Compared as MongoDB compares them: by term, then by timestamp; that is what its elections go by.  What an older
    term has written and the newer one lacks is rolled back by the member itself when it comes back, so it is no
    divergence that anybody has to judge.

    Source: MongoDB, "replSetGetStatus" (``optime``).
    """

    __slots__ = ("increment", "seconds", "term")

    def __init__(self, term: int, seconds: int, increment: int) -> None:
        self.term, self.seconds, self.increment = term, seconds, increment

    @property
    def _key(self) -> tuple[int, int, int]:
        return self.term, self.seconds, self.increment

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Optime) else NotImplemented

    def __lt__(self, other: Optime) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Optime({self})"

    def __str__(self) -> str:
        return f"{self.term}:{self.seconds}.{self.increment}"

    def covers(self, other: Position) -> bool:
        """Whether it is as far or farther, see the class."""
        assert isinstance(other, Optime)
        return self >= other

    def minus(self, other: Position) -> str:
        """What lies between the two, as text."""
        assert isinstance(other, Optime)
        return "" if other >= self else f"{other}..{self}"

    def count_minus(self, other: Position) -> int:
        """Seconds between the two: the oplog does not count its entries."""
        assert isinstance(other, Optime)
        return 0 if other >= self else max(1, self.seconds - other.seconds)

    def union(self, other: Position) -> Optime:
        """The one that is farther."""
        assert isinstance(other, Optime)
        return max(self, other)

    def written_by(self, server_id: int) -> Optime:
        """Nothing: an optime does not tell who wrote, and only a primary of a majority writes at all."""
        return Optime(-1, 0, 0)

    def not_written_by(self, server_id: int) -> Optime:
        """All of it."""
        return self

    def is_empty(self) -> bool:
        """Whether it stands before the first entry."""
        return self.seconds == 0

    def to_json(self) -> dict[str, Any]:
        """Numbers."""
        return {"kind": "mongodb", "term": self.term, "seconds": self.seconds, "increment": self.increment}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Optime:
        """Read what `to_json` wrote."""
        return cls(document["term"], document["seconds"], document["increment"])


def position_from_json(document: dict[str, Any]) -> Position:
    """Read a position back; raises ValueError for a kind this release does not know."""
    if document.get("kind") == "mariadb":
        return MariadbGtid.from_json(document)
    if document.get("kind") == "mongodb":
        return Optime.from_json(document)
    raise ValueError(f"unknown kind of position: {document.get('kind')!r}")


def _read(text: str) -> list[tuple[int, int, int]]:
    gtids = []
    for part in text.replace("\n", "").split(","):
        if part := part.strip():
            domain, server, sequence = part.split("-")
            gtids.append((int(domain), int(server), int(sequence)))
    return gtids


def _write(gtids: Gtids) -> str:
    return ",".join(f"{domain}-{server}-{sequence}" for domain, server, sequence in gtids)
