"""Changes of collections between changes of documents.

A change of a collection waits until what came before it for this collection is applied; what comes after it for this
collection waits for it.  All other collections go on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from repman.link.changes import Change
from repman.link.frontier import Frontier, Ticket


@dataclass(slots=True)
class Task:
    """Something that is done while its collections stand still."""

    collections: frozenset[str]
    ticket: Ticket
    act: Callable[[], None]
    more: Callable[[], frozenset[str]] = frozenset
    """Collections that it turns out to concern when its turn comes."""
    size: int = 0
    followers: dict[str, list[tuple[Change, Ticket]]] = field(default_factory=dict)
    """What came after it, by collection."""


Release = Callable[[str, list[tuple[Change, Ticket]]], None]


class Gates:
    """The tasks that are not done yet, in the order of the stream.  One thread adds, another one carries out."""

    def __init__(self, frontier: Frontier, release: Release) -> None:
        """`release` hands what has waited for a task to the appliers."""
        self._frontier, self._release = frontier, release
        self._tasks: deque[Task] = deque()
        self._closed: dict[str, list[Task]] = {}
        self._changed = threading.Condition()

    @property
    def open(self) -> bool:
        """Whether nothing has to wait at this moment."""
        return not self._closed

    def add(self, task: Task) -> None:
        """From now on, what comes for its collections waits."""
        self._frontier.add(task.ticket, 1, task.size)
        with self._changed:
            self._tasks.append(task)
            for each in task.collections:
                self._closed.setdefault(each, []).append(task)
            self._changed.notify_all()

    def holds(self, collection: str, change: Change, ticket: Ticket) -> bool:
        """Whether the change has to wait, and does from now on."""
        with self._changed:
            waiting = self._closed.get(collection)
            if not waiting:
                return False
            self._frontier.add(ticket, 1, change.size)
            waiting[-1].followers.setdefault(collection, []).append((change, ticket))
            return True

    def next(self, stop: threading.Event) -> Task | None:
        """The task whose turn it is; None when told to end."""
        with self._changed:
            while not self._tasks:
                if stop.is_set():
                    return None
                self._changed.wait(0.2)
            return None if stop.is_set() else self._tasks[0]

    def done(self, task: Task) -> None:
        """It was carried out: what waited for it goes on."""
        with self._changed:
            self._tasks.popleft()
            # While the gate is still closed: whoever finds it open does not wait for us, and what he has is newer.
            for collection, followers in task.followers.items():
                self._release(collection, followers)
            for each in task.collections:
                self._closed[each].remove(task)
                if not self._closed[each]:
                    del self._closed[each]
        for followers in task.followers.values():
            for change, ticket in followers:
                self._frontier.done(ticket, change.size)
        self._frontier.done(task.ticket, task.size)
