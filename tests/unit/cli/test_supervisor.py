"""The supervisor with trivial children: real processes, no repman in them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repman.cli.supervisor import Backoff, ChildSpec, Supervisor

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "open(sys.argv[1], 'w').close(); time.sleep(60)",
)


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


@pytest.fixture
def supervise() -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(*specs: ChildSpec, **more: object) -> Supervisor:
        made.append(Supervisor(specs, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def test_a_dead_child_is_started_again_at_once(supervise: Callable[..., Supervisor]) -> None:
    deaths: list[tuple[str, int]] = []
    supervisor = supervise(ChildSpec("one", SLEEPER), on_death=lambda name, pid: deaths.append((name, pid)))
    supervisor.start()
    first = supervisor.pids()["one"]
    os.kill(first, signal.SIGKILL)
    until(lambda: not alive(first))
    supervisor.turn()
    assert supervisor.pids()["one"] != first
    assert deaths == [("one", first)]


def test_a_child_that_keeps_dying_is_started_later_and_later(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(
        ChildSpec("one", (sys.executable, "-c", "raise SystemExit(1)")),
        backoff=Backoff(first=30.0, longest=50.0),
    )
    supervisor.start()
    for _ in range(2):
        pid = supervisor.pids()["one"]
        until(lambda pid=pid: not alive(pid))  # type: ignore[misc]
        wait = supervisor.turn()
    assert supervisor.pids() == {}
    assert 25.0 < wait <= 30.0


def test_backoff_grows_to_its_limit_and_starts_with_nothing() -> None:
    backoff = Backoff(first=0.2, longest=1.0)
    assert [backoff.wait(deaths) for deaths in (1, 2, 3, 4, 5, 1000)] == [0.0, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_program_that_does_not_exist_is_tried_again_later(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(ChildSpec("one", ("/no/such/program",)), backoff=Backoff(first=4.0))
    supervisor.start()
    supervisor.turn()
    assert supervisor.pids() == {}
    assert 3.0 < supervisor.turn() <= 4.0


def test_children_are_stopped_in_reverse_order(supervise: Callable[..., Supervisor]) -> None:
    ended: list[str] = []
    supervisor = supervise(
        ChildSpec("one", SLEEPER),
        ChildSpec("two", SLEEPER),
        on_death=lambda name, pid: ended.append(name),
    )
    supervisor.start()
    pids = supervisor.pids()
    supervisor.stop()
    assert ended == ["two", "one"]
    assert not any(alive(pid) for pid in pids.values())


def test_a_child_that_does_not_listen_is_killed(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    supervisor = supervise(ChildSpec("deaf", (*STUBBORN, str(ready)), grace=0.2))
    supervisor.start()
    pid = supervisor.pids()["deaf"]
    until(ready.exists)
    supervisor.stop()
    assert not alive(pid)


PARENT = """
import sys
from repman.cli.supervisor import ChildSpec, Supervisor, run
child = "import sys, time, os\\n" \\
    "from repman.cli.supervisor import end_with_supervisor\\n" \\
    "assert end_with_supervisor()\\n" \\
    "open(sys.argv[1] + '.new', 'w').write(str(os.getpid()))\\n" \\
    "os.rename(sys.argv[1] + '.new', sys.argv[1])\\n" \\
    "time.sleep(60)"
run(Supervisor([ChildSpec("one", (sys.executable, "-c", child, sys.argv[1]))]))
"""


@contextlib.contextmanager
def parent_with_child(file: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(file)], start_new_session=True)
    try:
        until(file.exists)
        child = int(file.read_text())
        assert alive(child)
        yield parent, child
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not alive(child))


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with parent_with_child(tmp_path / "child") as (parent, child):
        parent.kill()
        parent.wait()
        until(lambda: not alive(child), seconds=3.0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_supervisor_and_its_children(tmp_path: Path, number: signal.Signals) -> None:
    with parent_with_child(tmp_path / "child") as (parent, child):
        parent.send_signal(number)
        assert parent.wait(10) == 0
        assert not alive(child)


def test_hangup_is_noted_and_changes_nothing(tmp_path: Path) -> None:
    with parent_with_child(tmp_path / "child") as (parent, child):
        parent.send_signal(signal.SIGHUP)
        parent.send_signal(signal.SIGCHLD)
        with pytest.raises(subprocess.TimeoutExpired):
            parent.wait(0.3)
        assert alive(child)


def test_a_killed_child_of_a_running_supervisor_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "child"
    with parent_with_child(file) as (_, child):
        file.unlink()
        os.kill(child, signal.SIGKILL)
        until(file.exists)
        again = int(file.read_text())
        assert again != child
        assert alive(again)
    until(lambda: not alive(again))
