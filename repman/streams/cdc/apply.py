"""What applies changes to a target, whatever the target is.

An `Applier` writes; what it is told between `begin` and `commit` is there whole or not at all, together with the
stream's position.  That makes the effect exactly once, however often a piece of the log is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from repman.errors import StreamFailed
from repman.streams.cdc.apply_net import Net
from repman.streams.cdc.changes import Act, Change, Followed
from repman.streams.cdc.position_store import Checkpoint


class Rejected(StreamFailed):
    """The target does not take a row, and will not take it later either; the transaction goes on without it."""

    def __init__(self, sentence: str, code: str) -> None:
        self.code = code
        """SQLSTATE, or MySQL's number."""
        super().__init__(sentence)


class Superseded(StreamFailed):
    """Another process applies this stream by now; this one must stop and has changed nothing."""


class Applier(Protocol):
    """Writes one stream's changes to one target.  One thread only.

    All methods raise StreamUnreachable for what may pass (the connection broke, a deadlock, a full disk): then nothing
    since `begin` is kept, and the applier is closed and made anew.
    """

    def open(self) -> Checkpoint | None:
        """Connect, take the stream over from any process before, and tell where it is; None: it is new."""

    def begin(self) -> None:
        """Begin a transaction."""

    def rollback(self) -> None:
        """Undo what was done since `begin`, if anything."""

    def write(self, table: Followed, changes: Net) -> None:
        """Apply what changes come to.  Raises Rejected, and then has changed nothing."""

    def replay(self, table: Followed, change: Change) -> None:
        """Apply a single change.  Raises Rejected, and then has changed nothing."""

    def act(self, table: Followed, act: Act) -> None:
        """Do to a table what was done to it in the source; does nothing where it is done already."""

    def bury(self, table: Followed, change: Change, error: Rejected, position: str) -> None:
        """Write a change that was rejected into the table of dead letters."""

    def commit(self, checkpoint: Checkpoint) -> None:
        """Write the position and commit.  Raises Superseded."""

    def last_of(self, config: str) -> str:
        """The newest position of any stream of that configuration; empty: there is none."""

    def forget(self) -> None:
        """Delete what the stream keeps in the target for itself."""

    def close(self) -> None:
        """Disconnect; what is not committed is rolled back."""


def key_text(table: Followed, change: Change) -> str:
    """The key of a change, for people: no other value of the row is told."""
    row = change[3] if change[3] is not None else change[2]
    if row is None or not table.key:
        return "a row without key"
    parts = (f"{table.target_columns[place]}={_shown(row[place])}" for place in table.key)
    return ", ".join(parts)


def _shown(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def columns_of(table: Followed, places: Sequence[int]) -> list[str]:
    """The target's names of those columns."""
    return [table.target_columns[place] for place in places]
