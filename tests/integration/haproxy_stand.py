"""A real HAProxy, a real probe process and small TCP peers in the place of databases."""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from repman.model.decision import Routes, ServerState
from repman.model.observation import Reach, ServerSeen
from repman.model.policy import ServerPolicy
from repman.model.probe import probe_table
from repman.model.snapshot import FORMAT, ServerView, Snapshot
from repman.state.snapshots import Publisher

CLUSTER = "shop"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.005)
    return value


class _Peer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    name = b""


class _Talk(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Peer)
        try:
            self.request.sendall(self.server.name + b"\n")
            while data := self.request.recv(100):
                self.request.sendall(data)
        except OSError:
            pass


class Peer:
    """Says its name to whoever connects, then echoes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._server: _Peer | None = None
        self.start()

    def start(self) -> None:
        self._server = _Peer(("127.0.0.1", self.port), _Talk)
        self._server.name = self.name.encode()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class Probes:
    """The probe process, and the monitor's publications that it reads."""

    def __init__(self, rundir: Path, peers: Sequence[Peer], share_port: bool = False) -> None:
        self.port = free_port()
        self._share_port = share_port
        self._rundir = rundir
        self._peers = peers
        self._publisher = Publisher(rundir)
        self.process: subprocess.Popen[bytes] | None = None

    def publish(self, writer: str, readers: Sequence[str], age: float = 0.0, policy: str = "keep") -> Routes:
        by_name = {peer.name: peer.address for peer in self._peers}
        routes = Routes(by_name.get(writer, ""), tuple(by_name[name] for name in readers))
        snapshot = _snapshot(self._peers, routes)
        table = replace(probe_table(snapshot, policy, 60.0), monotonic=time.monotonic() - age)
        self._publisher.publish(snapshot, table)
        return routes

    def start(self) -> None:
        arguments = f"Path({str(self._rundir)!r}), '127.0.0.1', {self.port}, share_port={self._share_port}"
        code = f"from pathlib import Path; from repman.probes.process import run; run({arguments})"
        self.process = subprocess.Popen([sys.executable, "-c", code])
        wait_until(self.answers)

    def answers(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        code = self.process.wait(10)
        self.process = None
        return code


class Balancer:
    """A HAProxy process."""

    def __init__(self, directory: Path, servers: dict[str, str], defaults: str = "") -> None:
        """`servers` holds the server lines of each backend."""
        self.socket = f"{directory}/haproxy.sock"
        self.ports = {"service_write": free_port(), "service_read": free_port()}
        self._config = directory / "haproxy.cfg"
        parts = [
            f"global\n  stats socket {self.socket} mode 600 level admin",
            "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1m\n  timeout server 1m\n"
            "  timeout queue 200ms\n  timeout check 500ms\n" + defaults,
        ]
        for backend, lines in servers.items():
            parts.append(
                # Without `on-marked-down shutdown-sessions`: cutting sessions is the driver's to prove.
                f"listen {backend}\n  bind 127.0.0.1:{self.ports[backend]}\n{lines}"
            )
        self._config.write_text("\n".join(parts) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(["haproxy", "-db", "-q", "-f", self._config])
        wait_until(lambda: os.path.exists(self.socket) and "Uptime" in self.ask("show info"))

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(self.socket)
            except ConnectionRefusedError:
                return ""
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def up(self, backend: str = "service_write") -> set[str]:
        """The servers HAProxy itself says are up."""
        lines = self.ask(f"show stat {backend} 4 -1").splitlines()
        return {
            line.split(",")[1] for line in lines if line.startswith(backend) and line.split(",")[17].startswith("UP")
        }

    def connect(self, backend: str = "service_write") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[backend]), 2)

    def reached(self, backend: str = "service_write") -> str:
        """The name of the peer that a new session gets to; empty when there is none."""
        with self.connect(backend) as session:
            try:
                return session.recv(100).decode().strip()
            except ConnectionResetError:
                return ""


def agent_lines(peers: Sequence[Peer], role: str, port: int, inter: str = "200ms") -> str:
    """The server lines agreed on: a TCP check of the database and an agent check of its role."""
    return "\n".join(
        f"  server {peer.name} {peer.address} check inter {inter} fall 2 rise 1 agent-check agent-inter {inter} "
        f'agent-addr 127.0.0.1 agent-port {port} agent-send "{role} {CLUSTER} {peer.address}\\n"'
        for peer in peers
    )


@contextmanager
def running(*things: Any) -> Iterator[None]:
    """Stop all of them in the end."""
    try:
        yield
    finally:
        for thing in things:
            thing.stop()


def _snapshot(peers: Sequence[Peer], routes: Routes) -> Snapshot:
    seen = [ServerSeen(peer.address, Reach.ANSWERED, at=0.0) for peer in peers]
    policies = [ServerPolicy(p.address, "127.0.0.1", p.port, f"id-{p.name}", p.name) for p in peers]
    views = [
        ServerView(policy, look, None, ServerState.SLAVE, ServerState.SLAVE, False, 0)
        for policy, look in zip(policies, seen, strict=True)
    ]
    return Snapshot(
        format=FORMAT,
        cluster=CLUSTER,
        at=time.time(),
        monotonic=time.monotonic(),
        generation=1,
        run="run",
        active=True,
        lease="held",
        paused=False,
        writer=routes.writer,
        writer_alive=True,
        topology="master-slave",
        protected=True,
        blocked_by=(),
        refusals=(),
        problems=(),
        routes=routes,
        servers=tuple(views),
    )
