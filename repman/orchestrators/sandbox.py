"""A sandbox: database servers (and a HAProxy) as local processes under one directory.

The processes are nobody's children: each has a session of its own, inherits no descriptor, and lives on when
the program that started it dies.
"""

from __future__ import annotations

import fcntl
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from repman.errors import SandboxError
from repman.orchestrators import builder, description, mongodb_sets, network, process
from repman.orchestrators.description import BalancerEntry, Description, ServerEntry
from repman.orchestrators.mongodb_files import KIND, Layout

_STOP_TIMEOUT = 30.0
_KILL_TIMEOUT = 10.0
_START_TIMEOUT = 30.0
_LOCK_TIMEOUT = 5.0
_PROVISION_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """Whether one process of a sandbox runs."""

    name: str
    kind: str
    """``server`` or ``haproxy``."""
    address: str
    pid: int | None
    """None: it does not run."""
    directory: str


class Sandbox:
    """The processes of one directory, by name: ``db1`` and so on, and ``haproxy``."""

    def __init__(self, directory: Path, found: Description) -> None:
        self.directory = directory
        self.description = found

    @classmethod
    def create(
        cls,
        directory: Path,
        servers: int = 3,
        *,
        haproxy: bool = True,
        cluster: str = "demo",
        probes_port: int | None = None,
        layout: Layout | None = None,
    ) -> Sandbox:
        """Make the files of a new sandbox; starts nothing.

        `probes_port` is where repman will answer HAProxy's agent checks; by default a free port is chosen
        and recorded.  With a `layout` the servers are MongoDB's, as many as it says; one of a sharded cluster has no
        HAProxy.  Raises SandboxError.
        """
        directory = directory.resolve()
        haproxy = haproxy and not (layout and layout.shards)
        found = builder.plan(directory, servers, haproxy, cluster, probes_port, layout)
        builder.build(directory, found)
        return cls(directory, replace(found, complete=True))

    @classmethod
    def load(cls, directory: Path) -> Sandbox:
        """The sandbox in that directory.  Raises SandboxError."""
        directory = directory.resolve()
        found = description.read(directory)
        if not found.complete:
            raise SandboxError(
                f"the sandbox {directory} was never finished; "
                f"destroy it (repman sandbox destroy {directory}) and create it again"
            )
        moved_from = Path(found.servers[0].config).parents[1]
        if moved_from != directory:
            raise SandboxError(
                f"the sandbox {directory} was made in {moved_from} and works there only; move it back, or "
                f"destroy it (repman sandbox destroy {directory}) and create it again"
            )
        return cls(directory, found)

    @property
    def servers(self) -> tuple[ServerEntry, ...]:
        """Its database servers."""
        return self.description.servers

    @property
    def haproxy(self) -> BalancerEntry | None:
        """Its HAProxy, if it has one."""
        return self.description.haproxy

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all its processes."""
        return tuple(entry.name for entry in self.entries)

    def pid(self, name: str) -> int | None:
        """The pid of that process, or None when it does not run.  Raises SandboxError for an unknown name."""
        entry = self.entry(name)
        return process.find(entry.mark, Path(entry.pid_file))

    def status(self) -> tuple[ProcessStatus, ...]:
        """All processes."""
        return tuple(
            ProcessStatus(
                name=entry.name,
                kind="server" if isinstance(entry, ServerEntry) else "haproxy",
                address=_address(entry),
                pid=self.pid(entry.name),
                directory=str(Path(entry.config).parent),
            )
            for entry in self.entries
        )

    def start(self, name: str) -> int:
        """Start that process unless it runs; returns its pid without waiting until it answers.

        Database servers start read-only.  Raises SandboxError.
        """
        entry = self.entry(name)
        pid_file = Path(entry.pid_file)
        with self._starting(entry):
            running = process.find(entry.mark, pid_file)
            if running is not None:
                return running
            if not builder.provisioned(entry):
                raise SandboxError(f"{name} is not provisioned: there is nothing to start; provision it first")
            builder.prepare_socket_directory(self.description)
            self._require_free_ports(entry)
            # One that somebody else left there could not be written over, and the server would end.
            pid_file.unlink(missing_ok=True)
            if isinstance(entry, ServerEntry):
                return process.spawn(entry.start, entry.mark, pid_file, Path(entry.log))
            return process.launch(entry.start, entry.mark, pid_file)

    def start_all(self, timeout: float = _START_TIMEOUT) -> None:
        """Start what does not run and wait until every database server answers.  Raises SandboxError."""
        deadline = time.monotonic() + timeout
        for name in self.names:
            self.start(name)
        for server in self.servers:
            self.wait_ready(server.name, max(0.0, deadline - time.monotonic()))
        if self.description.kind == KIND:
            mongodb_sets.make_sets(self.description, timeout)

    def wait_ready(self, name: str, timeout: float = _START_TIMEOUT) -> None:
        """Wait until that database server greets its clients.  Raises SandboxError."""
        server = self.server(name)
        deadline = time.monotonic() + timeout
        while not self._answers(server, min(0.5, max(0.0, deadline - time.monotonic()))):
            if self.pid(name) is None or time.monotonic() > deadline:
                raise SandboxError(
                    f"{name} does not answer on {server.address}; "
                    f"{server.log} ends with: {process.tail(Path(server.log))}"
                )

    def _answers(self, server: ServerEntry, timeout: float) -> bool:
        if self.description.kind == KIND:
            return mongodb_sets.answers(server, timeout)
        return network.greets(server.port, timeout)

    def stop(self, name: str, timeout: float = _STOP_TIMEOUT) -> None:
        """Shut that process down cleanly and wait until it is gone.  Raises SandboxError."""
        if not process.end(self.entry(name).mark, signal.SIGTERM, timeout):
            raise SandboxError(
                f"{name} did not stop within {timeout:g} s; end it with: repman sandbox kill {self.directory} {name}"
            )

    def kill(self, name: str, timeout: float = _KILL_TIMEOUT) -> None:
        """Kill that process (SIGKILL) and wait until it is gone.  Raises SandboxError."""
        if not process.end(self.entry(name).mark, signal.SIGKILL, timeout):
            raise SandboxError(f"{name} did not die within {timeout:g} s; the kernel holds it, look at dmesg")

    def provision(self, name: str, timeout: float = _PROVISION_TIMEOUT) -> None:
        """Make its data directory (or HAProxy's configuration), under the name, port and server_id it always had.

        Starts nothing.  Raises SandboxError, also when there is one already.
        """
        entry = self.entry(name)
        with self._starting(entry):
            if self.pid(name) is not None:
                raise SandboxError(f"{name} runs, although it has no data any more; stop or kill it first")
            builder.provision(self.description, entry, timeout)

    def unprovision(self, name: str, timeout: float = _STOP_TIMEOUT) -> None:
        """Stop that process cleanly and remove its data; it keeps its place in the sandbox.  Raises SandboxError."""
        entry = self.entry(name)
        with self._starting(entry):
            self.stop(name, timeout)
            builder.unprovision(entry)

    def destroy(self) -> None:
        """Kill all processes and remove everything the sandbox made.  Raises SandboxError."""
        for name in self.names:
            self.kill(name)
        builder.remove(self.directory, self.description)

    @classmethod
    def destroy_at(cls, directory: Path) -> None:
        """Destroy what there is of a sandbox in that directory, finished and readable or not.

        Raises SandboxError when there is none.
        """
        directory = directory.resolve()
        try:
            found = description.read(directory)
        except SandboxError:
            if not (directory / description.FILE).exists():
                raise
            for mark in builder.remains(directory):
                process.end(mark, signal.SIGKILL, _KILL_TIMEOUT)
            builder.remove_remains(directory)
        else:
            cls(directory, found).destroy()

    def server(self, name: str) -> ServerEntry:
        """The database server of that name.  Raises SandboxError."""
        for server in self.servers:
            if server.name == name:
                return server
        raise SandboxError(f"no server {name!r} here; there are {', '.join(s.name for s in self.servers)}")

    @property
    def entries(self) -> tuple[ServerEntry | BalancerEntry, ...]:
        """All its processes."""
        return (*self.servers, self.haproxy) if self.haproxy else self.servers

    def entry(self, name: str) -> ServerEntry | BalancerEntry:
        """The process of that name.  Raises SandboxError."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise SandboxError(f"no process {name!r} here; there are {', '.join(self.names)}")

    @contextmanager
    def _starting(self, entry: ServerEntry | BalancerEntry) -> Iterator[None]:
        """One starter at a time; a start takes a moment only, for it does not wait for the server."""
        deadline = time.monotonic() + _LOCK_TIMEOUT
        home = Path(entry.config).parent
        home.mkdir(exist_ok=True)
        with open(home / "start.lock", "a") as file:
            while not _locked(file):
                if time.monotonic() > deadline:
                    raise SandboxError(f"{entry.name} is being started by another program for too long; try again")
                time.sleep(0.01)
            yield

    def _require_free_ports(self, entry: ServerEntry | BalancerEntry) -> None:
        ports = (entry.port,) if isinstance(entry, ServerEntry) else (entry.write_port, entry.read_port)
        for port in ports:
            if not network.port_is_free(port):
                raise SandboxError(
                    f"port {port} of {entry.name} is taken by another program; end that program, or "
                    f"destroy the sandbox (repman sandbox destroy {self.directory}) and create it again"
                )


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _address(entry: ServerEntry | BalancerEntry) -> str:
    if isinstance(entry, ServerEntry):
        return entry.address
    return f"{entry.host}:{entry.write_port} (write), {entry.host}:{entry.read_port} (read)"
