"""The sandbox with real MariaDB servers and a real HAProxy."""

from __future__ import annotations

import json
import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from repman.errors import SandboxError
from repman.orchestrators import description, process
from repman.orchestrators.description import Account, ServerEntry
from repman.orchestrators.local import LocalOrchestrator
from repman.orchestrators.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]
DENIED = 1227
READ_ONLY = 1290
BYPASSING = ("SUPER", "READ_ONLY ADMIN", "ALL PRIVILEGES", "CONNECTION ADMIN", "BINLOG ADMIN", "GRANT OPTION")


def connect(server: ServerEntry, account: Account, **options: object) -> pymysql.Connection:
    where = {"host": server.host, "port": server.port, "read_timeout": 5} | options
    return pymysql.connect(user=account.user, password=account.password, autocommit=True, **where)


def ask(server: ServerEntry, account: Account, *statements: str, **options: object) -> tuple[tuple, ...]:
    with closing(connect(server, account, **options)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_every_server_starts_alike_and_read_only(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=3)
    found = made.description
    assert len({found.monitor.password, found.replication.password, found.application.password}) == 3
    identities = set()
    for server in made.servers:
        ((read_only, positions, identity, semi_sync),) = ask(
            server,
            found.monitor,
            "SELECT @@read_only, CONCAT(@@gtid_binlog_pos, @@gtid_slave_pos), @@server_id,"
            " CONCAT(@@rpl_semi_sync_master_enabled, @@rpl_semi_sync_slave_enabled, @@gtid_strict_mode)",
        )
        assert (read_only, positions, semi_sync) == (1, "", "OFFONON")
        identities.add(identity)
        assert ask(server, found.replication, "SELECT 1")
        assert ask(server, found.application, "SELECT 1", unix_socket=server.socket)
    assert len(identities) == 3


def test_the_description_is_private_and_says_everything(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1, start=False)
    path = made.directory / "sandbox.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert description.read(made.directory) == made.description
    assert set(json.loads(path.read_bytes())["servers"][0]) >= {"name", "host", "port", "socket", "pid_file", "start"}


def test_the_application_account_cannot_write_on_a_read_only_server(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1)
    (server,), found = made.servers, made.description
    ((grants,),) = ask(server, found.application, "SHOW GRANTS")
    assert "SLAVE MONITOR" in grants
    assert [right for right in BYPASSING if right in grants] == []
    with pytest.raises(pymysql.err.OperationalError) as refused:
        ask(server, found.application, "CREATE DATABASE shop")
    assert refused.value.args[0] == READ_ONLY
    with pytest.raises(pymysql.err.OperationalError) as denied:
        ask(server, found.application, "SET GLOBAL read_only = 0")
    assert denied.value.args[0] == DENIED
    ask(server, found.monitor, "SET GLOBAL read_only = 0")
    ask(
        server,
        found.application,
        "CREATE DATABASE shop",
        "CREATE TABLE shop.orders (id INT PRIMARY KEY)",
        "CREATE TRIGGER shop.t BEFORE INSERT ON shop.orders FOR EACH ROW SET NEW.id = NEW.id + 1",
        "INSERT INTO shop.orders VALUES (1)",
        "CREATE VIEW shop.v AS SELECT id FROM shop.orders",
        "SELECT * FROM shop.v",
    )
    ask(server, found.application, "SHOW ALL SLAVES STATUS")
    ask(server, found.application, "DROP DATABASE shop")


def test_the_monitor_account_can_do_what_a_failover_needs(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=2)
    found, (writer, replica) = made.description, made.servers
    ask(writer, found.monitor, "SET GLOBAL rpl_semi_sync_master_enabled = 1", "SET GLOBAL read_only = 0")
    ask(
        replica,
        found.monitor,
        "SET SESSION sql_log_bin = 0",
        f"CHANGE MASTER TO MASTER_HOST='{writer.host}', MASTER_PORT={writer.port},"
        f" MASTER_USER='{found.replication.user}', MASTER_PASSWORD='{found.replication.password}',"
        " MASTER_USE_GTID=slave_pos, MASTER_HEARTBEAT_PERIOD=0.5",
        "START SLAVE",
    )
    ask(writer, found.application, "CREATE DATABASE shop")
    wait_until(lambda: ("shop",) in ask(replica, found.monitor, "SHOW DATABASES"))
    sleeper = connect(writer, found.application)
    ask(writer, found.monitor, f"KILL {sleeper.thread_id()}")
    sleeper.close()
    ask(
        replica,
        found.monitor,
        "STOP SLAVE",
        "RESET SLAVE ALL",
        "SET GLOBAL gtid_slave_pos = ''",
        "RESET MASTER",
        "SELECT GET_LOCK('x', 0)",
        "SELECT user FROM mysql.user",
        "SHOW FULL PROCESSLIST",
        "SHOW MASTER STATUS",
        "SHOW BINARY LOGS",
        "SET SESSION sql_log_bin = 0",
        "CREATE OR REPLACE USER repl2@'%' IDENTIFIED BY 'x'",
        "GRANT REPLICATION SLAVE ON *.* TO repl2@'%'",
    )


def test_semi_sync_never_gives_up_by_itself(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1)
    (server,), found = made.servers, made.description
    ask(server, found.monitor, "SET GLOBAL rpl_semi_sync_master_enabled = 1", "SET GLOBAL read_only = 0")
    waiting = connect(server, found.application, read_timeout=1)
    with pytest.raises(pymysql.err.OperationalError), waiting.cursor() as cursor:
        cursor.execute("CREATE DATABASE shop")
    status = dict(ask(server, found.monitor, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master%'"))
    assert status["Rpl_semi_sync_master_status"] == "ON"
    assert status["Rpl_semi_sync_master_no_tx"] == "0"
    waiting.close()


def test_start_stop_kill_and_start_again(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1)
    (server,), found = made.servers, made.description
    pid = made.pid("db1")
    assert made.start("db1") == pid
    ask(server, found.monitor, "SET GLOBAL read_only = 0")
    ask(server, found.application, "CREATE DATABASE kept")
    made.kill("db1")
    assert made.pid("db1") is None
    assert [row.pid for row in made.status()] == [None]
    again = made.start("db1")
    made.wait_ready("db1")
    assert again != pid
    assert ("kept",) in ask(server, found.application, "SHOW DATABASES")
    assert ask(server, found.monitor, "SELECT @@read_only") == ((1,),)
    made.stop("db1")
    made.stop("db1")
    assert made.pid("db1") is None
    assert "Shutdown complete" in Path(server.log).read_text()


def test_the_start_command_works_from_anywhere_with_an_empty_environment(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1, start=False)
    started = subprocess.Popen(made.servers[0].start, env={}, cwd="/", stderr=subprocess.DEVNULL)
    try:
        made.wait_ready("db1")
        assert made.pid("db1") == started.pid
        assert started.poll() is None
    finally:
        made.stop("db1")
        started.wait(10)


def test_a_frozen_server_runs_and_can_be_killed_or_stopped(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1)
    local = LocalOrchestrator(made.directory)
    address = made.servers[0].address
    assert local.controls(address)
    assert not local.controls("127.0.0.1:1")
    os.kill(made.pid("db1") or 0, signal.SIGSTOP)
    assert local.running(address)
    local.kill(address, 5.0)
    assert not local.running(address)
    began = time.monotonic()
    local.start(address)
    assert time.monotonic() - began < 1.0
    made.wait_ready("db1")
    os.kill(made.pid("db1") or 0, signal.SIGSTOP)
    made.stop("db1")
    with pytest.raises(SandboxError, match="is not a server of the sandbox"):
        local.kill("127.0.0.1:1", 1.0)


def test_servers_are_nobodys_children_and_inherit_nothing(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1, haproxy=True, start=False)
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from repman.orchestrators.sandbox import Sandbox
        kept = open(sys.argv[1] + "/kept-open", "w")
        os.set_inheritable(kept.fileno(), True)
        Sandbox.load(Path(sys.argv[1])).start_all()
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    creator = subprocess.run([sys.executable, "-c", script, made.directory], check=False, timeout=60)
    assert creator.returncode == -signal.SIGKILL
    for name in made.names:
        pid = made.pid(name)
        assert pid is not None, f"{name} died with its creator"
        assert os.getsid(pid) != os.getsid(0)
        open_files = {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()}
        assert not [file for file in open_files if file.endswith("kept-open")]
    made.wait_ready("db1")


def test_a_stale_pid_file_never_leads_to_a_stranger(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1)
    pid_file = Path(made.servers[0].pid_file)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        true_pid = made.pid("db1")
        pid_file.write_text(f"{stranger.pid}\n")
        assert made.pid("db1") == true_pid
        made.kill("db1")
        pid_file.write_text(f"{stranger.pid}\n")
        assert made.pid("db1") is None
        made.kill("db1")
        made.stop("db1")
        assert stranger.poll() is None
        assert made.start("db1") != stranger.pid
        made.wait_ready("db1")
    finally:
        stranger.kill()
        stranger.wait()


def test_a_directory_of_200_characters(sandbox: MakeSandbox, tmp_path: Path) -> None:
    deep = tmp_path / "d" / ("x" * 100)
    deep /= "y" * (200 - len(str(deep)) - 1)
    deep.parent.mkdir(parents=True)
    assert len(str(deep)) == 200
    made = sandbox(servers=1, haproxy=True, directory=deep)
    (server,), found = made.servers, made.description
    assert len(server.socket) <= 107
    assert ask(server, found.application, "SELECT 1", unix_socket=server.socket) == ((1,),)
    sockets = Path(found.socket_dir)
    assert sockets.stat().st_mode & 0o777 == 0o700
    for name in made.names:
        made.kill(name)
    shutil.rmtree(sockets)
    made.start_all()
    assert ask(server, found.application, "SELECT 1", unix_socket=server.socket) == ((1,),)
    made.destroy()
    assert not sockets.exists()
    assert not deep.exists()


def test_a_directory_with_characters_that_mean_something(sandbox: MakeSandbox, tmp_path: Path) -> None:
    made = sandbox(servers=1, haproxy=True, directory=tmp_path / "a b#c'd$e%f é,g\\h;i&j=k:l")
    assert ask(made.servers[0], made.description.application, "SELECT 1") == ((1,),)
    assert writers_up(made) in ([], ["db1"])
    with pytest.raises(SandboxError, match="choose another place"):
        Sandbox.create(tmp_path / 'a"b')


@pytest.mark.parametrize("place", ["/proc/there", "/dev/null"])
def test_a_place_that_cannot_be_a_directory(place: str) -> None:
    with pytest.raises(SandboxError, match="choose another place"):
        Sandbox.create(Path(place))


@pytest.mark.parametrize("cluster", ["", "a b", 'a"', "-a", "a\n"])
def test_a_cluster_is_named_as_the_configuration_can_name_it(tmp_path: Path, cluster: str) -> None:
    with pytest.raises(SandboxError, match="is no name for a cluster"):
        Sandbox.create(tmp_path / "new", cluster=cluster)
    assert not (tmp_path / "new").exists()


def test_sockets_are_not_put_into_a_directory_of_others(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1, start=False)
    sockets = Path(made.description.socket_dir)
    sockets.rmdir()
    elsewhere = made.directory / "elsewhere"
    elsewhere.mkdir()
    sockets.symlink_to(elsewhere)
    with pytest.raises(SandboxError, match="not private"):
        made.start("db1")


def test_an_unfinished_sandbox_is_not_used_and_can_be_destroyed(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1, start=False)
    description.write(made.directory, replace(made.description, complete=False))
    with pytest.raises(SandboxError, match="never finished"):
        Sandbox.load(made.directory)
    Sandbox.destroy_at(made.directory)
    assert not made.directory.exists()


def test_an_unreadable_sandbox_can_be_destroyed(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1, haproxy=True)
    (made.directory / "sandbox.json").write_text("{")
    with pytest.raises(SandboxError, match="destroy"):
        Sandbox.load(made.directory)
    Sandbox.destroy_at(made.directory)
    assert not made.directory.exists()
    assert [made.pid(name) for name in made.names] == [None, None]


def test_a_moved_sandbox_is_not_used(sandbox: MakeSandbox, tmp_path: Path) -> None:
    made = sandbox(servers=1, start=False)
    made.directory.rename(tmp_path / "moved")
    with pytest.raises(SandboxError, match="move it back"):
        Sandbox.load(tmp_path / "moved")
    Sandbox.destroy_at(tmp_path / "moved")
    assert not (tmp_path / "moved").exists()


def test_create_touches_nobody_elses_files(sandbox: MakeSandbox, tmp_path: Path) -> None:
    (tmp_path / "db1").mkdir()
    with pytest.raises(SandboxError, match="db1"):
        Sandbox.create(tmp_path, 1)
    (tmp_path / "db1").rmdir()
    (tmp_path / "mine").write_text("mine")
    made = sandbox(servers=1, start=False, directory=tmp_path)
    with pytest.raises(SandboxError, match="sandbox already"):
        Sandbox.create(tmp_path, 1)
    made.destroy()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_port_that_somebody_took_is_named(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1, start=False)
    port = made.servers[0].port
    with closing(socket.create_server(("127.0.0.1", port))), pytest.raises(SandboxError, match=f"port {port}"):
        made.start("db1")


def test_a_server_that_cannot_start_says_why(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1, start=False)
    with open(made.servers[0].config, "a") as config:
        config.write("no_such_option = 1\n")
    with pytest.raises(SandboxError, match="no_such_option"):
        made.start_all()


def test_a_haproxy_that_cannot_start_says_why(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=1, haproxy=True, start=False)
    assert made.haproxy is not None
    with open(made.haproxy.config, "a") as config:
        config.write("    no-such-keyword\n")
    with pytest.raises(SandboxError, match="no-such-keyword"):
        made.start("haproxy")


class Agent:
    """Answers HAProxy's agent checks as repman's probes do."""

    def __init__(self, port: int) -> None:
        self.writer = ""
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                role, _, address = self.rfile.readline().decode().split()
                self.wfile.write(b"up\n" if role == "read" or address == outer.writer else b"down\n")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def writers_up(made: Sandbox) -> list[str]:
    assert made.haproxy is not None
    with closing(socket.socket(socket.AF_UNIX)) as runtime:
        runtime.connect(made.haproxy.stats_socket)
        runtime.sendall(b"show servers state service_write\n")
        told = b"".join(iter(lambda: runtime.recv(65536), b"")).decode()
    rows = [line.split() for line in told.splitlines()[2:] if line]
    return [row[3] for row in rows if row[5] == "2"]


@contextmanager
def agent(made: Sandbox) -> Iterator[Agent]:
    answering = Agent(made.description.probes_port)
    try:
        yield answering
    finally:
        answering.close()


def through(made: Sandbox) -> str:
    """Port of the server that HAProxy's write port leads to, or the error's class."""
    assert made.haproxy is not None
    account = made.description.application
    try:
        ((port,),) = ask(made.servers[0], account, "SELECT @@port", port=made.haproxy.write_port)
    except pymysql.err.OperationalError:
        return "refused"
    return str(port)


def test_haproxy_alone_finds_the_writer_by_probes_and_never_two(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=3, haproxy=True, start=False)
    with agent(made) as answering:
        answering.writer = made.servers[1].address
        made.start_all()
        for _ in range(2):
            seen: set[tuple[str, ...]] = set()
            wait_until(lambda seen=seen: bool(seen.add(tuple(writers_up(made))) or ("db2",) in seen))
            assert seen <= {(), ("db2",)}
            assert through(made) == str(made.servers[1].port)
            made.kill("haproxy")
            made.start("haproxy")
        wait_until(lambda: writers_up(made) == ["db2"])
        answering.writer = made.servers[2].address
        wait_until(lambda: writers_up(made) == ["db3"])
        assert through(made) == str(made.servers[2].port)
    time.sleep(1.2)
    assert through(made) == str(made.servers[2].port), "without its agent HAProxy has to keep what it was told"


def test_haproxy_started_without_any_probe_guesses_no_writer(sandbox: MakeSandbox) -> None:
    made = sandbox(servers=2, haproxy=True)
    wait_until(lambda: len(writers_up(made)) == 2)
    assert through(made) == "refused"


def as_nobody(place: Path) -> None:
    """A whole life of a sandbox, in a process that belongs to nobody."""
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    made = Sandbox.create(place, 2)
    made.start_all()
    for row in made.status():
        assert Path(f"/proc/{row.pid}").stat().st_uid == nobody.pw_uid
    made.kill("db2")
    made.start_all()
    assert ask(made.servers[1], made.description.monitor, "SELECT @@read_only") == ((1,),)
    made.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_an_ordinary_user_can_have_one() -> None:
    place = Path("/tmp") / f"repman-test-{os.getpid()}"
    place.mkdir(mode=0o755)
    shutil.chown(place, "nobody")
    life = multiprocessing.get_context("fork").Process(target=as_nobody, args=(place / "s",))
    try:
        life.start()
        life.join(60)
        assert life.exitcode == 0
        assert not list(place.iterdir())
    finally:
        life.kill()
        if (place / "s").exists():
            Sandbox.destroy_at(place / "s")
        place.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give root up")
def test_root_gives_root_up_where_the_path_allows_it(sandbox: MakeSandbox) -> None:
    place = Path("/tmp") / f"repman-test-{os.getpid()}"
    made = sandbox(servers=1, directory=place)
    assert Path(f"/proc/{made.pid('db1')}").stat().st_uid == pwd.getpwnam("mysql").pw_uid


def test_a_mark_needs_program_and_argument() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        try:
            wait_until(lambda: process.Mark(frozenset({"sleep"}), ("60",)).owns(sleeper.pid))
            assert not process.Mark(frozenset({"sleep"}), ("61",)).owns(sleeper.pid)
            assert not process.Mark(frozenset({"mariadbd"}), ("60",)).owns(sleeper.pid)
        finally:
            sleeper.kill()
    assert not process.Mark(frozenset({"sleep"}), ("60",)).owns(sleeper.pid)
