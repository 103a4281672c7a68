"""The reader of a MariaDB or MySQL source: from its binary log to bundles of changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from repman.errors import StreamFailed
from repman.streams.cdc import binlog_ddl as ddl
from repman.streams.cdc import binlog_events as events
from repman.streams.cdc.binlog_position import BinlogPosition, FilePosition, MariadbPosition, MysqlPosition
from repman.streams.cdc.binlog_rows import Images, images
from repman.streams.cdc.bundle import Bundler
from repman.streams.cdc.changes import DELETE, INSERT, UPDATE, Act, Change, Followed, Truncate
from repman.streams.cdc.shape import Shape

Batch = list[bytes]
"""Events with their headers, without checksums."""
Evolve = Callable[[Shape, Sequence[ddl.Clause]], tuple[list[Act], Shape]]
"""What a change of structure means for the target, and the table's shape after it.  Raises StreamFailed when a person
has to look at it."""
IDLE_POSITION = 1.0
"""Seconds between two positions that are handed out for their own sake, when only other tables are written."""


TABLE_ID = slice(events.HEADER_SIZE, events.HEADER_SIZE + 6)
"""Where a table map and a rows event have the table's id."""
ROWS_HEAD = events.HEADER_SIZE + 8
"""Where a rows event of the first version tells its columns."""
PLAIN = frozenset({events.WRITE_V1, events.UPDATE_V1, events.DELETE_V1})
REFUSED = {
    events.XA_PREPARE: "the source uses XA transactions, whose prepared halves cannot be followed; end them, and start a "
    "new stream with a snapshot",
    events.PARTIAL_UPDATE: "the source logs parts of JSON documents: clear binlog_row_value_options, start a new stream",
    events.PAYLOAD: "the source compresses transactions: set binlog_transaction_compression OFF, start a new stream",
    events.INCIDENT: "the source has noted that its binary log lacks events: start a new stream with a snapshot",
    events.TAGGED_GTID: "the source uses tagged GTIDs, which cannot be followed; write without tags",
}
"""Events that cannot be followed, and what to do."""


@dataclass(frozen=True, slots=True)
class _Decoder:
    """What is known of one table id."""

    described: bytes
    """The table map behind its header."""
    followed: int
    """The number of the followed table; -1 for all others."""
    read: tuple[Images, Images, Images] | None
    """What reads rows that were inserted, updated and deleted; None when the table is not followed."""
    head: bytes
    """What a rows event with all columns begins with."""
    update_head: bytes
    """The same of an update."""


class BinlogReader:
    """Reads events, and gives changes to a bundler.  One thread."""

    def __init__(self, shapes: Sequence[Shape], position: BinlogPosition, bundler: Bundler, evolve: Evolve) -> None:
        self._shapes = list(shapes)
        self._followed: tuple[Followed, ...] = tuple(shape.followed for shape in shapes)
        self._by_name = {(shape.followed.schema, shape.followed.table): shape.followed.number for shape in shapes}
        self._bundler = bundler
        self._evolve = evolve
        self._position = position
        self._gtid: events.Gtid | events.MysqlGtid | None = None
        self._inside = False
        """A transaction has begun and has not ended."""
        self._touched = False
        """It has changed a followed table."""
        self._decoders: dict[bytes, _Decoder] = {}
        """By the bytes of the table's id."""
        self._idle_since = time.monotonic()
        self._acts = {
            events.QUERY: self._query,
            events.QUERY_COMPRESSED: self._query_compressed,
            events.XID: self._commit,
            events.MYSQL_GTID: self._mysql_gtid,
            events.ANONYMOUS_GTID: self._anonymous,
            events.ROTATE: self._rotate,
            events.FORMAT: self._format,
        }

    @property
    def position(self) -> BinlogPosition:
        """After the last transaction that was read whole."""
        return self._position

    @property
    def followed(self) -> tuple[Followed, ...]:
        """The tables as they are where the reader is."""
        return self._followed

    def take(self, batch: Batch) -> None:
        """Read some events.  Raises StreamFailed when the log holds what cannot be followed."""
        table_map, mariadb_gtid, rows = events.TABLE_MAP, events.MARIADB_GTID, events.ROWS
        for event in batch:
            kind = event[4]
            if kind == table_map:
                self._table_map(event)
            elif kind in rows:
                self._rows(kind, event)
            elif kind == mariadb_gtid:
                self._mariadb_gtid(event)
            else:
                act = self._acts.get(kind)
                if act is not None:
                    act(event, int.from_bytes(event[:4], "little"))
                elif kind in REFUSED:
                    raise StreamFailed(REFUSED[kind])
        now = time.monotonic()
        due = now - self._idle_since > IDLE_POSITION
        if due:
            self._idle_since = now
        self._bundler.flush(due)

    # transactions

    def _mariadb_gtid(self, event: bytes) -> None:
        found = events.mariadb_gtid(event)
        if found.prepared:
            raise StreamFailed(REFUSED[events.XA_PREPARE])
        self._gtid = found
        self._inside, self._touched = True, False

    def _mysql_gtid(self, event: bytes, _: int) -> None:
        self._gtid = events.mysql_gtid(event)
        self._inside, self._touched = True, False

    def _anonymous(self, event: bytes, _: int) -> None:
        self._gtid = None
        self._inside, self._touched = True, False

    def _commit(self, event: bytes, at: int) -> None:
        gtid, position = self._gtid, self._position
        if isinstance(gtid, events.Gtid) and isinstance(position, MariadbPosition):
            self._position = position.after(gtid.domain, gtid.server, gtid.sequence)
        elif isinstance(gtid, events.MysqlGtid) and isinstance(position, MysqlPosition):
            self._position = position.after(gtid.sid, gtid.number)
        elif isinstance(position, FilePosition):
            self._position = FilePosition(position.file, int.from_bytes(event[13:17], "little"))
        self._inside = self._touched = False
        self._bundler.commit(self._position, at)

    # rows

    def _table_map(self, event: bytes) -> None:
        known = self._decoders.get(event[TABLE_ID])
        if known is not None and event[events.HEADER_SIZE :] == known.described:
            return
        table = events.table_map(event)
        followed = self._by_name.get((table.schema, table.table), -1)
        read = None if followed < 0 else self._readers(table, followed)
        head = events.full_head(len(table.types))
        self._decoders[event[TABLE_ID]] = _Decoder(event[events.HEADER_SIZE :], followed, read, *head)

    def _readers(self, table: events.TableMap, followed: int) -> tuple[Images, Images, Images]:
        shape = self._shapes[followed]
        names = table.names or shape.names
        if len(names) != len(table.types) or tuple(names) != shape.names:
            raise StreamFailed(
                f"{table.schema}.{table.table} has other columns in the binary log than this stream knows of "
                f"({', '.join(table.names) or len(table.types)}): start a new stream with a snapshot"
            )
        forms, keys = shape.forms(), shape.key_forms()
        return images(table, forms), images(table, keys, forms), images(table, keys)

    def _rows(self, kind: int, event: bytes) -> None:
        known = self._decoders.get(event[TABLE_ID])
        if known is None:
            raise StreamFailed("the binary log has rows without a description of their table; start a new stream")
        if known.read is None:
            return
        number = known.followed
        what = INSERT if kind in events.INSERTS else UPDATE if kind in events.UPDATES else DELETE
        read = known.read[what]
        rows: list[tuple[bytes, ...]] = []
        head = known.update_head if kind == events.UPDATE_V1 else known.head
        if kind in PLAIN and event.startswith(head, ROWS_HEAD):
            data = event
            read(data, ROWS_HEAD + len(head), len(data), rows)
        else:
            data = self._unusual_rows(kind, event, number, read, rows)
        changes: list[Change]
        if what == INSERT:
            changes = [(INSERT, number, None, row) for row in rows]
        elif what == UPDATE:
            changes = [(UPDATE, number, before, after) for before, after in zip(rows[::2], rows[1::2], strict=True)]
        else:
            changes = [(DELETE, number, row, None) for row in rows]
        self._touched = True
        self._bundler.add(changes, len(data), self._followed)

    def _unusual_rows(self, kind: int, event: bytes, number: int, read: Images, rows: list[tuple[bytes, ...]]) -> bytes:
        """Read what is compressed, of MySQL's version, or without all columns; the bytes of the rows."""
        body = events.rows_body(event, kind)
        if not body.full:
            raise StreamFailed(
                f"the source logs {self._followed[number].name} without all columns: set binlog_row_image to FULL, end "
                "the sessions that have set it otherwise, and start a new stream with a snapshot"
            )
        read(body.data, body.at, len(body.data), rows)
        return body.data

    # statements

    def _query_compressed(self, event: bytes, at: int) -> None:
        self._statement(events.query(event, True), event, at)

    def _query(self, event: bytes, at: int) -> None:
        self._statement(events.query(event), event, at)

    def _statement(self, query: events.Query, event: bytes, at: int) -> None:
        text = query.text
        start = text[:12].upper()
        if start.startswith("BEGIN") or start.startswith("SAVEPOINT"):
            return
        if start.startswith("COMMIT") or start.startswith("XA COMMIT") or start.startswith("XA ROLLBACK"):
            self._commit(event, at)
            return
        if start.startswith("ROLLBACK"):
            self._rolled_back(event, at, text)
            return
        for effect in ddl.effects(query.schema, text):
            self._effect(effect)
        if not isinstance(self._gtid, events.Gtid) or self._gtid.standalone:
            if start.startswith(("XA START", "XA END", "XA PREPARE")):
                raise StreamFailed(REFUSED[events.XA_PREPARE])
            self._commit(event, at)

    def _rolled_back(self, event: bytes, at: int, text: str) -> None:
        if self._touched:
            raise StreamFailed(
                "a transaction of the source was rolled back after it was logged, as it wrote to tables of an engine "
                "without transactions: convert those to InnoDB, and start a new stream with a snapshot"
            )
        if " TO " not in text.upper():
            self._commit(event, at)

    def _effect(self, effect: ddl.Effect) -> None:
        if isinstance(effect, ddl.DataStatement):
            self._data_statement(effect)
            return
        if isinstance(effect, ddl.Gone):
            self._gone(effect)
            return
        number = self._by_name.get(effect.table)
        if number is None:
            return
        if isinstance(effect, ddl.Truncated):
            self._touched = True
            self._bundler.act(number, (Truncate(number),))
            return
        review = [clause for clause in effect.clauses if clause.kind is ddl.Kind.REVIEW]
        if review:
            raise StreamFailed(
                f"the source has altered {'.'.join(effect.table)} in a way that cannot be followed "
                f"({review[0].words}): do the same in the target, and start a new stream with a snapshot of this table"
            )
        acts, shape = self._evolve(self._shapes[number], effect.clauses)
        self._shapes[number] = shape
        self._followed = tuple(shape.followed for shape in self._shapes)
        self._decoders.clear()
        self._touched = True
        self._bundler.act(number, tuple(acts), self._followed, shape.columns)

    def _gone(self, effect: ddl.Gone) -> None:
        schema, table = effect.table
        followed = [name for name in self._by_name if name == effect.table or (not table and name[0] == schema)]
        appeared = effect.new_name is not None and effect.new_name in self._by_name
        if followed or appeared:
            what = f"renamed to {'.'.join(effect.new_name)}" if effect.new_name else "dropped"
            raise StreamFailed(
                f"the source's table {schema}.{table} was {what}, and this stream follows "
                f"{'.'.join(followed[0] if followed else effect.new_name or ())}: "
                "start a new stream with the tables that are there now"
            )

    def _data_statement(self, effect: ddl.DataStatement) -> None:
        schemas = {name[0] for name in self._by_name}
        if effect.schema in schemas or effect.words & schemas:
            raise StreamFailed(
                "the source has logged a change of data as a statement instead of its rows: set binlog_format to ROW, "
                "end the sessions that have set it otherwise, and start a new stream with a snapshot"
            )

    # the log's files

    def _rotate(self, event: bytes, at: int) -> None:
        if isinstance(self._position, FilePosition) and not self._inside:
            self._position = FilePosition(*events.rotated(event))

    def _format(self, event: bytes, at: int) -> None:
        # the server was restarted, or opened a new file: table ids may begin anew
        self._decoders.clear()
