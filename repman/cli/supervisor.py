"""Keeps a few child processes alive, and ends with them.

It knows nothing of what they do.  A child that dies is started again at once, and later and later when it
keeps dying.  Children run in sessions of their own, so that a signal from the terminal reaches the supervisor
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

from repman.clock import Clock, SystemClock

SUPERVISOR_VARIABLE = "REPMAN_SUPERVISOR"
"""Environment variable that tells a child which process it must not outlive."""

_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep alive."""

    name: str
    argv: tuple[str, ...]
    grace: float = 5.0
    """Seconds between asking it to end and killing it."""


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


@dataclass(slots=True)
class Supervisor:
    """The children, in the order in which they are started; they are stopped in the reverse order."""

    specs: Sequence[ChildSpec]
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
        self._children = [_Child(spec) for spec in self.specs]
        self.turn()

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run, by name."""
        return {child.spec.name: child.process.pid for child in self._children if child.process}

    def turn(self) -> float:
        """Notice deaths, start what is due; returns the seconds until the next start is due, or an hour."""
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._bury(child)
            if child.process is None and child.due <= self.clock.now():
                self._spawn(child)
        waits = [child.due - self.clock.now() for child in self._children if child.process is None]
        return max(0.0, min(waits, default=3600.0))

    def stop(self) -> None:
        """End the children one after the other, last started first; kill one that outlives its grace."""
        for child in reversed(self._children):
            if child.process is None:
                continue
            child.process.terminate()
            try:
                child.process.wait(child.spec.grace)
            except subprocess.TimeoutExpired:
                _log.warning(
                    "killed child=%s reason=still there %.0f s after SIGTERM",
                    child.spec.name,
                    child.spec.grace,
                )
                child.process.kill()
                child.process.wait()
            _log.info("stopped child=%s pid=%d", child.spec.name, child.process.pid)
            self.on_death(child.spec.name, child.process.pid)
            child.process = None
        self._children = []

    def _spawn(self, child: _Child) -> None:
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
                came = wait(supervisor.turn())
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
