"""Events that work looks at to know how long it goes on."""

from __future__ import annotations

import threading

from repman.mongo.stopping import AnyOf, Every, Once


def test_any_of_is_set_with_one_of_them_and_sets_none() -> None:
    first, second = threading.Event(), threading.Event()
    both = AnyOf(first, second)
    assert not both.is_set()
    assert not both.wait(0.01)
    second.set()
    assert both.is_set()
    assert both.wait()
    own = AnyOf(first)
    own.set()
    assert own.wait()
    assert not first.is_set()


def test_once_needs_the_event_and_the_condition() -> None:
    event, reached = threading.Event(), threading.Event()
    both = Once(event, reached.is_set)
    assert not both.is_set()
    event.set()
    assert not both.is_set()
    assert not both.wait(0.01)
    reached.set()
    assert both.is_set()
    assert both.wait()
    event.clear()
    assert not both.is_set()


def test_once_wakes_who_waits_for_any_of_them() -> None:
    event, reached = threading.Event(), threading.Event()
    woken = threading.Event()
    ending = AnyOf(Once(event, reached.is_set), threading.Event())

    def wait() -> None:
        ending.wait()
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    event.set()
    reached.set()
    assert woken.wait(10)
    thread.join()


def test_every_calls_again_and_again_and_not_after_its_end() -> None:
    calls = threading.Semaphore(0)
    every = Every(0.001, lambda: calls.release(), "again")
    for _ in range(3):
        assert calls.acquire(timeout=10)
    every.end()
    while calls.acquire(blocking=False):
        pass
    assert not calls.acquire(timeout=0.05)
