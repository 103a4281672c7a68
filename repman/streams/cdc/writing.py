"""The writing half of a stream: bundles of changes into the target, each transaction with its position."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from repman.errors import StreamFailed
from repman.streams.cdc.apply import Applier, Rejected, key_text
from repman.streams.cdc.apply_net import by_table, net
from repman.streams.cdc.changes import Bundle, Change, Followed
from repman.streams.cdc.position_store import Checkpoint, TableCount
from repman.streams.cdc.transport import Transport
from repman.streams.job import OnError

ROWS = 20_000
"""Changes of one transaction of the target, about."""
BYTES = 16 << 20
PATIENCE = 0.2
"""Seconds to wait for a bundle before looking whether the stream is to stop."""
Told = Callable[[Checkpoint, float], None]
"""Hears of every commit: the checkpoint, and when the source committed what it holds (0: not known)."""


class Writer:
    """Takes bundles out of a transport and applies them.  One thread."""

    def __init__(
        self,
        applier: Applier,
        transport: Transport,
        followed: Sequence[Followed],
        checkpoint: Checkpoint,
        on_error: OnError,
        most_errors: int,
    ) -> None:
        self._applier = applier
        self._transport = transport
        self._followed = tuple(followed)
        self._checkpoint = checkpoint
        self._on_error = on_error
        self._most_errors = most_errors
        self._position = checkpoint.position
        self._counts = dict(checkpoint.counts)
        self._open = False
        self.errors: list[str] = []
        """The newest reasons why rows failed."""

    def run(self, stop: threading.Event, told: Told, allowed: Callable[[str], bool]) -> bool:
        """Apply what comes until `stop` is set; True when the stream's limit of events is reached.

        `allowed` says whether what ends at a position may be applied yet; it waits a moment before it says no.
        Raises what the applier and the transport's other end raise.
        """
        while not stop.is_set():
            bundles = self._transport.take(ROWS, BYTES, PATIENCE)
            if not bundles:
                continue
            last = next((bundle.position for bundle in reversed(bundles) if bundle.position), "")
            while last and not allowed(last):
                if stop.is_set():
                    return False
            if self._apply(bundles, told):
                return True
        return False

    def _apply(self, bundles: list[Bundle], told: Told) -> bool:
        if not self._open:
            self._applier.begin()
            self._open = True
        gathered: list[Change] = []
        committed_at = 0.0
        for bundle in bundles:
            if bundle.table >= 0:
                self._write(gathered)
                gathered = []
                self._act(bundle)
            else:
                gathered += bundle.changes
                self._count(bundle)
            if bundle.position:
                self._position = bundle.position
            committed_at = bundle.committed_at or committed_at
        self._write(gathered)
        last = bundles[-1]
        if last.ends:
            self._commit("EVENT_LIMIT_REACHED" if last.last else "")
            self._transport.done(last.sequence)
            told(self._checkpoint, committed_at)
        return last.last

    def _commit(self, finished: str = "") -> None:
        self._checkpoint = replace(
            self._checkpoint, position=self._position, counts=dict(self._counts), finished=finished
        )
        self._applier.commit(self._checkpoint)
        self._open = False

    def _count(self, bundle: Bundle) -> None:
        counts = self._counts
        rows: dict[int, int] = {}
        for change in bundle.changes:
            rows[change[1]] = rows.get(change[1], 0) + 1
        sizes = dict(bundle.sizes)
        for number, count in rows.items():
            name = self._followed[number].name
            known = counts.get(name, TableCount())
            counts[name] = TableCount(known.rows + count, known.bytes + sizes.get(number, 0), known.failed)

    def _write(self, changes: list[Change]) -> None:
        if not changes:
            return
        for number, some in by_table(changes).items():
            table = self._followed[number]
            whole = net(table, some)
            if whole is not None:
                try:
                    self._applier.write(table, whole)
                    continue
                except Rejected:
                    pass
            # something in it stands in the way: one after the other, as they happened
            for change in some:
                self._replay(table, change)

    def _replay(self, table: Followed, change: Change) -> None:
        try:
            self._applier.replay(table, change)
        except Rejected as error:
            what = f"{table.name} ({key_text(table, change)}): {error} [{error.code}]"
            if self._on_error is OnError.STOP:
                raise StreamFailed(
                    f"the target does not take a change of {what}; correct the target's table, or let the stream skip "
                    "such rows (onError), and start it again"
                ) from error
            known = self._counts.get(table.name, TableCount())
            self._counts[table.name] = TableCount(known.rows - 1, known.bytes, known.failed + 1)
            self.errors = [*self.errors[-19:], what]
            self._applier.bury(table, change, error, self._position)
            failed = sum(count.failed for count in self._counts.values())
            if self._most_errors and failed > self._most_errors:
                raise StreamFailed(
                    f"{failed} rows failed, and {self._most_errors} may; the last one: {what}"
                ) from error

    def _act(self, bundle: Bundle) -> None:
        table = self._followed[bundle.table]
        if bundle.followed:
            # MySQL commits by itself before it changes a structure: let the position be right when it does
            self._commit()
            self._applier.begin()
            self._open = True
        for act in bundle.acts:
            self._applier.act(table, act)
        if bundle.followed:
            self._followed = bundle.followed
            structure = {**self._checkpoint.structure, table.name: bundle.columns}
            self._checkpoint = replace(self._checkpoint, structure=structure)


def lag(committed_at: float) -> float | None:
    """Seconds since the source committed what the target has; None: not known."""
    return max(0.0, time.time() - committed_at) if committed_at else None
