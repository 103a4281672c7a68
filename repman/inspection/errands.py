"""Looks at servers, each in a thread of its own and within a deadline, a few at a time on each server.

Who waits is answered by the deadline, whatever holds the look up (a name that does not resolve, a server that trickles).
The place at the server is free again only when the thread has really ended: a frozen server holds a few threads and
never all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TypeVar

from repman.errors import LookFailed
from repman.inspection.session import Deadline, Target
from repman.state.turnstile import Turnstile

SECONDS = 3.0
"""What a look may take, connecting included."""
_WHOLE, _EACH = 48, 4
_SLACK = 0.1

T = TypeVar("T")


class Errands:
    """Runs looks."""

    def __init__(self) -> None:
        self._turnstile = Turnstile(_WHOLE, _EACH)

    def run(self, target: Target, work: Callable[[Deadline], T], seconds: float = SECONDS) -> T:
        """What `work` returns.  Raises LookFailed, also when the time is over or too many look at the server."""
        deadline = Deadline(seconds)
        future = self._start(target, work, deadline)
        try:
            return future.result(seconds + _SLACK)
        except FutureTimeout:
            raise LookFailed(
                f"{target.name} ({target.address}) gave {deadline.missed()}", "deadline", "timeout"
            ) from None
        finally:
            deadline.end()

    def run_all(self, works: Mapping[Target, Callable[[Deadline], T]], seconds: float = SECONDS) -> dict[Target, T]:
        """What each returned, all at the same time; those that failed are left out."""
        deadlines = {target: Deadline(seconds) for target in works}
        started: dict[Target, Future[T]] = {}
        for target, work in works.items():
            try:
                started[target] = self._start(target, work, deadlines[target])
            except LookFailed:
                continue
        done, _ = wait(started.values(), seconds + _SLACK)
        for deadline in deadlines.values():
            deadline.end()
        found = {target: future for target, future in started.items() if future in done}
        for future in found.values():
            error = future.exception()
            if error is not None and not isinstance(error, LookFailed):
                raise error
        return {target: future.result() for target, future in found.items() if future.exception() is None}

    def _start(self, target: Target, work: Callable[[Deadline], T], deadline: Deadline) -> Future[T]:
        if not self._turnstile.enter(target.key):
            raise LookFailed(
                f"{target.name} is being looked at by too many at once; try again in a second", "busy", "refused"
            )
        future: Future[T] = Future()

        def go() -> None:
            try:
                future.set_result(work(deadline))
            except Exception as error:  # noqa: BLE001 - it is raised again where the result is taken
                future.set_exception(error)
            finally:
                self._turnstile.leave(target.key)

        threading.Thread(target=go, name=f"look {target.address}", daemon=True).start()
        return future
