"""A copy that was made amid a commit: a server starts on it, without what nobody was told of."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mariadb_stand import wait_until

from repman.errors import JobFailed
from repman.maintenance import physical
from repman.maintenance.course import Course
from repman.orchestrators.template import program

pytestmark = pytest.mark.integration


class Bare:
    """One server without a network, whose commits wait for an acknowledgement that never comes."""

    def __init__(self, place: Path) -> None:
        self.data, self.socket = place / "data", place / "socket"
        self.log = place / "error.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        argv = [
            program("mariadbd"),
            "--no-defaults",
            "--user=root",
            f"--datadir={self.data}",
            f"--socket={self.socket}",
        ]
        argv += ["--skip-networking", "--log-bin=binlog", "--server-id=1", f"--pid-file={self.socket}.pid", *more]
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        wait_until(self._answers, 30, "an answer")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-1000:]
        with contextlib.suppress(subprocess.CalledProcessError):
            self.said("SELECT 1")
            return True
        return False

    def said(self, *statements: str, seconds: float = 10.0) -> str:
        argv = [program("mariadb"), "--no-defaults", "-N", f"--socket={self.socket}", "--user=root"]
        words = "; ".join(statements)
        ran = subprocess.run(
            [*argv, f"--execute={words}"],
            check=True,
            timeout=seconds,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return ran.stdout.decode().strip()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Bare]:
    made = Bare(tmp_path)
    argv = [program("mariadb-install-db"), "--no-defaults", "--user=root", f"--datadir={made.data}"]
    subprocess.run(
        [*argv, "--auth-root-authentication-method=socket"], check=True, timeout=60, stdout=subprocess.DEVNULL
    )
    yield made
    made.kill()


def test_a_commit_that_was_not_done_is_rolled_back_and_a_server_starts(bare: Bare, tmp_path: Path) -> None:
    semi_sync = ("master-enabled=1", "master-timeout=1000000000", "master-wait-point=AFTER_SYNC")
    bare.start(*(f"--rpl-semi-sync-{option}" for option in semi_sync))
    bare.said("SET sql_log_bin=0", "CREATE TABLE test.kept (id INT PRIMARY KEY)", "INSERT INTO test.kept VALUES (1)")
    with pytest.raises(subprocess.TimeoutExpired):  # its acknowledgement never comes
        bare.said("INSERT INTO test.kept VALUES (2)", seconds=2.0)
    bare.kill()
    for log in bare.data.glob("binlog.*"):
        log.unlink()
    (bare.data / "backup-my.cnf").write_text("[mysqld]\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    course = Course(scratch)
    assert physical.resolve(course, bare.data) == 1
    assert physical.resolve(course, bare.data) == 0
    assert not list(bare.data.glob("repman-*"))
    bare.start()
    assert bare.said("SELECT id FROM test.kept") == "1"


def test_files_that_no_server_can_open_are_told(bare: Bare, tmp_path: Path) -> None:
    (bare.data / "backup-my.cnf").write_text("[mysqld]\n")
    (bare.data / "ibdata1").write_bytes(b"no tablespace")
    with pytest.raises(JobFailed, match="No server can open the files"):
        physical.resolve(Course(tmp_path), bare.data)
    shutil.rmtree(bare.data)
