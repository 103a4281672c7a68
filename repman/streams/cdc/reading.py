"""The reading half of a stream: a thread that turns the source's log into bundles and hands them to a transport."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from repman.errors import RepmanError, StreamFailed
from repman.streams.cdc.binlog import BinlogReader
from repman.streams.cdc.binlog_wire import BinlogSession
from repman.streams.cdc.bundle import Bundler
from repman.streams.cdc.pgoutput import PgoutputReader
from repman.streams.cdc.pgoutput_session import ReplicationSession
from repman.streams.cdc.transport import Transport
from repman.streams.job import Count

MOMENT = 0.1
"""Seconds between two looks whether the stream is to stop."""


class Source(Protocol):
    """A source's log as it is read."""

    def run(self, hand_on: Callable[[], bool], stop: threading.Event) -> None:
        """Read until `stop` is set or `hand_on`, called whenever something is ready, says so.

        Raises StreamUnreachable when the session breaks, StreamFailed for what cannot be followed.
        """

    def confirm(self, position: str) -> None:
        """The target has everything up to `position`."""

    def wait(self) -> None:
        """The other half has no room at present: do what keeps the session alive."""

    def end(self) -> None:
        """Let `run` end soon; from another thread."""

    def close(self) -> None:
        """Disconnect."""


class BinlogSource:
    """A binary log."""

    def __init__(self, session: BinlogSession, reader: BinlogReader) -> None:
        self._session = session
        self._reader = reader

    def run(self, hand_on: Callable[[], bool], stop: threading.Event) -> None:
        """See `Source.run`."""
        for batch in self._session.events():
            self._reader.take(batch)
            if stop.is_set() or not hand_on():
                return

    def confirm(self, position: str) -> None:
        """Nothing: what a binary log keeps is not ours to say."""

    def wait(self) -> None:
        """Nothing: the server waits as long as its net_write_timeout, which the session has raised."""

    def end(self) -> None:
        """See `Source.end`."""
        self._session.end()

    def close(self) -> None:
        """See `Source.close`."""
        self._session.close()


class PgoutputSource:
    """A replication slot."""

    def __init__(
        self, session: ReplicationSession, reader: PgoutputReader, read_position: Callable[[str], int]
    ) -> None:
        self._session = session
        self._reader = reader
        self._read_position = read_position

    def run(self, hand_on: Callable[[], bool], stop: threading.Event) -> None:
        """See `Source.run`."""
        for batch in self._session.messages(MOMENT):
            wants = False
            if batch:
                end, wants = self._reader.take(batch)
                self._session.received(max(end, self._reader.position))
            else:
                self._reader.take(())
            if stop.is_set() or not hand_on():
                return
            self._session.feedback(wants)
        self._session.feedback(True)

    def confirm(self, position: str) -> None:
        """See `Source.confirm`."""
        self._session.confirm(self._read_position(position))

    def wait(self) -> None:
        """See `Source.wait`."""
        self._session.feedback()

    def end(self) -> None:
        """Nothing: it looks itself."""

    def close(self) -> None:
        """See `Source.close`."""
        self._session.close()


class Reading(threading.Thread):
    """The thread.  What goes wrong in it is raised at the transport's other end."""

    def __init__(self, source: Source, bundler: Bundler, transport: Transport, stop: threading.Event) -> None:
        super().__init__(name="stream reader", daemon=True)
        self._source = source
        self._bundler = bundler
        self._transport = transport
        self._outer = stop
        self._ended = threading.Event()
        self.count = Count()
        """What was read and handed on, since the thread began."""

    def run(self) -> None:
        """Read until the end."""
        try:
            self._source.run(self._hand_on, self._outer)
        except RepmanError as error:
            self._transport.fail(error)
        except Exception as error:  # noqa: BLE001 - the other thread is to know whatever it was
            self._transport.fail(StreamFailed(f"the source's log could not be read: {type(error).__name__}: {error}"))

    def end(self) -> None:
        """End the thread and its session."""
        self._ended.set()
        self._source.end()
        self.join()
        self._source.close()

    def _hand_on(self) -> bool:
        for bundle in self._bundler.ready():
            while not self._transport.put(bundle, MOMENT):
                if self._outer.is_set() or self._ended.is_set():
                    return False
                self._source.wait()
            self.count = Count(self.count.rows + len(bundle.changes), self.count.bytes + bundle.size)
        if self._ended.is_set():
            return False
        return not self._bundler.finished
