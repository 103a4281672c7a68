"""The reader of a PostgreSQL source: from the messages of pgoutput to bundles of changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from repman.errors import StreamFailed
from repman.streams.cdc import fields as cdc_fields
from repman.streams.cdc import pgoutput_messages as messages
from repman.streams.cdc.bundle import Bundler
from repman.streams.cdc.changes import DELETE, INSERT, UNCHANGED, UPDATE, Act, Change, Followed, Row, Truncate
from repman.streams.cdc.shape import Shape
from repman.streams.cdc.slot import lsn_text

Evolve = Callable[[Shape, messages.Relation], tuple[list[Act], Shape]]
"""What the columns of a table as they are now mean for the target, and the table's shape after it.  Raises StreamFailed when a person
has to look at it."""
IDLE_POSITION = 1.0
"""See `repman.streams.cdc.binlog`."""
AT_ONCE = 500
"""Changes of one table in a row that are handed on together."""


class Lsn(int):
    """A log position, which prints as PostgreSQL prints it."""

    __slots__ = ()

    def __str__(self) -> str:
        return lsn_text(self)


class PgoutputReader:
    """Reads messages, and gives changes to a bundler.  One thread."""

    def __init__(self, shapes: Sequence[Shape], position: int, bundler: Bundler, evolve: Evolve) -> None:
        self._shapes = list(shapes)
        self._followed: tuple[Followed, ...] = tuple(shape.followed for shape in shapes)
        self._by_name = {(shape.followed.schema, shape.followed.table): shape.followed.number for shape in shapes}
        self._bundler = bundler
        self._evolve = evolve
        self._position = position
        self._read: dict[int, tuple[int, messages.Reader]] = {}
        """By the relation's oid: the followed table's number, and what reads its rows."""
        self._relations: dict[int, messages.Relation] = {}
        self._inside = False
        self._idle_since = time.monotonic()
        self._gathered: list[Change] = []
        self._size = 0
        self._acts: dict[int, Callable[[bytes], None]] = {
            b"I"[0]: self._insert,
            b"U"[0]: self._update,
            b"D"[0]: self._delete,
            b"B"[0]: self._begin,
            b"C"[0]: self._commit,
            b"R"[0]: self._relation,
            b"T"[0]: self._truncate,
        }

    @property
    def position(self) -> int:
        """After the last transaction that was read whole."""
        return self._position

    @property
    def followed(self) -> tuple[Followed, ...]:
        """The tables as they are where the reader is."""
        return self._followed

    def take(self, batch: Sequence[bytes]) -> tuple[int, bool]:
        """Read some messages; how far the server's log is, and whether the server wants an answer at once.

        Raises StreamFailed when the log holds what cannot be followed.
        """
        data, place, end, wants = b"w"[0], messages.DATA_SIZE, 0, False
        acts = self._acts
        for message in batch:
            if message[0] == data:
                act = acts.get(message[place])
                if act is not None:
                    act(message)
            else:
                end, asked = messages.alive(message)
                wants = wants or asked
                if not self._inside and end > self._position:
                    # nothing of this stream is in the log up to there
                    self._hand_on()
                    self._position = end
                    self._bundler.commit(Lsn(end), time.time())
        self._hand_on()
        now = time.monotonic()
        due = now - self._idle_since > IDLE_POSITION
        if due:
            self._idle_since = now
        self._bundler.flush(due)
        return end, wants

    def _begin(self, _: bytes) -> None:
        self._inside = True

    def _commit(self, message: bytes) -> None:
        self._hand_on()
        found = messages.commit(message, messages.DATA_SIZE)
        self._inside = False
        self._position = found.end
        self._bundler.commit(Lsn(found.end), found.at)

    # rows

    def _add(self, change: Change, size: int) -> None:
        gathered = self._gathered
        if gathered and (gathered[-1][1] != change[1] or len(gathered) >= AT_ONCE):
            self._hand_on()
        self._gathered.append(change)
        self._size += size

    def _hand_on(self) -> None:
        if self._gathered:
            self._bundler.add(self._gathered, self._size, self._followed)
            self._gathered, self._size = [], 0

    def _reader(self, message: bytes) -> tuple[int, messages.Reader]:
        at = messages.DATA_SIZE + 1
        return self._read[int.from_bytes(message[at : at + 4], "big")]

    def _insert(self, message: bytes) -> None:
        number, read = self._reader(message)
        if number >= 0:
            row, _ = read(message, messages.DATA_SIZE + 6)
            self._add((INSERT, number, None, row), len(message))

    def _update(self, message: bytes) -> None:
        number, read = self._reader(message)
        if number < 0:
            return
        at = messages.DATA_SIZE + 5
        before: Row | None = None
        kind = message[at]
        if kind in b"KO":
            before, at = read(message, at + 1)
        after, _ = read(message, at + 1)
        if before is not None and kind == b"O"[0] and UNCHANGED in after:
            # with REPLICA IDENTITY FULL the old row has what the new one leaves out
            after = tuple(old if new is UNCHANGED else new for old, new in zip(before, after, strict=True))
        self._add((UPDATE, number, before, after), len(message))

    def _delete(self, message: bytes) -> None:
        number, read = self._reader(message)
        if number >= 0:
            before, _ = read(message, messages.DATA_SIZE + 6)
            self._add((DELETE, number, before, None), len(message))

    # whole tables

    def _truncate(self, message: bytes) -> None:
        self._hand_on()
        for oid in messages.truncated(message, messages.DATA_SIZE):
            number = self._read[oid][0]
            if number >= 0:
                self._bundler.act(number, (Truncate(number),))

    def _relation(self, message: bytes) -> None:
        self._hand_on()
        relation = messages.relation(message, messages.DATA_SIZE)
        if self._relations.get(relation.oid) == relation:
            return
        self._relations[relation.oid] = relation
        number = self._by_name.get((relation.schema, relation.table), -1)
        if number < 0:
            if relation.oid in self._read and self._read[relation.oid][0] >= 0:
                old = self._followed[self._read[relation.oid][0]].name
                raise StreamFailed(
                    f"the source's table {old} was renamed to {relation.schema}.{relation.table}: "
                    "start a new stream with the tables that are there now"
                )
            self._read[relation.oid] = -1, messages.row_reader((), ())
            return
        shape = self._shapes[number]
        names = tuple(column.name for column in relation.columns)
        acts, shape = self._evolve(shape, relation)
        if acts or names != self._shapes[number].names:
            self._shapes[number] = shape
            self._followed = tuple(each.followed for each in self._shapes)
            self._bundler.act(number, tuple(acts), self._followed, shape.columns)
        self._read[relation.oid] = number, reader_of(shape, names)


def reader_of(shape: Shape, names: Sequence[str]) -> messages.Reader:
    """What reads the rows of a relation with those columns."""
    columns = shape.followed.columns
    places = [columns.index(name) if name in columns else None for name in names]
    missing = set(columns) - set(names)
    if missing:
        raise StreamFailed(
            f"the source does not publish {', '.join(sorted(missing))} of {shape.followed.name}: leave these columns out of "
            "the stream, or publish them"
        )
    converters = []
    for name in names:
        mapped = shape.mapped.mapped(name)
        converters.append(None if mapped is None else cdc_fields.field(shape.mapped, mapped))
    return messages.row_reader(places, converters)
