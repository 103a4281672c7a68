"""Real MariaDB servers over a real sshd: started, ended, provisioned, shown; and what must be refused."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mariadb_stand import Server, wait_until
from ssh_stand import PROVISION, START, UNPROVISION, Sshd

from repman.errors import HostError, HostUnreachable
from repman.model.service import ServiceState
from repman.orchestrators.description import Account
from repman.orchestrators.onpremise import Estate, OnPremiseOrchestrator, Scripts
from repman.orchestrators.remote import Place
from repman.orchestrators.sandbox import Sandbox
from repman.orchestrators.ssh import Ssh
from repman.orchestrators.template import program

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    made = Sshd(tmp_path_factory.mktemp("sshd"))
    made.start()
    yield made
    made.stop()


class Stand:
    """Two servers of a sandbox, reached over SSH only."""

    def __init__(self, sandbox: Sandbox, sshd: Sshd, place: Path) -> None:
        self.sandbox = sandbox
        self.servers = [Server(sandbox, entry) for entry in sandbox.servers]
        self.place = place
        names = {"sandbox": sandbox.directory, "server": program("mariadbd"), "install": program("mariadb-install-db")}
        scripts = Scripts(
            start=self.script("start", START.format(**names)),
            provision=self.script("provision", PROVISION.format(**names)),
            unprovision=self.script("unprovision", UNPROVISION.format(**names)),
        )
        found = sandbox.description
        self.estate = Estate(
            "shop",
            {server.address: Place(server.name, server.host, server.port) for server in sandbox.servers},
            monitor=Account(found.monitor.user, found.monitor.password),
            replication=Account(found.replication.user, found.replication.password),
        )
        self.ssh = sshd.ssh
        self.scripts = scripts
        self.orchestrator = OnPremiseOrchestrator(self.ssh, self.estate, scripts)

    def script(self, name: str, text: str) -> Path:
        path = self.place / f"{name}.sh"
        path.write_text(text)
        return path

    def pid(self, server: Server) -> int | None:
        return self.sandbox.pid(server.entry.name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, sshd: Sshd) -> Iterator[Stand]:
    place = tmp_path_factory.mktemp("onpremise") / "s"
    sandbox = Sandbox.create(place, 2, haproxy=False, cluster="shop")
    try:
        yield Stand(sandbox, sshd, tmp_path_factory.mktemp("scripts"))
    finally:
        Sandbox.destroy_at(place)


@pytest.fixture
def stand(made: Stand) -> Stand:
    """Both servers run."""
    made.sandbox.start_all()
    return made


def test_a_server_is_stopped_and_started_over_ssh(stand: Stand) -> None:
    first, second = stand.servers
    hands, before = stand.orchestrator, stand.pid(second)
    assert hands.running(first.address)
    hands.stop(first.address, 30)
    assert stand.pid(first) is None
    assert not hands.running(first.address)
    assert "Shutdown complete" in Path(first.entry.log).read_text()
    hands.stop(first.address, 30)  # nothing to do
    hands.start(first.address)
    stand.sandbox.wait_ready(first.entry.name)
    assert hands.running(first.address)
    assert first.value("@@port") == first.entry.port
    assert stand.pid(second) == before


def test_a_server_is_killed_over_ssh_and_nobody_else(stand: Stand) -> None:
    first, second = stand.servers
    other = stand.pid(second)
    stand.orchestrator.kill(first.address, 10)
    assert stand.pid(first) is None
    assert stand.pid(second) == other
    assert not stand.orchestrator.running(first.address)


def test_a_frozen_server_runs_and_is_killed(stand: Stand) -> None:
    first = stand.servers[0]
    first.freeze()
    assert stand.orchestrator.running(first.address)
    (host,) = stand.orchestrator.hosts(10)
    assert host.services[0].state is ServiceState.FROZEN
    stand.orchestrator.kill(first.address, 10)
    assert stand.pid(first) is None


def test_hosts_and_services_are_shown_as_they_are(stand: Stand) -> None:
    first, second = stand.servers
    stand.sandbox.stop(second.entry.name)
    (host,) = stand.orchestrator.hosts(10)
    assert host.error == ""
    assert host.cpu_cores == len(os.sched_getaffinity(0)) or host.cpu_cores == os.cpu_count()
    assert host.name == os.uname().nodename
    running, stopped = host.services
    assert (running.pid, running.state) == (stand.pid(first), ServiceState.RUNNING)
    assert running.usage is not None
    resident = int(Path(f"/proc/{running.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert abs(running.usage.memory_bytes - resident) < resident / 5
    assert running.usage.threads == len(os.listdir(f"/proc/{running.pid}/task"))
    told = subprocess.run(["du", "-sk", first.entry.datadir], capture_output=True, text=True, check=True).stdout
    assert running.disk_bytes is not None
    assert abs(running.disk_bytes - int(told.split()[0]) * 1024) < 1024 * 1024
    assert (stopped.pid, stopped.state, stopped.usage) == (None, ServiceState.STOPPED, None)


def test_a_server_is_unprovisioned_and_provisioned_over_ssh(stand: Stand) -> None:
    first = stand.servers[0]
    stand.sandbox.stop(first.entry.name)
    stand.orchestrator.start(first.address)
    stand.sandbox.wait_ready(first.entry.name)
    with pytest.raises(HostError, match="runs"):
        stand.orchestrator.provision(first.address, 60)
    stand.orchestrator.unprovision(first.address, 60)
    assert not Path(first.entry.datadir).exists()
    stand.orchestrator.provision(first.address, 60)
    stand.orchestrator.start(first.address)
    stand.sandbox.wait_ready(first.entry.name)
    assert first.value("@@port") == first.entry.port  # with the account that repman knows
    assert first.value("@@gtid_binlog_pos") == ""


def test_without_scripts_provisioning_is_refused(stand: Stand) -> None:
    bare = OnPremiseOrchestrator(stand.ssh, stand.estate, Scripts())
    address = stand.servers[0].address
    with pytest.raises(HostError, match="onpremise-ssh-provision-db-script"):
        bare.provision(address, 10)
    with pytest.raises(HostError, match="onpremise-ssh-unprovision-db-script"):
        bare.unprovision(address, 10)
    assert bare.running(address)


def test_a_port_of_another_program_is_nobodys_server(stand: Stand) -> None:
    with socket.create_server((HOST, 0)) as listener:
        place = Place("other", HOST, listener.getsockname()[1])
        estate = replace(stand.estate, servers={"other": place})
        hands = OnPremiseOrchestrator(stand.ssh, estate, Scripts())
        with pytest.raises(HostError, match="taken by another program"):
            hands.running("other")
        with pytest.raises(HostError, match="taken by another program"):
            hands.kill("other", 5)


def test_a_failing_script_is_told_in_its_own_words(stand: Stand) -> None:
    address = stand.servers[0].address
    failing = replace(stand.scripts, start=stand.script("failing", "echo no disk today >&2\nexit 3\n"))
    with pytest.raises(HostError, match="ended with 3: no disk today"):
        OnPremiseOrchestrator(stand.ssh, stand.estate, failing).start(address)
    missing = replace(stand.scripts, start=stand.place / "missing.sh")
    with pytest.raises(HostError, match="cannot be read"):
        OnPremiseOrchestrator(stand.ssh, stand.estate, missing).start(address)


def test_a_script_that_leaves_a_daemon_with_its_output_is_not_waited_for(sshd: Sshd) -> None:
    began = time.monotonic()
    finished = sshd.ssh.run(HOST, ["sh", "-s"], 30, input=b"echo started\nsetsid --fork sleep 8 </dev/null\n")
    assert (finished.status, finished.output) == (0, b"started\n")
    assert time.monotonic() - began < 7


def test_streams_go_through_unchanged_in_both_directions(sshd: Sshd) -> None:
    data = os.urandom(1024 * 1024) * 24
    came = io.BytesIO()
    finished = sshd.ssh.run(HOST, ["sh", "-c", "tee /dev/stderr | cat"], 60, input=io.BytesIO(data), output=came)
    assert finished.status == 0
    assert hashlib.sha256(came.getbuffer()).digest() == hashlib.sha256(data).digest()


def test_a_command_that_stops_reading_ends_with_its_status(sshd: Sshd) -> None:
    finished = sshd.ssh.run(HOST, ["sh", "-c", "head -c 10 >/dev/null; exit 4"], 20, input=io.BytesIO(bytes(8 << 20)))
    assert finished.status == 4


def test_words_reach_the_command_as_they_are(sshd: Sshd) -> None:
    words = ["a b", "$(id)", "'", '"', "*", ";", "ü"]
    assert sshd.ssh.run(HOST, ["printf", r"%s\n", *words], 10).output.decode().splitlines() == words


def test_the_deadline_ends_the_command_there_as_well(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(HostError, match="not done after 1 s"):
        sshd.ssh.run(HOST, ["sh", "-c", f"echo $$ >{file}; sleep 60; true"], 1)
    assert time.monotonic() - began < 5
    wait_until(lambda: not Path(f"/proc/{file.read_text().strip()}").exists(), 10, "the end of the command")


def test_a_command_is_cancelled(sshd: Sshd) -> None:
    wish = threading.Event()
    threading.Timer(0.5, wish.set).start()
    began = time.monotonic()
    with pytest.raises(HostError, match="cancelled"):
        sshd.ssh.run(HOST, ["sleep", "20"], 20, cancelled=wish.is_set)
    assert time.monotonic() - began < 5


def test_a_wrong_host_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    sshd.make_key("stranger_key")
    access = replace(sshd.access, known_hosts=sshd.know("stranger_key", "known_strangers"))
    with pytest.raises(HostUnreachable, match="another host key"):
        Ssh(access).run(HOST, ["touch", str(tmp_path / "touched")], 10)
    assert not (tmp_path / "touched").exists()


def test_an_unknown_host_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(HostUnreachable, match="not known"):
        Ssh(replace(sshd.access, known_hosts=tmp_path / "empty")).run(HOST, ["true"], 10)
    with pytest.raises(HostUnreachable, match="onpremise-ssh-known-hosts"):
        Ssh(replace(sshd.access, known_hosts=tmp_path / "missing")).run(HOST, ["true"], 10)


def test_a_refused_key_and_a_missing_one_are_told_apart(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(HostUnreachable, match="refuses the login"):
        Ssh(replace(sshd.access, private_key=sshd.make_key("other_key"))).run(HOST, ["true"], 10)
    with pytest.raises(HostUnreachable, match="no private key"):
        Ssh(replace(sshd.access, private_key=tmp_path / "missing")).run(HOST, ["true"], 10)


def test_an_unreachable_host_is_told_within_the_deadline(sshd: Sshd) -> None:
    with socket.create_server((HOST, 0)) as listener:
        silent = listener.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(HostUnreachable, match=r"did not answer|cannot be reached"):
            Ssh(replace(sshd.access, port=silent, connect_timeout=1)).run(HOST, ["true"], 10)
        assert time.monotonic() - began < 4
    with pytest.raises(HostUnreachable, match="cannot be reached"):
        Ssh(replace(sshd.access, port=silent)).run(HOST, ["true"], 10)


def test_a_frozen_sshd_does_not_hold_anybody_beyond_the_deadline(sshd: Sshd, tmp_path: Path) -> None:
    """The connection stands, and its other end falls silent in the middle of a command."""
    file = tmp_path / "pid"
    threading.Thread(target=_freeze_session_of, args=(file,), daemon=True).start()
    began = time.monotonic()
    with pytest.raises(HostError):
        sshd.ssh.run(HOST, ["sh", "-c", f"echo $PPID >{file}.new; mv {file}.new {file}; exec sleep 30"], 3)
    assert time.monotonic() - began < 8
    for pid in _session_processes(file):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _session_processes(file: Path) -> list[int]:
    """``timeout`` and the sshd process above it."""
    timeout = int(file.read_text())
    above = int(Path(f"/proc/{timeout}/stat").read_text().rpartition(")")[2].split()[1])
    return [above, timeout]


def _freeze_session_of(file: Path) -> None:
    wait_until(file.exists, 10)
    os.kill(_session_processes(file)[0], signal.SIGSTOP)
