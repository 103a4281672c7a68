from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from repman.cli.exits import AlreadyRunning
from repman.cli.pidfile import claim, forget, holder
from repman.errors import ConfigError

HOLD = """
import pathlib, sys
from repman.cli.pidfile import claim
with claim(pathlib.Path(sys.argv[1]), "monitor"):
    print("here", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another(directory: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "here\n"
        yield process
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()


def test_the_pid_file_holds_the_number_alone_and_goes_with_the_process(tmp_path: Path) -> None:
    with another(tmp_path) as process:
        path = tmp_path / "monitor.pid"
        assert path.read_text() == f"{process.pid}\n"
        assert holder(tmp_path, "monitor") == process.pid
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)
        assert not path.exists()
        assert holder(tmp_path, "monitor") is None


FORK = """
import os, pathlib, sys
from repman.cli.pidfile import claim
with claim(pathlib.Path(sys.argv[1]), "web") as path:
    worker = os.fork()
    if worker == 0:
        sys.exit(0)
    os.waitpid(worker, 0)
    print(path.read_text() == f"{os.getpid()}\\n")
"""


def test_a_worker_that_ends_does_not_take_the_file_along(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", FORK, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "True\n"), ran.stderr
    assert not (tmp_path / "web.pid").exists()


def test_a_second_process_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with another(tmp_path) as process:
        told = pytest.raises(AlreadyRunning, match=f"process {process.pid}")
        with told, claim(tmp_path, "monitor"):
            pytest.fail("two at once")


def test_a_stale_file_of_a_killed_process_does_not_stop_the_next(tmp_path: Path) -> None:
    with another(tmp_path) as process:
        process.kill()
        process.wait()
        assert (tmp_path / "monitor.pid").read_text() == f"{process.pid}\n"
    assert holder(tmp_path, "monitor") is None
    with claim(tmp_path, "monitor") as path:
        assert int(path.read_text()) != process.pid


def test_a_number_that_another_program_got_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "monitor.pid.lock").touch()
    (tmp_path / "monitor.pid").write_text("1\n")
    assert holder(tmp_path, "monitor") is None
    with claim(tmp_path, "monitor"):
        pass


def test_patience_waits_for_the_end_of_the_first(tmp_path: Path) -> None:
    with another(tmp_path) as process:
        process.kill()
        with claim(tmp_path, "monitor", patience=10.0):
            pass


def test_forget_removes_only_the_file_of_that_process(tmp_path: Path) -> None:
    path = tmp_path / "web.pid"
    path.write_text("123\n")
    forget(tmp_path, "web", 124)
    assert path.exists()
    forget(tmp_path, "web", 123)
    assert not path.exists()
    forget(tmp_path, "web", 123)


def test_a_directory_that_cannot_be_used_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="monitoring-rundir"), claim(tmp_path / "file" / "run", "web"):
        pytest.fail("there is no such directory")


def test_locks_can_live_apart_from_the_pid_files(tmp_path: Path) -> None:
    with claim(tmp_path / "run", "serve", locks=tmp_path / "data"):
        assert (tmp_path / "run" / "serve.pid").exists()
        assert (tmp_path / "data" / "serve.pid.lock").exists()
