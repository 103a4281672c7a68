"""Keeps a few child processes alive, and ends with them.

It knows nothing of what they do.  A child that dies is started again at once, and later and later when it
keeps dying.  Which children there are may change: one that is wanted no more is ended, one that is wanted otherwise is
ended and started anew, and nobody waits for either.  Children run in sessions of their own, so that a signal from the terminal reaches the supervisor
alone and the order of stopping is kept.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from repman.clock import Clock, SystemClock

SUPERVISOR_VARIABLE = "REPMAN_SUPERVISOR"
"""Environment variable that tells a child which process it must not outlive."""

_LOOK = 1.0
"""Seconds between looks whether other children are wanted, while nothing else happens."""
_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep alive."""

    name: str
    argv: tuple[str, ...]
    grace: float = 5.0
    """Seconds between asking it to end and killing it."""
    group: str = ""
    """Neighbours of one group are ended together; without one a child is ended alone."""
    made_for: object = field(default=None, repr=False)
    """What it was told by other ways than its arguments: when that changes, it has to start anew."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a child that died is started again."""

    first: float = 0.2
    """After the second death in a row; the first one costs no wait."""
    longest: float = 5.0
    settled: float = 20.0
    """Seconds of life after which earlier deaths are forgotten."""

    def wait(self, deaths: int) -> float:
        """Seconds to wait after that many deaths in a row (1 is the first)."""
        return 0.0 if deaths <= 1 else min(self.longest, self.first * float(2 ** min(deaths - 2, 30)))


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    due: float = 0.0
    wanted: ChildSpec | None = None
    """What it should be; None: nothing, it is being ended."""
    kill_at: float | None = None
    """When one that was asked to end is killed."""


@dataclass(slots=True)
class Supervisor:
    """The children, in the order in which they are started; they are stopped in the reverse order."""

    wanted: Callable[[], Sequence[ChildSpec]]
    """Which children there should be now; asked at every turn, so it must not take long."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    backoff: Backoff = Backoff()
    clock: Clock = field(default_factory=SystemClock)
    on_death: Callable[[str, int], None] = lambda name, pid: None
    """Called with name and process id of a child that ended."""
    on_hangup: Callable[[], None] = lambda: None
    """Called on SIGHUP; must not take long, as nobody looks after the children meanwhile."""
    _children: list[_Child] = field(default_factory=list)

    def start(self) -> None:
        """Start every child.  For the main thread only: children end with the thread that made them."""
        self.turn()

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run, by name."""
        return {child.spec.name: child.process.pid for child in self._children if child.process}

    def turn(self) -> float:
        """Notice deaths, end what is not wanted, start what is due; returns the seconds until more is due, or an hour."""
        self._adopt(self.wanted())
        for child in list(self._children):
            if child.process is not None and child.process.poll() is not None:
                self._bury(child)
            if child.process is not None and child.kill_at is not None and child.kill_at <= self.clock.now():
                self._kill(child)
            if child.process is None and child.wanted is None:
                self._children.remove(child)
            elif child.process is None and child.due <= self.clock.now():
                self._spawn(child)
        now = self.clock.now()
        waits = [child.due - now for child in self._children if child.process is None]
        waits += [child.kill_at - now for child in self._children if child.kill_at is not None]
        return max(0.0, min(waits, default=3600.0))

    def stop(self) -> None:
        """End the children one group after the other, last started first; kill one that outlives its grace."""
        alive = [child for child in reversed(self._children) if child.process is not None]
        for _, group in groupby(alive, key=lambda child: child.spec.group or child.spec.name):
            ending = list(group)
            for child in ending:
                self._ask_to_end(child)
            for child in ending:
                self._await_end(child)
        self._children = []

    def _await_end(self, child: _Child) -> None:
        assert child.process is not None
        assert child.kill_at is not None
        try:
            child.process.wait(max(0.0, child.kill_at - self.clock.now()))
        except subprocess.TimeoutExpired:
            self._kill(child)
        self._bury(child)

    def _adopt(self, wanted: Sequence[ChildSpec]) -> None:
        known = {child.spec.name: child for child in self._children}
        self._children = [known.pop(spec.name) if spec.name in known else _Child(spec) for spec in wanted]
        for child, spec in zip(self._children, wanted, strict=True):
            child.wanted = spec
        # Those that are left end after all that is wanted was started, and first when everything ends.
        for child in known.values():
            child.wanted = None
            self._children.append(child)
        for child in self._children:
            if child.wanted != child.spec:
                if child.process is not None:
                    self._ask_to_end(child)
                else:
                    # It died as what it was: nothing is known of what it is to be.
                    child.deaths, child.due = 0, 0.0

    def _ask_to_end(self, child: _Child) -> None:
        assert child.process is not None
        if child.kill_at is None:
            child.process.terminate()
            child.kill_at = self.clock.now() + child.spec.grace

    def _kill(self, child: _Child) -> None:
        assert child.process is not None
        told = "killed child=%s reason=still there %.0f s after SIGTERM"
        _log.warning(told, child.spec.name, child.spec.grace)
        child.process.kill()
        child.process.wait()

    def _spawn(self, child: _Child) -> None:
        child.spec = child.wanted or child.spec
        environment = {**self.environment, SUPERVISOR_VARIABLE: str(os.getpid())}
        child.started = self.clock.now()
        try:
            child.process = subprocess.Popen(
                child.spec.argv, stdin=subprocess.DEVNULL, start_new_session=True, env=environment
            )
        except OSError as error:
            self._dead(child, f"could not be started: {error}")
            return
        _log.info("started child=%s pid=%d", child.spec.name, child.process.pid)

    def _bury(self, child: _Child) -> None:
        assert child.process is not None
        pid, code = child.process.pid, child.process.returncode
        child.process = None
        self.on_death(child.spec.name, pid)
        if child.kill_at is not None:
            _log.info("stopped child=%s pid=%d", child.spec.name, pid)
            child.kill_at, child.deaths, child.due = None, 0, 0.0
            return
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._dead(child, f"pid={pid} {how}")

    def _dead(self, child: _Child, how: str) -> None:
        now = self.clock.now()
        child.deaths = 1 if now - child.started >= self.backoff.settled else child.deaths + 1
        wait = self.backoff.wait(child.deaths)
        child.due = now + wait
        _log.error("died child=%s %s again_in=%.1f deaths_in_a_row=%d", child.spec.name, how, wait, child.deaths)


@contextlib.contextmanager
def listening(*wanted: signal.Signals) -> Iterator[Callable[[float], list[signal.Signals]]]:
    """While the block runs those signals are collected; yields ``wait(seconds) -> signals that came``."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    old_handlers = {number: signal.signal(number, lambda *_: None) for number in wanted}
    old_wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def wait(seconds: float) -> list[signal.Signals]:
        poll = select.poll()
        poll.register(read, select.POLLIN)
        if not poll.poll(max(0.0, seconds) * 1000.0):
            return []
        return [signal.Signals(number) for number in os.read(read, 512)]

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(old_wakeup)
        for number, handler in old_handlers.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


def run(supervisor: Supervisor) -> None:
    """Supervise until SIGTERM or SIGINT comes, then stop the children in order."""
    ends = {signal.SIGTERM, signal.SIGINT}
    with listening(signal.SIGCHLD, signal.SIGHUP, *ends) as wait:
        supervisor.start()
        try:
            while True:
                came = wait(min(_LOOK, supervisor.turn()))
                if signal.SIGHUP in came:
                    _log.info("SIGHUP noted: the configuration is read again; log files are reopened by themselves")
                    supervisor.on_hangup()
                if ended := ends.intersection(came):
                    _log.info("stopping signal=%s", min(ended).name)
                    return
        finally:
            supervisor.stop()


def end_with_supervisor() -> bool:
    """In a child: ask the kernel to end this process (SIGTERM) when its supervisor dies, however it dies.

    Returns False, and does nothing, in a process that nobody supervises.  Linux only (PR_SET_PDEATHSIG of
    prctl); the setting belongs to this process and is not passed on to what it starts.
    """
    told = os.environ.pop(SUPERVISOR_VARIABLE, "")
    if not told.isdigit():
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) != 0:
        _log.warning("prctl failed errno=%d: this process may outlive a killed supervisor", ctypes.get_errno())
    if os.getppid() != int(told):
        raise SystemExit("repman: the supervisor is gone already")
    return True
