"""The course of one running job: what it tells of itself, and how it is stopped.

A job's thread reports steps and bytes here and starts its programs through here.  Who cancels it, or finds that
nothing has moved for too long, ends those programs: the thread then meets a closed pipe, and `check` tells it why.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from repman.errors import JobCancelled, JobFailed

STALL = 600.0
"""Seconds without any movement after which a step is given up, unless it says otherwise."""
_ENDS = 10.0
"""Seconds that an ended program has to be gone."""
_TAIL = 8000
_PIPE_BROKE = (-signal.SIGPIPE, 128 + signal.SIGPIPE)


@dataclass(slots=True)
class Child:
    """A program started for a job."""

    name: str
    process: subprocess.Popen[bytes]
    words: IO[bytes]
    """What it writes to its standard error."""

    def tail(self, lines: int = 4) -> str:
        """The last lines of what it said."""
        return " | ".join(self.said().splitlines()[-lines:]) or "it gave no reason"

    def said(self, most: int = _TAIL) -> str:
        """The end of what it said."""
        size = self.words.seek(0, os.SEEK_END)
        self.words.seek(max(0, size - most))
        return self.words.read().decode(errors="replace")


class Course:
    """Shared by a job's own thread, who cancels it, and the clock that watches over all jobs."""

    def __init__(self, scratch: Path) -> None:
        """`scratch`: a private directory in which the job may keep small files; removed at its end."""
        self.scratch = scratch
        self.step_text = ""
        self.bytes_done = 0
        self.bytes_total = 0
        self.harm = ""
        """What is broken until the job ends well, in words; empty while it can end without a trace."""
        self._stop = threading.Event()
        self._why: JobFailed | None = None
        self._children: list[Child] = []
        self._told: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._moved_at = time.monotonic()
        self.stall = STALL
        self._measure: Callable[[], int] | None = None

    def step(self, text: str, total: int = 0, stall: float = STALL, measure: Callable[[], int] | None = None) -> None:
        """Begin a step: what it does, how many bytes it moves when that is known, how long it may stand still.

        `measure` tells the bytes moved so far where the job's own thread does not see them pass.  Raises JobFailed
        when the job was told to end.
        """
        self.check()
        self._measure = None
        self.step_text, self.bytes_done, self.bytes_total = text, 0, total
        self.stall, self._measure = stall, measure
        self._moved_at = time.monotonic()

    def moved(self, count: int) -> None:
        """So many bytes more have gone through.  Raises JobFailed when the job was told to end."""
        self.bytes_done += count
        self._moved_at = time.monotonic()
        if self._stop.is_set():
            self.check()

    def check(self) -> None:
        """Raise JobFailed when the job was told to end."""
        if self._why is not None:
            raise self._why

    def wait(self, seconds: float) -> None:
        """Wait, or end at once when the job is told to.  Raises JobFailed."""
        self._stop.wait(seconds)
        self.check()

    def cancel(self, sentence: str) -> None:
        """Tell the job to end: `sentence` says who asked."""
        self.end(JobCancelled(sentence))

    def end(self, why: JobFailed) -> None:
        """Tell the job to end, and end its programs."""
        with self._lock:
            if self._why is None:
                self._why = why
            self._stop.set()
            for child in self._children:
                _signal(child.process, signal.SIGTERM)
            told, self._told = self._told, []
        for each in told:
            each()

    def look(self) -> None:
        """Called by the clock: measure, and end what stands still or does not end by itself."""
        measure = self._measure
        if measure is not None:
            with contextlib.suppress(OSError, ValueError):
                if (seen := measure()) != self.bytes_done:
                    self.bytes_done, self._moved_at = seen, time.monotonic()
        if self._why is None and time.monotonic() > self._moved_at + self.stall:
            self.end(JobFailed(f"nothing has moved for {self.stall:.0f} s while it was busy with: {self.step_text}"))
        elif self._why is not None:
            with self._lock:
                for child in self._children:
                    _signal(child.process, signal.SIGKILL)

    def start(
        self,
        argv: Sequence[str],
        *,
        stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] = subprocess.DEVNULL,
        cwd: Path | None = None,
    ) -> Child:
        """Start a program that ends with this job.  Raises JobFailed."""
        # It must not live on, and write on, when the worker is killed.
        guard = shutil.which("setpriv")
        command = [guard, "--pdeathsig", "KILL", *argv] if guard else list(argv)
        with self._lock:
            self.check()
            words = tempfile.TemporaryFile(dir=self.scratch)  # noqa: SIM115 - lives as long as its program
            try:
                process = subprocess.Popen(
                    command,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=words,
                    cwd=cwd or self.scratch,
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
                    start_new_session=True,
                )
            except OSError as error:
                words.close()
                raise JobFailed(f"{argv[0]} cannot be started: {error}") from error
            child = Child(Path(argv[0]).name, process, words)
            self._children.append(child)
        return child

    @contextlib.contextmanager
    def when_told(self, callback: Callable[[], None]) -> Iterator[None]:
        """While the block runs, call this once if the job is told to end.  Raises JobFailed when it was already."""
        with self._lock:
            self.check()
            self._told.append(callback)
        try:
            yield
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._told.remove(callback)

    def version_of(self, program: str) -> str:
        """What a program calls its version; empty when it does not say."""
        with self.programs():
            child = self.start([program, "--version"], stdout=subprocess.PIPE)
            out = child.process.communicate(timeout=_ENDS)[0].decode(errors="replace")
            return (out.strip() or child.said().strip()).splitlines()[0] if out.strip() or child.said() else ""

    @contextlib.contextmanager
    def programs(self) -> Iterator[None]:
        """A block at whose end no program started in it runs any more."""
        known = len(self._children)
        try:
            yield
        finally:
            with self._lock:
                mine, self._children[known:] = self._children[known:], []
            for child in mine:
                _end(child)

    def finish(self, *children: Child) -> None:
        """Wait until these have ended, all of them well.  Raises JobFailed with the words of one that did not."""
        codes = [child.process.wait() for child in children]
        self.check()
        # The one that broke the pipe complains about something; its neighbours only about the pipe.
        bad = [child for child, code in zip(children, codes, strict=True) if code]
        bad.sort(key=lambda child: child.process.returncode in _PIPE_BROKE or "errno 32" in child.said())
        if bad:
            raise JobFailed(f"{bad[0].name} ended with {bad[0].process.returncode}: {bad[0].tail()}")


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def _end(child: Child) -> None:
    for pipe in (child.process.stdin, child.process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        if child.process.poll() is None:
            child.process.terminate()
            child.process.wait(_ENDS / 2)
    except subprocess.TimeoutExpired:
        child.process.kill()
        child.process.wait(_ENDS)
    finally:
        child.words.close()
