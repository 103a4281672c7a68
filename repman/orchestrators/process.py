"""Processes that are nobody's children: found, started and ended safely.

A pid file is a hint, never an identity: a process is ours only when its command line says so, and a signal
goes through a descriptor of exactly that process, so that a reused pid never hits a stranger.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from repman.errors import SandboxError

_APPEARS = 2.0
_LAUNCH_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells our process from all others: its program's name and arguments that nobody else would use."""

    programs: frozenset[str]
    arguments: tuple[str, ...]
    """Among them one with an absolute path of ours in it."""

    def owns(self, pid: int) -> bool:
        """Whether that pid is, right now, such a process (a zombie is not)."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        program = os.fsdecode(words[0]).rpartition("/")[2]
        return program in self.programs and all(os.fsencode(each) in words[1:] for each in self.arguments)


def find(mark: Mark, pid_file: Path) -> int | None:
    """The pid of our process, by its pid file when that is right, else by looking at all processes."""
    hinted = read_pid(pid_file)
    if hinted is not None and mark.owns(hinted):
        return hinted
    return next(iter(find_all(mark)), None)


def find_all(mark: Mark) -> tuple[int, ...]:
    """The pids of all processes with that mark; more than one only when somebody started it twice."""
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())
    return tuple(pid for pid in pids if mark.owns(pid))


def frozen(mark: Mark) -> bool:
    """Whether a process with that mark was stopped by a signal and can do nothing."""
    return any(_stat(pid)[0] == "T" for pid in find_all(mark))


def alone(mark: Mark, pid: int) -> bool:
    """Whether that process is ours, and all others with its mark are its children."""
    return mark.owns(pid) and all(_stat(other)[1] == str(pid) for other in find_all(mark) if other != pid)


def _stat(pid: int) -> tuple[str, str]:
    """State and parent of a process, empty when it is gone."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return "", ""
    return state, parent


def read_pid(path: Path) -> int | None:
    """The number in a pid file, or None when there is none."""
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def end(mark: Mark, how: signal.Signals, timeout: float) -> bool:
    """Send that signal to every process with that mark and wait until they are gone.

    Returns False when one still lives after `timeout` seconds.  Raises SandboxError when the signal is
    not allowed.
    """
    deadline = time.monotonic() + timeout
    while pids := find_all(mark):
        ended = [_end_one(mark, pid, how, deadline) for pid in pids]
        if not all(ended):
            return False
    return True


def _end_one(mark: Mark, pid: int, how: signal.Signals, deadline: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if not mark.owns(pid):
            return True
        signal.pidfd_send_signal(descriptor, how)
        if how is not signal.SIGKILL:
            signal.pidfd_send_signal(descriptor, signal.SIGCONT)
        # poll, because select knows no descriptor above 1023.
        gone = select.poll()
        gone.register(descriptor, select.POLLIN)
        return bool(gone.poll(1000 * max(0.0, deadline - time.monotonic())))
    except ProcessLookupError:
        return True
    except PermissionError as error:
        raise SandboxError(
            f"process {pid} ({' '.join(mark.arguments)}) belongs to another user; act as that user or as root"
        ) from error
    finally:
        os.close(descriptor)


def spawn(argv: Sequence[str], mark: Mark, pid_file: Path, log: Path) -> int:
    """Start a process in a session of its own, adopted by init, with `log` as its output; returns its pid.

    Does not wait until it is of use.  Raises SandboxError when it does not even come into being.
    """
    with open(log, "ab") as output:
        command = ["setsid", "--fork", *argv]
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=clean_environment(),
                check=True,
                timeout=_APPEARS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SandboxError(f"cannot start {argv[0]}: {error}") from error
    return _appeared(argv[0], mark, pid_file, lambda: f"{log} ends with: {tail(log)}")


def _appeared(program: str, mark: Mark, pid_file: Path, words: Callable[[], str]) -> int:
    deadline = time.monotonic() + _APPEARS
    while (pid := find(mark, pid_file)) is None:
        if time.monotonic() > deadline:
            raise SandboxError(f"{program} ended as soon as it was started; {words()}")
        time.sleep(0.002)
    return pid


def launch(argv: Sequence[str], mark: Mark, pid_file: Path) -> int:
    """Start a program that goes to the background by itself; returns its pid.

    Raises SandboxError with the program's own words when it refuses.
    """
    try:
        ran = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=clean_environment(),
            timeout=_LAUNCH_LIMIT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(f"cannot start {argv[0]}: {error}") from error
    if ran.returncode != 0:
        raise SandboxError(f"{argv[0]} refused to start: {' | '.join(ran.stderr.splitlines()[-5:])}")
    return _appeared(argv[0], mark, pid_file, lambda: "it gave no reason")


def clean_environment() -> dict[str, str]:
    """The few variables a server process is given."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log, for error messages."""
    try:
        text = log.read_bytes()[-4000:].decode(errors="replace")
    except OSError as error:
        return str(error)
    return " | ".join(text.splitlines()[-lines:]) or "nothing"
