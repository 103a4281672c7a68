"""The orchestrator of a sandbox: servers and HAProxy are processes of this machine."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path

from repman.errors import SandboxError
from repman.model.service import Host, Service, ServiceState
from repman.orchestrators import builder, procfs
from repman.orchestrators.description import BalancerEntry, ServerEntry
from repman.orchestrators.procfs import Machine
from repman.orchestrators.sandbox import Sandbox


class LocalOrchestrator:
    """Starts, ends, makes and unmakes the processes of one sandbox, by address."""

    def __init__(self, directory: Path) -> None:
        """Raises SandboxError when there is no sandbox in that directory."""
        self._sandbox = Sandbox.load(directory)
        self._names = {server.address: server.name for server in self._sandbox.servers}
        balancer = self._sandbox.haproxy
        self._balancers = {f"{balancer.host}:{balancer.write_port}": balancer.name} if balancer else {}

    def controls(self, address: str) -> bool:
        """Whether that server is one of the sandbox's."""
        return address in self._names

    def running(self, address: str) -> bool:
        """Whether its process exists (a frozen one does).  Raises SandboxError for a stranger's address."""
        return self._sandbox.pid(self._name(address)) is not None

    def kill(self, address: str, timeout: float) -> None:
        """Kill its process at once and wait until it is gone.  Raises SandboxError."""
        self._sandbox.kill(self._name(address), timeout)

    def stop(self, address: str, timeout: float) -> None:
        """Shut its process down cleanly and wait until it is gone.  Raises SandboxError."""
        self._sandbox.stop(self._name(address), timeout)

    def start(self, address: str) -> None:
        """Start it read-only, not waiting until it answers; nothing when it runs.  Raises SandboxError."""
        self._sandbox.start(self._name(address))

    def provisioned(self, address: str) -> bool:
        """Whether it has a data directory.  Raises SandboxError for a stranger's address."""
        return builder.provisioned(self._sandbox.entry(self._name(address)))

    def provision(self, address: str, timeout: float) -> None:
        """Make its data directory with the sandbox's accounts; starts nothing.  Raises SandboxError."""
        self._sandbox.provision(self._name(address), timeout)

    def unprovision(self, address: str, timeout: float) -> None:
        """Stop it and remove its data directory.  Raises SandboxError."""
        self._sandbox.unprovision(self._name(address), timeout)

    def configuration(self, address: str) -> dict[str, str]:
        """Its option file, or HAProxy's configuration.  Raises SandboxError."""
        planned = self._sandbox.description
        entry = self._sandbox.entry(self._names.get(address) or self._balancer(address))
        if isinstance(entry, ServerEntry):
            return {"etc/mysql/conf.d/repman.cnf": builder.server_configuration(planned, entry)}
        return {"etc/haproxy/haproxy.cfg": builder.balancer_configuration(planned, entry)}

    def hosts(self, timeout: float) -> tuple[Host, ...]:
        """This machine with all processes of the sandbox."""
        machine = _this_machine()
        services = tuple(self._service(machine, entry) for entry in self._sandbox.entries)
        return (replace(procfs.host(machine), services=services),)

    def controls_balancer(self, address: str) -> bool:
        """Whether it is the sandbox's HAProxy."""
        return address in self._balancers

    def start_balancer(self, address: str, timeout: float) -> None:
        """Start HAProxy: it lets nobody through until its checks and repman have spoken.  Raises SandboxError."""
        self._sandbox.start(self._balancer(address))

    def stop_balancer(self, address: str, timeout: float) -> None:
        """Stop HAProxy; its sessions end.  Raises SandboxError."""
        self._sandbox.stop(self._balancer(address), timeout)

    def provision_balancer(self, address: str, timeout: float) -> None:
        """Write HAProxy's configuration.  Raises SandboxError."""
        self._sandbox.provision(self._balancer(address), timeout)

    def unprovision_balancer(self, address: str, timeout: float) -> None:
        """Stop HAProxy and remove its configuration.  Raises SandboxError."""
        self._sandbox.unprovision(self._balancer(address), timeout)

    def _service(self, machine: Machine, entry: ServerEntry | BalancerEntry) -> Service:
        pid = self._sandbox.pid(entry.name)
        state, usage = procfs.state_and_usage(machine, _read(f"/proc/{pid}/stat")) if pid else (None, None)
        if state is None or state is ServiceState.STOPPED:
            pid = None
            there = builder.provisioned(entry)
            state = ServiceState.STOPPED if there else ServiceState.UNPROVISIONED
        database = isinstance(entry, ServerEntry)
        return Service(
            name=entry.name,
            kind="database" if database else "proxy",
            address=entry.address if isinstance(entry, ServerEntry) else f"{entry.host}:{entry.write_port}",
            state=state,
            pid=pid,
            usage=usage,
            disk_bytes=_disk_usage(Path(entry.datadir)) if isinstance(entry, ServerEntry) else None,
        )

    def _name(self, address: str) -> str:
        try:
            return self._names[address]
        except KeyError as error:
            raise SandboxError(f"{address} is not a server of the sandbox {self._sandbox.directory}") from error

    def _balancer(self, address: str) -> str:
        try:
            return self._balancers[address]
        except KeyError as error:
            raise SandboxError(f"{address} is not the HAProxy of the sandbox {self._sandbox.directory}") from error


def _this_machine() -> Machine:
    return Machine(
        hostname=platform.node(),
        meminfo=_read("/proc/meminfo"),
        cpuinfo=_read("/proc/cpuinfo"),
        uptime=_read("/proc/uptime"),
        kernel=platform.release(),
        os_release=_read("/etc/os-release"),
        ticks=os.sysconf("SC_CLK_TCK"),
        page=os.sysconf("SC_PAGE_SIZE"),
    )


def _read(path: str) -> str:
    """A text of the kernel; empty when it is gone."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _disk_usage(directory: Path) -> int | None:
    """Bytes that the files below really take; files may come and go meanwhile."""
    if not directory.is_dir():
        return None
    total = 0
    for place, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
    return total
