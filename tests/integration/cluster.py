"""The real thing for tests: three MariaDB servers, HAProxy and repman."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
from cluster_repman import CLUSTER, Repman
from cluster_traffic import DATABASE, Traffic
from mariadb_stand import Server, wait_until

from repman.model.decision import ServerState
from repman.model.snapshot import Snapshot
from repman.orchestrators import network
from repman.orchestrators.sandbox import Sandbox
from repman.proxies.haproxy_runtime import RuntimeSocket


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

    @contextlib.contextmanager
    def serving(self, **options: object) -> Iterator[None]:
        """With the HTTP API, and these options, on every (re)start in the meantime."""
        self.standard = {"http_server": True, "http_port": free_port(), **options}
        self.restore_or_rebuild()
        yield
        self.standard = {}
        self.restore_or_rebuild()

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

    def another_than(self, old: Server) -> Server:
        """The only server that takes writes, as soon as repman says that it is not the old one.

        The first acknowledgement after a fault is no sign of that: it may have been on its way when the fault came.
        """
        self.repman.until(lambda seen: seen.writer not in ("", old.address), "another writer")
        new = self.only_open()
        assert new is not old
        return new

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
            # A receiver that was connected anew since that look needs a moment.
            wait_until(lambda replica=replica: _follows(replica, seen.writer), 10, f"{replica.entry.name} to follow")
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

    def all_alike(self, traffic: Traffic) -> None:
        """Once the writers are gone, replicas hold the rows of the writer: the same GTIDs do not prove it."""
        traffic.stop()
        writer = self.only_open()
        wait_until(lambda: writer.sessions(writer.application[0]) == 0, what="the end of the last writes")
        aim = writer.value("@@gtid_binlog_pos")
        rows = set(writer.run(f"SELECT writer, number FROM {traffic.table}"))
        for replica in self.replicas:
            assert replica.value(f"MASTER_GTID_WAIT('{aim}', 10)") == 0
            others = set(replica.run(f"SELECT writer, number FROM {traffic.table}"))
            told = f"{replica.entry.name} has {sorted(others - rows)[:5]} more, {sorted(rows - others)[:5]} less"
            assert others == rows, f"{told} than {writer.entry.name}"

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

    def restore_or_rebuild(self) -> None:
        """A healthy cluster for the next tests, also after one that failed and left another behind."""
        try:
            self.restore()
        except AssertionError:
            print(self.repman.shown())
            self.rebuild()

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


def at_step(seen: Snapshot, kind: str) -> bool:
    """Whether a running plan has done its first step of that kind."""
    plan = seen.plan
    if plan is None or plan.state != "running":
        return False
    return any(step.kind == kind for step in plan.steps[: plan.current + 1])


def _follows(replica: Server, writer: str) -> bool:
    told = replica.replica()
    running = (told["Slave_IO_Running"], told["Slave_SQL_Running"]) == ("Yes", "Yes")
    return running and f"{told['Master_Host']}:{told['Master_Port']}" == writer
