"""The frontier never passes what is not applied; gates hold up what must wait, and nothing else."""

from __future__ import annotations

import random
import threading

from bson import Timestamp

from repman.link.changes import Change, Kind
from repman.link.frontier import Frontier, Place, Ticket
from repman.link.gates import Gates, Task


def place(number: int) -> Place:
    return Place(Timestamp(number, 0), b"%d" % number)


def change(key: int) -> Change:
    return Change(Kind.DELETE, b"c", b"%d" % key, (b"",), 10)


def test_it_stands_before_the_first_that_is_open() -> None:
    rng = random.Random(1)
    for _ in range(300):
        frontier = Frontier(place(0))
        tickets, left = [], []
        for number in range(1, 8):
            ticket = frontier.issue(place(number), number)
            parts = rng.randrange(4)
            for _ in range(parts):
                frontier.add(ticket, 1, 5)
            tickets.append(ticket)
            left += [ticket] * (parts + 1)
        rng.shuffle(left)
        while left:
            frontier.done(left.pop(), 0)
            unfinished = [number for number, ticket in enumerate(tickets, 1) if ticket in left]
            reached = (min(unfinished) if unfinished else 8) - 1
            assert frontier.place == place(reached)
            assert frontier.applied == sum(range(1, reached + 1))
        assert frontier.read == frontier.applied == sum(range(1, 8))


def test_who_reads_waits_for_room_until_told_to_stop() -> None:
    frontier, stop = Frontier(place(0)), threading.Event()
    ticket = frontier.issue(place(1), 1)
    frontier.add(ticket, 1, 100)
    frontier.wait_for_room(100, stop)
    waiting = threading.Thread(target=frontier.wait_for_room, args=(99, stop))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    frontier.done(ticket, 100)
    waiting.join(5)
    assert not waiting.is_alive()
    stop.set()
    frontier.add(ticket, 1, 100)
    frontier.wait_for_room(0, stop)
    frontier.wait_until_applied(stop)


class Kept:
    """Gates, and what they have let through."""

    def __init__(self) -> None:
        self.frontier = Frontier(place(0))
        self.released: list[tuple[str, list[bytes]]] = []
        self.gates = Gates(
            self.frontier, lambda name, found: self.released.append((name, [each.key for each, _ in found]))
        )

    def task(self, ticket: Ticket, *collections: str) -> Task:
        made = Task(frozenset(collections), ticket, lambda: None)
        self.gates.add(made)
        return made


def test_only_what_a_task_concerns_waits_for_it() -> None:
    kept, stop = Kept(), threading.Event()
    assert kept.gates.open
    ticket = kept.frontier.issue(place(1), 4)
    task = kept.task(ticket, "a", "b")
    assert kept.gates.holds("a", change(1), ticket)
    assert not kept.gates.holds("c", change(2), ticket)
    assert kept.gates.holds("a", change(3), ticket)
    kept.frontier.done(ticket)
    assert kept.frontier.place == place(0), "neither the task nor what waits for it is done"
    assert kept.gates.next(stop) is task
    kept.gates.done(task)
    assert kept.released == [("a", [b"1", b"3"])]
    assert kept.gates.open
    assert kept.frontier.place == place(1)


def test_what_comes_between_two_tasks_is_done_between_them() -> None:
    kept, stop = Kept(), threading.Event()
    ticket = kept.frontier.issue(place(1), 3)
    first, second = kept.task(ticket, "a"), None
    assert kept.gates.holds("a", change(1), ticket)
    second = kept.task(ticket, "a", "b")
    assert kept.gates.holds("a", change(2), ticket)
    assert kept.gates.holds("b", change(3), ticket)
    assert kept.gates.next(stop) is first
    kept.gates.done(first)
    assert kept.released == [("a", [b"1"])]
    assert kept.gates.holds("a", change(4), ticket), "the second one has not run"
    assert kept.gates.next(stop) is second
    kept.gates.done(second)
    assert kept.released[1:] == [("a", [b"2", b"4"]), ("b", [b"3"])]
    stop.set()
    assert kept.gates.next(stop) is None


def test_the_gate_is_closed_until_everything_that_waited_has_gone_through() -> None:
    """Who finds it open hands over at once what follows in the stream, and must not come before what has waited."""
    frontier = Frontier(place(0))
    seen: list[bool] = []
    gates = Gates(frontier, lambda name, found: seen.append(gates.open))
    ticket = frontier.issue(place(1), 2)
    task = Task(frozenset({"a", "b"}), ticket, lambda: None)
    gates.add(task)
    assert gates.holds("a", change(1), ticket)
    assert gates.holds("b", change(2), ticket)
    gates.done(task)
    assert seen == [False, False]
    assert gates.open
