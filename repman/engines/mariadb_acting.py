"""The acting side of one server: statements of a step, each under the step's deadline.

An act must not outlive its step.  A statement that is not answered in time is killed from another connection;
values that would do harm late (opening a server) are set by statements that look at the server's own clock.
Nothing done here is written to a binary log: the acting session has ``sql_log_bin`` off.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from repman.engines.mariadb_observe import Look, LookReader, bare_query
from repman.engines.mysqldial import Dial, Target
from repman.engines.mysqlwire import Result, ServerSaid, Wire, WireClosed
from repman.errors import DeadlineExceeded, StepFailed
from repman.model.observation import Reach

OPENING = "SET SESSION sql_log_bin=0, autocommit=1, wait_timeout=120, lock_wait_timeout=5; SELECT @@version"
SLICE = 0.1
"""Seconds between two calls of `waiting`."""
KILL_TIME = 0.3
"""Most seconds that killing a stuck statement of ours may take."""


class NotReached(StepFailed):
    """No connection to the server could be made."""

    def __init__(self, reach: Reach, text: str) -> None:
        self.reach = reach
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Pace:
    """The time a step has, and whom it tells that it is still at work."""

    deadline: float
    """Monotonic seconds."""
    waiting: Callable[[], None] = field(repr=False)
    reserve: float = KILL_TIME
    """Seconds after the deadline that killing an unanswered statement may take."""

    @property
    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    def check(self, aim: str) -> None:
        """Raise DeadlineExceeded when the time is over; `aim` is what was waited for."""
        if time.monotonic() >= self.deadline:
            raise DeadlineExceeded(f"time is over, still waiting for {aim}")

    def pause(self, seconds: float, aim: str) -> None:
        """Wait a little between two looks at something nobody tells us of.  Raises DeadlineExceeded."""
        self.check(aim)
        self.waiting()
        time.sleep(min(seconds, self.left))

    def shortened(self, seconds: float) -> Pace:
        """The same, ending in `seconds` at the latest."""
        return Pace(min(self.deadline, time.monotonic() + seconds), self.waiting, self.reserve)


class Acting:
    """One acting connection at a time, made when needed and kept for the next step."""

    def __init__(self, target: Target, account: tuple[str, str], connect_timeout: float) -> None:
        self.target = target
        self._account = account
        self._connect_timeout = connect_timeout
        self._wire: Wire | None = None
        self._reader = LookReader()

    @property
    def session(self) -> int:
        """The server's number of the connection in use; 0 without one."""
        return self._wire.session if self._wire is not None else 0

    @property
    def asked(self) -> bool:
        """Whether a statement sent by `start` is still without its answer."""
        return self._wire is not None and self._wire.asked

    def connect(self, pace: Pace) -> None:
        """Have a connection that answers, new or kept.  Raises NotReached."""
        if self._wire is not None:
            try:
                await_answer(self._sent("SELECT 1"), pace.shortened(self._connect_timeout))
                return
            except (WireClosed, DeadlineExceeded):
                self.close()
        self._wire = self._dialled(pace)

    def run(self, statement: str, pace: Pace) -> list[Result]:
        """Run one statement (or several in one text).

        Raises ServerSaid, WireClosed, NotReached, and DeadlineExceeded after the statement was killed.
        """
        if self._wire is None:
            self.connect(pace)
        wire = self._sent(statement)
        try:
            return await_answer(wire, pace)
        except ServerSaid:
            raise
        except WireClosed:
            self.close()
            raise
        except DeadlineExceeded:
            self.abort(pace.reserve)
            raise DeadlineExceeded(f"time is over, the server has not answered {_shown(statement)}") from None
        except BaseException:  # raised by `waiting`: the step ends, so must its statement
            self.abort(pace.reserve)
            raise

    def start(self, statement: str) -> None:
        """Send a statement without waiting; `finished` tells when it is answered.  Raises WireClosed."""
        self._sent(statement)

    def finished(self, seconds: float) -> bool:
        """Wait up to `seconds` for the answer to what `start` sent.  Raises ServerSaid and WireClosed."""
        if self._wire is None or not self._wire.asked:
            return True
        try:
            return _poll(self._wire, seconds) is not None
        except WireClosed:
            self.close()
            raise

    def look(self, pace: Pace) -> Look:
        """The server's state, as a monitor's look reads it.  Raises what `run` raises, and ValueError."""
        return self._reader.read(self.run(bare_query(), pace))

    def value(self, expression: str, pace: Pace) -> str:
        """One value, NULL as the empty string.  Raises what `run` raises."""
        field_ = self.run(f"SELECT {expression}", pace)[0].rows[0][0]
        return "" if field_ is None else field_.decode()

    def abort(self, seconds: float) -> None:
        """Kill the statement in flight, so that it does not succeed later; drop the connection."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        session = wire.session
        pace = Pace(time.monotonic() + seconds, _nothing)
        try:
            other = self._dialled(pace)
            try:
                other.ask(f"KILL {session:d}".encode())
                await_answer(other, pace)
            finally:
                other.drop()
        except (StepFailed, ServerSaid, WireClosed):
            pass  # it does not answer anybody: nothing more can be done from here
        finally:
            wire.drop()

    def close(self) -> None:
        """Give the connection up."""
        if self._wire is not None:
            self._wire.drop()
            self._wire = None

    def _sent(self, statement: str) -> Wire:
        if self._wire is None:
            raise WireClosed("not connected")
        try:
            self._wire.ask(statement.encode())
        except WireClosed:
            self.close()
            raise
        return self._wire

    def _dialled(self, pace: Pace) -> Wire:
        limited = pace.shortened(self._connect_timeout)
        dial = Dial(self.target, self._account, OPENING, self._connect_timeout)
        try:
            while not dial.done and limited.left > 0:
                poller = select.poll()
                poller.register(*dial.waits_for())
                dial.advance(bool(poller.poll(min(SLICE, limited.left) * 1000)))
                pace.waiting()
        finally:
            if not dial.done:
                dial.abandon()
        if dial.wire is not None:
            return dial.wire
        raise NotReached(*(dial.failure or (Reach.SILENT, "no answer to the login in time")))


def await_answer(wire: Wire, pace: Pace) -> list[Result]:
    """The answer to what was asked on `wire`.  Raises ServerSaid, WireClosed and DeadlineExceeded."""
    while True:
        results = _poll(wire, min(SLICE, pace.left))
        if results is not None:
            return results
        pace.waiting()
        pace.check("an answer")


def _poll(wire: Wire, seconds: float) -> list[Result] | None:
    poller = select.poll()
    poller.register(wire.fileno(), select.POLLIN)
    if not poller.poll(seconds * 1000):
        return None
    answer = wire.receive()
    if answer is None:
        return None
    if answer.error is not None:
        raise answer.error
    return answer.results


def _nothing() -> None:
    """Nobody waits for this."""


def _shown(statement: str) -> str:
    """A statement as it may be shown: its first words, never a password."""
    words = statement.split()
    return " ".join(words[:4])[:60]
