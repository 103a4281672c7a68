"""How a process that serves is told to end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """The first SIGTERM or SIGINT leaves the block; the next one, while things are closed, ends the process at once."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def leave(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        raise SystemExit

    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is leave:
            for number, handler in before.items():
                signal.signal(number, handler)
