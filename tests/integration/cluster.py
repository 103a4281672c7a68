"""The real thing for tests: three MariaDB servers, HAProxy, and repman's processes with a configuration file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
from cluster_traffic import DATABASE, Traffic
from mariadb_stand import Server, wait_until

from repman.errors import MonitorDown, StateError
from repman.model.command import Command, CommandKind, Receipt
from repman.model.decision import ServerState
from repman.model.snapshot import Snapshot
from repman.orchestrators import network
from repman.orchestrators.haproxy_files import READ_BACKEND, WRITE_BACKEND
from repman.orchestrators.sandbox import Sandbox
from repman.proxies.haproxy_runtime import RuntimeSocket
from repman.state.bus import ask
from repman.state.journal import Journal
from repman.state.snapshots import SnapshotReader

CLUSTER = "shop"
PASSWORD = "Tested-1234567890"
Test = Callable[[Snapshot], object]


def configuration(sandbox: Sandbox, place: Path, rundir: Path, changes: dict[str, object]) -> str:
    """repman's configuration for a sandbox; `changes` by option name, ``None`` takes an option out."""
    found, haproxy = sandbox.description, sandbox.haproxy
    assert haproxy is not None
    default: dict[str, object] = {
        "monitoring-datadir": str(place / "data"),
        "monitoring-rundir": str(rundir),
        "log-file": str(place / "repman.log"),
        "http-server": False,
        "probes-port": found.probes_port,
        "api-credentials": [f"admin:{PASSWORD}"],
    }
    cluster: dict[str, object] = {
        "db-servers-hosts": [server.address for server in sandbox.servers],
        "db-servers-names": [server.name for server in sandbox.servers],
        "db-servers-credential": f"{found.monitor.user}:{found.monitor.password}",
        "replication-credential": f"{found.replication.user}:{found.replication.password}",
        "monitoring-ticker": 0.25,
        "monitoring-inventory-interval": 1,
        "haproxy": True,
        "haproxy-servers": [haproxy.host],
        "haproxy-write-port": haproxy.write_port,
        "haproxy-read-port": haproxy.read_port,
        "haproxy-runtime-socket": [haproxy.stats_socket],
        "haproxy-api-write-backend": WRITE_BACKEND,
        "haproxy-api-read-backend": READ_BACKEND,
        "prov-orchestrator": "local",
        "sandbox-directory": str(sandbox.directory),
    }
    for name, value in changes.items():
        (default if name in default or name == "http-port" else cluster)[name] = value
    lines = ["[Default]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in default.items() if value is not None]
    lines += [f"[{CLUSTER}]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in cluster.items() if value is not None]
    return "\n".join(lines) + "\n"


class Repman:
    """One ``repman serve`` with its children, its directories and its configuration file."""

    def __init__(self, sandbox: Sandbox, place: Path) -> None:
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        memory = Path("/dev/shm")
        self.rundir = Path(tempfile.mkdtemp(prefix="repman-test-", dir=memory if memory.is_dir() else None))
        self.changes: dict[str, object] = {}
        self._sandbox = sandbox
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = SnapshotReader(self.rundir)

    def start(self, **changes: object) -> None:
        """Start with these options (``_`` for ``-``) and wait until it watches."""
        self.changes = {name.replace("_", "-"): value for name, value in changes.items()}
        config = self.place / "repman.toml"
        config.write_text(configuration(self._sandbox, self.place, self.rundir, self.changes))
        since = time.time()
        with open(self.place / "output.log", "ab") as output:
            argv = (sys.executable, "-P", "-m", "repman", "serve", "--config", str(config))
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.until(lambda seen: seen.at > since, "a first look")
        wait_until(self._takes_commands, 10, "the command socket")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(40)
            finally:
                if self._process.poll() is None:
                    self.kill()
            self._process = None

    def kill(self) -> None:
        """``kill -9`` of every process of it at once."""
        for name in ("serve", "web", "monitor", "probes"):
            self.kill_one(name)
        if self._process is not None:
            self._process.wait(10)
            self._process = None

    def kill_one(self, name: str) -> int:
        """``kill -9`` of one of its processes; returns which pid it was."""
        pid = self.pid(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pid or 0

    def pid(self, name: str) -> int | None:
        """The pid in the pid file of that process, when it runs."""
        try:
            pid = int((self.rundir / f"{name}.pid").read_text().split()[0])
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            return None
        return pid if name.encode() in words else None

    def forget(self) -> None:
        """Remove what it remembers; it must be stopped."""
        shutil.rmtree(self.place / "data", ignore_errors=True)

    def destroy(self) -> None:
        self.stop()
        shutil.rmtree(self.rundir, ignore_errors=True)

    @property
    def snapshot(self) -> Snapshot:
        found = self._reader.get(CLUSTER)
        assert found is not None, "nothing was published yet"
        return found

    def until(self, test: Test, what: str, seconds: float = 20.0) -> Snapshot:
        """Wait until a published snapshot passes the test."""
        deadline = time.monotonic() + seconds
        while True:
            found = self._reader.get(CLUSTER)
            if found is not None and test(found):
                return found
            assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}; {self.shown()}"
            time.sleep(0.0005)

    def looked(self) -> Snapshot:
        """A snapshot of a look that began after now."""
        for _ in range(2):
            now = time.time()
            found = self.until(lambda seen, now=now: seen.at > now and not seen.in_failover, "a new look")
        return found

    def ask(self, kind: str, server: str = "", seconds: float = 90.0, **arguments: object) -> Receipt:
        """Order something over the command socket."""
        command = Command(CommandKind(kind), CLUSTER, server, **arguments)  # type: ignore[arg-type]
        return ask(self.rundir / "monitor.sock", command, seconds)

    def done(self, kind: str, server: str = "", **arguments: object) -> Receipt:
        """Order something that must succeed."""
        receipt = self.ask(kind, server, **arguments)
        assert receipt.status == "done", f"{receipt}; {self.shown()}"
        return receipt

    def journal(self) -> Journal:
        """Its journal, for reading."""
        return Journal(f"sqlite:///{self.place}/data/journal.db", owner=False)

    def shown(self) -> str:
        """What it says of itself, for a test that failed."""
        found = self._reader.get(CLUSTER)
        if found is None:
            return "no snapshot"
        servers = [f"{view.policy.name} {view.state} {view.seen.reach}" for view in found.servers]
        events = [f"{event.at:.3f} {event.text}" for event in found.events]
        why = [refusal.sentence for refusal in (*found.refusals, *found.blocked_by)]
        return "\n".join([*servers, *why, f"plan: {found.plan}", *events])

    def _takes_commands(self) -> bool:
        try:
            return self.ask("preview", preview_of="switchover").status == "preview"
        except (MonitorDown, StateError):
            return False


class World:
    """A sandbox with repman in front of it."""

    def __init__(self, directory: Path) -> None:
        self.sandbox = Sandbox.create(directory / "s", 3, haproxy=True, cluster=CLUSTER)
        self.servers = [Server(self.sandbox, entry) for entry in self.sandbox.servers]
        self.repman = Repman(self.sandbox, directory / "repman")
        self.standard: dict[str, object] = {}
        self._directory = directory

    def begin(self) -> None:
        """Start everything and bootstrap, once."""
        self.sandbox.start_all()
        self.repman.start(**self.standard)
        self.repman.done("bootstrap")
        self.healthy()

    def server(self, address: str) -> Server:
        return next(server for server in self.servers if address in (server.address, server.entry.name))

    @property
    def writer(self) -> Server:
        """The server that takes writes, by its own word; fails unless there is exactly one."""
        return self.only_open()

    @property
    def replicas(self) -> list[Server]:
        """The servers that repman does not take for the writer, in configured order."""
        writer = self.repman.snapshot.writer
        return [server for server in self.servers if server.address != writer]

    def only_open(self) -> Server:
        found = [server for server in self.servers if self.is_open(server)]
        assert len(found) == 1, f"open: {[server.entry.name for server in found]}; {self.repman.shown()}"
        return found[0]

    def is_open(self, server: Server) -> bool:
        try:
            connection = server.connect(connect_timeout=1, read_timeout=1)
            with contextlib.closing(connection), connection.cursor() as cursor:
                cursor.execute("SELECT @@global.read_only")
                return cursor.fetchone() == (0,)
        except (pymysql.Error, OSError):
            return False

    def alive(self, server: Server) -> bool:
        return self.sandbox.pid(server.entry.name) is not None

    def through_haproxy(self, role: str = "write", **options: object) -> pymysql.Connection:
        haproxy, account = self.sandbox.haproxy, self.sandbox.description.application
        assert haproxy is not None
        return pymysql.connect(
            host=haproxy.host,
            port=haproxy.write_port if role == "write" else haproxy.read_port,
            user=account.user,
            password=account.password,
            autocommit=True,
            ssl_disabled=True,
            **{"connect_timeout": 2, "read_timeout": 60, **options},  # type: ignore[arg-type]
        )

    def traffic(self, threads: int = 4) -> Traffic:
        """Writers through HAProxy, to be used in a ``with`` statement."""
        return Traffic(self.through_haproxy, threads, self.repman.shown)

    def healthy(self, seconds: float = 20.0, protected: bool = True) -> Snapshot:
        """Wait until one writer is open, two replicas follow it and HAProxy routes so; checked on the servers too."""
        since = time.time()
        seen = self.repman.until(
            lambda seen: seen.at > since and not _unhealthy(seen, protected), "a healthy cluster", seconds
        )
        assert self.only_open().address == seen.writer
        for replica in self.replicas:
            told = replica.replica()
            assert (told["Slave_IO_Running"], told["Slave_SQL_Running"]) == ("Yes", "Yes")
            assert f"{told['Master_Host']}:{told['Master_Port']}" == seen.writer
        assert self.in_maintenance() == []
        return seen

    def haproxy_says(self, command: str) -> str:
        """HAProxy's answer to a command on its runtime socket."""
        haproxy = self.sandbox.haproxy
        assert haproxy is not None
        return RuntimeSocket(haproxy.stats_socket).ask(command, 2.0)

    def in_maintenance(self) -> list[str]:
        """Servers that HAProxy was told to leave out altogether."""
        lines = [line.split() for line in self.haproxy_says("show servers state").splitlines()[2:] if line]
        return [f"{words[1]}/{words[3]}" for words in lines if int(words[6]) & 0x09]

    def nothing_lost(self, traffic: Traffic) -> None:
        """Stop the writers and compare what they were told with what the writer has."""
        traffic.stop()
        lost = traffic.lost(self.only_open())
        assert lost == [], f"{len(lost)} of {traffic.count} acknowledged writes are lost: {lost[:5]}"

    def restarted(self, **changes: object) -> None:
        """repman with other options than the standard ones."""
        self.repman.stop()
        self.repman.start(**{**self.standard, **changes})

    @contextlib.contextmanager
    def frozen(self, server: Server) -> Iterator[None]:
        server.freeze()
        try:
            yield
        finally:
            with contextlib.suppress(TypeError, ProcessLookupError):
                server.thaw()

    def restore(self) -> None:
        """What every test must leave behind: everything runs, standard options, a healthy cluster."""
        self._everything_runs()
        wanted = {name.replace("_", "-"): value for name, value in self.standard.items()}
        if self.repman.pid("serve") is None or self.repman.changes != wanted:
            self.restarted()
        self.healthy()

    def rebuild(self, bootstrap: bool = True) -> None:
        """Three empty servers, and a repman without memories; for tests that leave servers that diverged."""
        self.repman.stop()
        self.repman.forget()
        self._everything_runs()
        for server in self.servers:
            server.as_root(
                "STOP ALL SLAVES",
                "SET GLOBAL rpl_semi_sync_master_enabled=0",
                "SET GLOBAL read_only=1",
                "RESET SLAVE ALL",
                "SET sql_log_bin=0",
                f"DROP DATABASE IF EXISTS {DATABASE}",
                "RESET MASTER",
                "SET GLOBAL gtid_slave_pos=''",
            )
        self.repman.start(**self.standard)
        if bootstrap:
            self.repman.done("bootstrap")
            self.healthy()

    def destroy(self) -> None:
        try:
            self.repman.destroy()
        finally:
            Sandbox.destroy_at(self.sandbox.directory)

    def second_repman(self) -> Repman:
        """Another repman on the same servers, with a data directory of its own; not started."""
        return Repman(self.sandbox, self._directory / f"repman-{time.monotonic_ns()}")

    def _everything_runs(self) -> None:
        for server in self.servers:
            with contextlib.suppress(TypeError, ProcessLookupError):
                server.thaw()
        self.sandbox.start_all()


def _unhealthy(seen: Snapshot, protected: bool) -> str:
    """Why this snapshot is not that of a healthy cluster; empty when it is."""
    if not (seen.active and seen.writer_alive) or seen.in_failover:
        return "no living writer, or not ours"
    for view in seen.servers:
        wanted = ServerState.MASTER if view.policy.address == seen.writer else ServerState.SLAVE
        if view.state is not wanted:
            return f"{view.policy.name} is {view.state}"
    if protected and seen.blocked_by:
        return seen.blocked_by[0].sentence
    for proxy in seen.proxies:
        if proxy.write != (seen.writer,) or len(proxy.read) != 2 or proxy.left_in_maintenance:
            return f"{proxy.name} routes elsewhere"
    return ""


def free_port() -> int:
    return network.free_ports(1)[0]


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def state(seen: Snapshot, server: Server) -> ServerState:
    """That server's state, as published."""
    return next(view.state for view in seen.servers if view.policy.address == server.address)


def codes(seen: Snapshot) -> set[str]:
    """The codes of all problems."""
    return {problem.code for problem in seen.problems}


def refused(seen: Snapshot) -> set[str]:
    """The codes of why nothing is done."""
    return {refusal.code for refusal in seen.refusals}
