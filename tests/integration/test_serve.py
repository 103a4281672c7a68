"""``repman serve`` with the real processes; the database servers it watches need not exist."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from repman.cli.pidfile import holder
from repman.orchestrators.network import free_ports

CHILDREN = ("monitor", "probes", "worker", "web")


def until(true: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@dataclass
class Installation:
    root: Path
    http: int
    probes: int

    @property
    def run(self) -> Path:
        return self.root / "run"

    def configure(self) -> Path:
        path = self.root / "repman.toml"
        path.write_text(
            f"""[Default]
monitoring-datadir = "{self.root}/data"
monitoring-rundir = "{self.run}"
log-file = "{self.root}/repman.log"
http-port = {self.http}
api-server = false
probes-port = {self.probes}
api-credentials = "admin:only-for-this-test"
[c1]
db-servers-hosts = "127.0.0.1:1,127.0.0.1:2"
db-servers-credential = "nobody:none"
replication-credential = "nobody:none"
"""
        )
        return path

    def argv(self) -> list[str]:
        return [sys.executable, "-P", "-m", "repman", "serve", "--config", str(self.configure())]

    def pid(self, name: str) -> int:
        try:
            return int((self.run / f"{name}.pid").read_text())
        except FileNotFoundError:
            return 0

    def status(self) -> str:
        with contextlib.suppress(requests.RequestException):
            answer = requests.get(f"http://127.0.0.1:{self.http}/api/clusters/c1/status", timeout=5)
            if answer.ok:
                return str(answer.json()["alive"])
        return ""

    def probe(self) -> int:
        with contextlib.suppress(requests.RequestException):
            url = f"http://127.0.0.1:{self.probes}/api/clusters/c1/servers/127.0.0.1/1/is-master"
            return requests.get(url, timeout=5).status_code
        return 0

    def works(self) -> bool:
        return all(self.pid(name) for name in CHILDREN) and self.status() != "" and self.probe() == 503


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path, *free_ports(2))


@contextlib.contextmanager
def serving(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(installation.argv(), start_new_session=True)
    try:
        until(installation.works, "all four processes work")
        yield process
    finally:
        pids = [installation.pid(name) for name in CHILDREN]
        process.kill()
        process.wait()
        until(lambda: not any(pid and alive(pid) for pid in pids), "the children of a killed supervisor end")


def test_each_process_that_is_killed_comes_back(installation: Installation) -> None:
    with serving(installation) as process:
        assert installation.pid("serve") == process.pid
        for name in CHILDREN:
            old = installation.pid(name)
            assert holder(installation.run, name) == old
            os.kill(old, signal.SIGKILL)
            until(lambda name=name, old=old: installation.pid(name) not in (0, old), f"{name} is started again")  # type: ignore[misc]
        until(installation.works, "everything works again")


def test_sigterm_stops_everything_in_order_and_cleans_up(installation: Installation) -> None:
    with serving(installation) as process:
        pids = [installation.pid(name) for name in CHILDREN]
        process.terminate()
        assert process.wait(30) == 0
        assert not any(alive(pid) for pid in pids)
        assert not list(installation.run.glob("*.pid"))
        log = (installation.root / "repman.log").read_text()
    ended = [line.split("child=")[1].split()[0] for line in log.splitlines() if "stopped child=" in line]
    assert ended == ["web", "worker", "monitor", "probes"]


def test_a_second_one_for_the_same_directory_is_refused(installation: Installation) -> None:
    with serving(installation) as process:
        second = subprocess.run(installation.argv(), capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 3
        assert f"already running for the data directory {installation.root}/data" in second.stderr
        assert f"process {process.pid}" in second.stderr
        assert second.stderr.count("\n") == 1
        assert installation.works()


def test_children_of_a_killed_supervisor_end_and_the_next_one_starts(installation: Installation) -> None:
    with serving(installation) as process:
        pids = [installation.pid(name) for name in CHILDREN]
        process.kill()
        process.wait()
        until(lambda: not any(alive(pid) for pid in pids), "the children end by themselves")
    with serving(installation) as again:
        assert installation.pid("serve") == again.pid


def test_hangup_is_noted_and_the_log_is_opened_anew_after_rotation(installation: Installation) -> None:
    with serving(installation) as process:
        log = installation.root / "repman.log"
        log.rename(installation.root / "repman.log.1")
        process.send_signal(signal.SIGHUP)
        until(lambda: log.exists() and "SIGHUP noted" in log.read_text(), "the signal is in the new file")
        assert process.poll() is None
        assert installation.works()


def test_a_configuration_with_mistakes_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "repman.toml").write_text('[Default]\nhttp-prot = 1\n[c1]\ndb-servers-hosts = "h:notaport"\n')
    argv = [sys.executable, "-P", "-m", "repman", "serve", "--config", str(tmp_path / "repman.toml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "http-prot" in done.stderr
    assert "Traceback" not in done.stderr
