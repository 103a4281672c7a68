"""The orchestrator of hosts that somebody else runs: their servers are started and ended over SSH."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from repman.errors import HostError
from repman.model.service import Host, Service, ServiceState
from repman.orchestrators import builder, procfs
from repman.orchestrators.description import Account
from repman.orchestrators.procfs import Machine
from repman.orchestrators.remote import Place, Remote
from repman.orchestrators.ssh import Ssh

_QUICK = 10.0
_START = 10.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Scripts:
    """Scripts by deed; without one, systemd starts and stops, and nothing is provisioned."""

    start: Path | None = None
    stop: Path | None = None
    provision: Path | None = None
    unprovision: Path | None = None
    start_balancer: Path | None = None
    stop_balancer: Path | None = None


@dataclass(frozen=True, slots=True)
class Estate:
    """What there is to run."""

    cluster: str
    servers: Mapping[str, Place]
    """By address."""
    balancers: Mapping[str, Place] = field(default_factory=dict)
    """By the ``host:port`` on which they take writes."""
    monitor: Account | None = None
    """The account that a provisioned server must have for repman; the next one for its replicas."""
    replication: Account | None = None


class OnPremiseOrchestrator:
    """Starts and ends the database servers of one cluster, each on its host."""

    def __init__(self, ssh: Ssh, estate: Estate, scripts: Scripts) -> None:
        """Nobody is spoken to before the first call.  All calls raise HostError, or HostUnreachable."""
        self._remote = Remote(ssh, estate.cluster)
        self._estate = estate
        self._scripts = scripts

    def controls(self, address: str) -> bool:
        """Whether it is one of the cluster's servers."""
        return address in self._estate.servers

    def running(self, address: str) -> bool:
        """Whether a server listens on its port there (a frozen one does)."""
        place = self._server(address)
        return bool(self._remote.ask(place.host, _QUICK, "find", str(place.port)).strip())

    def kill(self, address: str, timeout: float) -> None:
        """SIGKILL, and wait until the process is gone; nothing when none listens."""
        place = self._server(address)
        self._remote.ask(place.host, timeout, "end", "KILL", str(place.port))

    def stop(self, address: str, timeout: float) -> None:
        """By the stop script, else a clean shutdown by SIGTERM; waits until the process is gone.

        The script is never broken off after less than ten seconds, however short `timeout` is.
        """
        place = self._server(address)
        if self._scripts.stop is not None:
            self._remote.run_script(place, self._scripts.stop, max(timeout, _QUICK))
        self._remote.ask(place.host, timeout, "end", "TERM", str(place.port))

    def start(self, address: str) -> None:
        """By the start script, else ``systemctl start mariadb``; not waiting until it answers."""
        place = self._server(address)
        if self._scripts.start is not None:
            self._remote.run_script(place, self._scripts.start, _START)
        else:
            self._remote.systemctl(place, "start", "mariadb", _START)

    def provisioned(self, address: str) -> None:
        """Only the host could tell."""
        self._server(address)

    def provision(self, address: str, timeout: float) -> None:
        """By the provisioning script, which is told the accounts that the server must have."""
        place = self._server(address)
        if self._scripts.provision is None:
            raise HostError(
                f"nothing says how {place.name} is provisioned: set onpremise-ssh-provision-db-script, or install the "
                "server yourself and give it the accounts of db-servers-credential and replication-credential"
            )
        if self.running(address):
            raise HostError(f"{place.name} runs; what it has is never written over: unprovision it first")
        self._remote.run_script(place, self._scripts.provision, timeout, _secrets(self._estate))

    def unprovision(self, address: str, timeout: float) -> None:
        """Stop it, then the unprovisioning script."""
        place = self._server(address)
        if self._scripts.unprovision is None:
            raise HostError(
                f"nothing says how the data of {place.name} is removed: set onpremise-ssh-unprovision-db-script, or "
                "stop the server and remove its data yourself"
            )
        self.stop(address, timeout)
        self._remote.run_script(place, self._scripts.unprovision, timeout)

    def configuration(self, address: str) -> dict[str, str]:
        """An option file to be added to those of the server's package."""
        return package_configuration(address, self._server(address).port)

    def hosts(self, timeout: float) -> tuple[Host, ...]:
        """All hosts, asked at the same time; one that cannot be asked says why."""
        by_host: dict[str, dict[str, Place]] = {}
        for address, place in self._estate.servers.items():
            by_host.setdefault(place.host, {})[address] = place
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            return tuple(pool.map(lambda pair: self._host(pair[0], pair[1], timeout), by_host.items()))

    def controls_balancer(self, address: str) -> bool:
        """Whether it is one of the cluster's balancers."""
        return address in self._estate.balancers

    def start_balancer(self, address: str, timeout: float) -> None:
        """By its start script, else ``systemctl start haproxy``."""
        self._steer_balancer(address, "start", self._scripts.start_balancer, timeout)

    def stop_balancer(self, address: str, timeout: float) -> None:
        """By its stop script, else ``systemctl stop haproxy``."""
        self._steer_balancer(address, "stop", self._scripts.stop_balancer, timeout)

    def provision_balancer(self, address: str, timeout: float) -> None:
        """Not over SSH: always raises HostError."""
        raise HostError(f"the configuration of {self._balancer(address).name} is not repman's to write over SSH")

    def unprovision_balancer(self, address: str, timeout: float) -> None:
        """Not over SSH: always raises HostError."""
        raise HostError(f"the configuration of {self._balancer(address).name} is not repman's to remove over SSH")

    def _host(self, host: str, places: Mapping[str, Place], timeout: float) -> Host:
        ports = [str(place.port) for place in places.values()]
        try:
            parts = _parts(self._remote.ask(host, timeout, "show", *ports).decode(errors="replace"))
            machine = _machine(parts)
        except (HostError, ValueError, KeyError) as error:
            lost = tuple(Service(p.name, "database", a, ServiceState.UNKNOWN) for a, p in places.items())
            return Host(host, error=str(error), services=lost)
        services = tuple(_service(machine, parts, address, place) for address, place in places.items())
        return replace(procfs.host(machine), services=services)

    def _steer_balancer(self, address: str, verb: str, script: Path | None, timeout: float) -> None:
        place = self._balancer(address)
        if script is not None:
            self._remote.run_script(place, script, timeout)
        else:
            self._remote.systemctl(place, verb, "haproxy", timeout)

    def _server(self, address: str) -> Place:
        if address not in self._estate.servers:
            raise HostError(f"{address} is no server of the cluster {self._estate.cluster}")
        return self._estate.servers[address]

    def _balancer(self, address: str) -> Place:
        if address not in self._estate.balancers:
            raise HostError(f"{address} is no balancer of the cluster {self._estate.cluster}")
        return self._estate.balancers[address]


def package_configuration(address: str, port: int) -> dict[str, str]:
    """An option file for a server of the system's package; its server_id is made of its address."""
    return {"etc/mysql/conf.d/repman.cnf": builder.replication_configuration(port, zlib.crc32(address.encode()) or 1)}


def _parts(text: str) -> dict[str, str]:
    """The answer of ``show``, by the heads of its parts."""
    parts: dict[str, str] = {}
    for block in text.split("@@")[1:]:
        head, _, body = block.partition("\n")
        parts[head] = body
    return parts


def _machine(parts: Mapping[str, str]) -> Machine:
    return Machine(
        hostname=parts["hostname"],
        meminfo=parts["meminfo"],
        cpuinfo=parts["cpuinfo"],
        uptime=parts["uptime"],
        kernel=parts["kernel"],
        os_release=parts["os_release"],
        ticks=int(parts["ticks"]),
        page=int(parts["page"]),
    )


def _service(machine: Machine, parts: Mapping[str, str], address: str, place: Place) -> Service:
    pid = parts.get(f"pid {place.port}", "").strip()
    if not pid.isdecimal():
        state = ServiceState.UNKNOWN if pid else ServiceState.STOPPED
        return Service(place.name, "database", address, state)
    state, usage = procfs.state_and_usage(machine, parts.get(f"stat {place.port}", ""))
    blocks = parts.get(f"disk {place.port}", "").split()
    disk = int(blocks[0]) * 1024 if blocks and blocks[0].isdecimal() else None
    return Service(place.name, "database", address, state, int(pid), usage, disk)


def _secrets(estate: Estate) -> dict[str, str]:
    """The accounts a server must have: over the connection only, and then in the environment of the script."""
    told = {}
    for prefix, account in (("HOST", estate.monitor), ("REPLICATION", estate.replication)):
        if account is not None:
            told[f"REPLICATION_MANAGER_{prefix}_USER"] = account.user
            told[f"REPLICATION_MANAGER_{prefix}_PASSWORD"] = account.password
    return told
