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
        made.append(Supervisor(lambda: specs, **more))  # type: ignore[arg-type]
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


def running(supervisor: Supervisor) -> dict[str, int]:
    supervisor.turn()
    return supervisor.pids()


@pytest.fixture
def changing() -> Iterator[tuple[Supervisor, list[ChildSpec]]]:
    """A supervisor, and the children that it should have, which a test may change."""
    wanted = [ChildSpec("one", SLEEPER), ChildSpec("two", SLEEPER, made_for="a source")]
    supervisor = Supervisor(lambda: list(wanted))
    supervisor.start()
    yield supervisor, wanted
    supervisor.stop()


def test_a_child_that_is_wanted_later_is_started(changing: tuple[Supervisor, list[ChildSpec]]) -> None:
    supervisor, wanted = changing
    before = supervisor.pids()
    wanted.insert(1, ChildSpec("between", SLEEPER))
    after = running(supervisor)
    assert list(after) == ["one", "between", "two"]
    assert before.items() <= after.items()


def test_a_child_that_is_wanted_no_more_is_ended_and_nobody_waits_for_it(
    changing: tuple[Supervisor, list[ChildSpec]], tmp_path: Path
) -> None:
    supervisor, wanted = changing
    ready = tmp_path / "ready"
    wanted.append(ChildSpec("deaf", (*STUBBORN, str(ready)), grace=0.3))
    deaf = running(supervisor)["deaf"]
    until(ready.exists)
    del wanted[1:]
    assert running(supervisor)["deaf"] == deaf, "it is asked, and has its time"
    until(lambda: list(running(supervisor)) == ["one"])
    assert not alive(deaf)


def test_a_child_that_is_wanted_otherwise_is_started_anew(changing: tuple[Supervisor, list[ChildSpec]]) -> None:
    supervisor, wanted = changing
    before = supervisor.pids()
    wanted[1] = ChildSpec("two", SLEEPER, made_for="another source")
    until(lambda: running(supervisor).get("two", before["two"]) != before["two"])
    after = supervisor.pids()
    assert after["one"] == before["one"]
    assert not alive(before["two"])
    assert running(supervisor) == after


def test_a_child_that_keeps_dying_is_started_at_once_when_it_is_wanted_otherwise() -> None:
    wanted = [ChildSpec("one", (sys.executable, "-c", "raise SystemExit(1)"))]
    supervisor = Supervisor(lambda: list(wanted), backoff=Backoff(first=1000.0, longest=1000.0))
    supervisor.start()
    until(lambda: not running(supervisor) and supervisor.turn() > 900)
    wanted[0] = ChildSpec("one", SLEEPER)
    try:
        assert list(running(supervisor)) == ["one"]
    finally:
        supervisor.stop()


def test_neighbours_of_one_group_are_ended_together(
    supervise: Callable[..., Supervisor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each says that it is asked to end, and ends when the other one has been asked, too."""
    one_of_two = (
        sys.executable,
        "-c",
        "import os, signal, sys, time\n"
        "mine, other = sys.argv[1:]\n"
        "def asked(*_):\n"
        "    open(mine, 'w').close()\n"
        "    while not os.path.exists(other): time.sleep(0.01)\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, asked)\n"
        "open(mine + '.ready', 'w').close()\n"
        "while True: time.sleep(60)",
    )
    files = [str(tmp_path / name) for name in ("one", "two")]
    specs = [
        ChildSpec(name, (*one_of_two, mine, other), grace=10.0, group="both")
        for name, mine, other in (("one", *files), ("two", *reversed(files)))
    ]
    supervisor = supervise(*specs)
    supervisor.start()
    until(lambda: all(Path(f"{file}.ready").exists() for file in files))
    supervisor.stop()
    assert supervisor.pids() == {}
    assert "killed" not in caplog.text


PARENT = """
import sys
from repman.cli.supervisor import ChildSpec, Supervisor, run
child = "import sys, time, os\\n" \\
    "from repman.cli.supervisor import end_with_supervisor\\n" \\
    "assert end_with_supervisor()\\n" \\
    "open(sys.argv[1] + '.new', 'w').write(str(os.getpid()))\\n" \\
    "os.rename(sys.argv[1] + '.new', sys.argv[1])\\n" \\
    "time.sleep(60)"
run(Supervisor(lambda: [ChildSpec("one", (sys.executable, "-c", child, sys.argv[1]))]))
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
