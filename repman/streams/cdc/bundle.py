"""Changes gathered to bundles, bounded by rows and by bytes.  Pure."""

from __future__ import annotations

from repman.streams.cdc.changes import OPERATIONS, Act, Bundle, Change, Followed
from repman.streams.structure.table import Column

BYTES = 1 << 20
"""A bundle is full with as many; a row that is larger goes alone."""


class Bundler:
    """Gathers the changes of one reader.  `ready` hands out what is full; a bundle is cut where it may be."""

    def __init__(self, rows: int, events_left: int = 0, most_bytes: int = BYTES) -> None:
        self._rows = rows
        self._most_bytes = most_bytes
        self._left = events_left
        """How many changes the stream's limit still allows; 0: any number."""
        self._limited = events_left > 0
        self._changes: list[Change] = []
        self._size = 0
        self._sizes: dict[int, int] = {}
        self._sequence = 0
        self._position: object = None
        self._at = 0.0
        self._open = False
        """Whether what is gathered ends inside a transaction."""
        self._done: list[Bundle] = []
        self.finished = False
        """The limit is reached; nothing more is taken."""

    def add(self, changes: list[Change], size: int, followed: tuple[Followed, ...]) -> None:
        """Take in changes of one table, of `size` bytes together; those of operations not wanted are left out."""
        if not changes or self.finished:
            return
        wanted = followed[changes[0][1]].operations
        if len(wanted) < len(OPERATIONS):
            changes = [change for change in changes if OPERATIONS[change[0]] in wanted]
            if not changes:
                return
        if self._limited and len(changes) >= self._left:
            self._changes += changes[: self._left]
            self._weigh(changes[0][1], size * self._left // len(changes))
            self._left = 0
            self.finished = True
            self._open = False
            self._cut(True, last=True)
            return
        self._left -= len(changes)
        self._open = True
        self._changes += changes
        self._weigh(changes[0][1], size)
        if len(self._changes) >= self._rows or self._size >= self._most_bytes:
            self._cut(False)

    def _weigh(self, table: int, size: int) -> None:
        self._size += size
        self._sizes[table] = self._sizes.get(table, 0) + size

    def commit(self, position: object, at: float) -> None:
        """The source's transaction has ended; it ends at `position` (as `str` writes it), and was committed at `at`."""
        if self.finished:
            return
        self._open = False
        self._position, self._at = position, at
        if len(self._changes) >= self._rows or self._size >= self._most_bytes:
            self._cut(True)

    def act(
        self, table: int, acts: tuple[Act, ...], followed: tuple[Followed, ...] = (), columns: tuple[Column, ...] = ()
    ) -> None:
        """Something happens to a whole table, between what came and what comes; `commit` follows.

        With what changes structure, `followed` are the tables and `columns` those of the source's from there on.
        """
        if self.finished or not (acts or followed):
            return
        if self._changes:
            self._cut(not self._open)
        self._open = True
        self._append(Bundle(self._next(), table, acts=acts, followed=followed, columns=columns, ends=False))

    def flush(self, empty: bool = False) -> None:
        """Nothing more is there at present: hand out what is gathered, when it does not end inside a transaction.

        `empty` tells that a mere position is worth handing out too: transactions of other tables move it.
        """
        if not self._open and (self._changes or (empty and self._position is not None)):
            self._cut(True)

    def ready(self) -> list[Bundle]:
        """What is complete, in order; handed out once."""
        done, self._done = self._done, []
        return done

    def _cut(self, ends: bool, last: bool = False) -> None:
        changes, self._changes = tuple(self._changes), []
        size, self._size = self._size, 0
        sizes, self._sizes = tuple(self._sizes.items()), {}
        position = ""
        if ends and self._position is not None:
            position, self._position = str(self._position), None
        self._append(
            Bundle(
                self._next(), -1, changes, size, sizes, ends=ends, position=position, committed_at=self._at, last=last
            )
        )

    def _append(self, bundle: Bundle) -> None:
        self._done.append(bundle)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence
