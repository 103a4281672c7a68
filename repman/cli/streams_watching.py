"""A stream watched: a bar for each table on a terminal, a line for each step elsewhere.

Ctrl-C stops the watching, never the stream.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from time import monotonic, sleep, strftime
from types import TracebackType

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn

from repman.cli import streams_screens
from repman.cli.exits import ApiUnreachable
from repman.cli.streams_api import StreamsSession
from repman.cli.streams_screens import OVER, Document, Rates

EVERY = 0.5
PATIENCE = 30.0
"""Seconds for which the API may be away while a stream is watched: the service may be starting anew."""
MOST_BARS = 20
"""Tables that get a bar of their own; those that move come first."""


class Bars(AbstractContextManager["Bars"]):
    """One bar for the whole stream, and one for each table of which it is known how many rows it has."""

    def __init__(self, session: StreamsSession) -> None:
        self._rates = Rates()
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[pace]}", markup=False),
            console=session.console,
        )
        self._whole = self._progress.add_task("", total=None, pace="")
        self._tables: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()

    def show(self, stats: Document) -> None:
        """Show how far it is."""
        self._rates.look(stats, monotonic())
        share = streams_screens.share(stats)
        words = [streams_screens.pace(stats, self._rates), stats["error"]]
        self._progress.update(
            self._whole,
            description=streams_screens.course(stats),
            total=None if share is None else 1.0,
            completed=share or 0.0,
            pace="; ".join(word for word in words if word),
        )
        for table in stats["tables"]:
            self._show_table(table)

    def _show_table(self, table: Document) -> None:
        name = str(table["name"])
        if name not in self._tables:
            if table["state"] == "waiting" or len(self._tables) >= MOST_BARS:
                return
            self._tables[name] = self._progress.add_task(f"  {name}", total=None, pace="")
        done = table["state"] == "done"
        total = table["estimatedRows"] or (table["events"] if done else None)
        self._progress.update(
            self._tables[name],
            total=table["events"] if done else total,
            completed=table["events"],
            pace=f"{table['events']:,} rows, {table['state']}",
        )


class Steps(AbstractContextManager["Steps"]):
    """A line on stderr, or with `documents` a document on stdout, for each step: another state, a tenth more."""

    def __init__(self, session: StreamsSession) -> None:
        self._session = session
        self._rates = Rates()
        self._before: tuple[object, ...] = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left behind."""

    def show(self, stats: Document) -> None:
        """Tell how far it is, when that is news."""
        self._rates.look(stats, monotonic())
        share = streams_screens.share(stats)
        now = (stats["status"], stats["phase"], stats["error"], None if share is None else int(share * 10))
        if now == self._before:
            return
        self._before = now
        if self._session.as_json:
            self._session.show_json(stats)
            return
        words = [streams_screens.course(stats), streams_screens.pace(stats, self._rates), stats["error"]]
        self._session.tell(f"{strftime('%H:%M:%S')} " + "; ".join(word for word in words if word))


def watch(session: StreamsSession, stream: str, every: float = EVERY) -> Document:
    """Watch the stream until it is over; returns its statistics then.  Raises KeyboardInterrupt on Ctrl-C."""
    since = monotonic()
    with Bars(session) if session.live else Steps(session) as shown:
        while True:
            try:
                stats: Document = session.get("streams", stream, "stats")
            except ApiUnreachable as error:
                if monotonic() - since > PATIENCE:
                    raise ApiUnreachable(f"{error}\nWatch it again: repman ctl streams watch {stream}") from error
            else:
                since = monotonic()
                shown.show(stats)
                if stats["status"] in OVER:
                    return stats
            sleep(every)


def compared(session: StreamsSession, stream: str, repair: bool) -> Document:
    """Let source and target be compared, and wait for the result; raises KeyboardInterrupt on Ctrl-C."""
    found: Document = session.post("streams", stream, "verify", **({"repair": "true"} if repair else {}))
    while found["status"] == "running":
        sleep(EVERY)
        found = session.get("streams", stream, "verification")
    return found
