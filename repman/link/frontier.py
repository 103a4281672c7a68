"""How far the target is: the place in the source's stream before which everything was applied."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from bson.timestamp import Timestamp


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the stream, from which it can be read on."""

    time: Timestamp
    token: bytes = b""
    """A resume token; empty: the stream begins with what happened from `time` on."""


@dataclass(slots=True)
class Ticket:
    """Events that were read together, until all of them are applied."""

    place: Place
    """Where the stream goes on after them."""
    events: int
    open: int = 1
    """What is not applied yet; one for whoever still adds to it."""


@dataclass
class Frontier:
    """The tickets in the order of the stream.  Usable from several threads."""

    place: Place
    read: int = 0
    applied: int = 0
    _tickets: deque[Ticket] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _bytes: int = 0

    def issue(self, place: Place, events: int) -> Ticket:
        """A ticket for events that were just read."""
        ticket = Ticket(place, events)
        with self._changed:
            self._tickets.append(ticket)
            self.read += events
        return ticket

    def add(self, ticket: Ticket, parts: int, size: int) -> None:
        """That many more parts of the ticket's events are to be applied; they hold so many bytes."""
        with self._changed:
            ticket.open += parts
            self._bytes += size

    def done(self, ticket: Ticket, size: int = 0) -> None:
        """A part was applied."""
        with self._changed:
            ticket.open -= 1
            self._bytes -= size
            while self._tickets and not self._tickets[0].open:
                first = self._tickets.popleft()
                self.place = first.place
                self.applied += first.events
            self._changed.notify_all()

    def wait_for_room(self, most: int, stop: threading.Event) -> None:
        """Wait until what is read and not applied holds at most so many bytes, or `stop` is set."""
        with self._changed:
            while self._bytes > most and not stop.is_set():
                self._changed.wait(0.1)

    def wait_until_applied(self, stop: threading.Event) -> None:
        """Wait until everything that was read is applied, or `stop` is set."""
        with self._changed:
            while self._tickets and not stop.is_set():
                self._changed.wait(0.1)
