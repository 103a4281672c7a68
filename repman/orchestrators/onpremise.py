"""The orchestrator of hosts that somebody else runs: their servers are started and ended over SSH.

Scripts are files of this machine, sent over the connection and run there by ``sh``; what they need to know stands in
environment variables whose names replication-manager's scripts know.
"""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from repman.errors import HostError
from repman.model.service import Host, Service, ServiceState
from repman.orchestrators import builder, procfs
from repman.orchestrators.description import Account
from repman.orchestrators.procfs import Machine
from repman.orchestrators.ssh import Finished, Ssh

_QUICK = 10.0
_START = 60.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Place:
    """One server or balancer: where it is."""

    name: str
    host: str
    port: int


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
        self._ssh = ssh
        self._estate = estate
        self._scripts = scripts

    def controls(self, address: str) -> bool:
        """Whether it is one of the cluster's servers."""
        return address in self._estate.servers

    def running(self, address: str) -> bool:
        """Whether a server listens on its port there (a frozen one does)."""
        place = self._server(address)
        return bool(self._ask(place.host, _QUICK, "find", str(place.port)).output.strip())

    def kill(self, address: str, timeout: float) -> None:
        """SIGKILL, and wait until the process is gone; nothing when none listens."""
        place = self._server(address)
        self._ask(place.host, timeout, "end", "KILL", str(place.port))

    def stop(self, address: str, timeout: float) -> None:
        """By the stop script, else a clean shutdown by SIGTERM; waits until the process is gone."""
        place = self._server(address)
        if self._scripts.stop is not None:
            self._run_script(place, self._scripts.stop, timeout)
        self._ask(place.host, timeout, "end", "TERM", str(place.port))

    def start(self, address: str) -> None:
        """By the start script, else ``systemctl start mariadb``; not waiting until it answers."""
        place = self._server(address)
        if self._scripts.start is not None:
            self._run_script(place, self._scripts.start, _START)
        else:
            self._systemctl(place, "start", "mariadb", _START)

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
        self._run_script(place, self._scripts.provision, timeout, self._secrets())

    def unprovision(self, address: str, timeout: float) -> None:
        """Stop it, then the unprovisioning script."""
        place = self._server(address)
        if self._scripts.unprovision is None:
            raise HostError(
                f"nothing says how the data of {place.name} is removed: set onpremise-ssh-unprovision-db-script, or "
                "stop the server and remove its data yourself"
            )
        self.stop(address, timeout)
        self._run_script(place, self._scripts.unprovision, timeout)

    def configuration(self, address: str) -> dict[str, str]:
        """An option file to be added to those of the server's package."""
        place = self._server(address)
        text = builder.replication_configuration(place.host, place.port, zlib.crc32(address.encode()) or 1)
        return {"etc/mysql/conf.d/repman.cnf": text}

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
            parts = _parts(self._ask(host, timeout, "show", *ports).output.decode(errors="replace"))
            machine = _machine(parts)
        except (HostError, ValueError, KeyError) as error:
            lost = tuple(Service(p.name, "database", a, ServiceState.UNKNOWN) for a, p in places.items())
            return Host(host, error=str(error), services=lost)
        services = tuple(_service(machine, parts, address, place) for address, place in places.items())
        return replace(procfs.host(machine), services=services)

    def _steer_balancer(self, address: str, verb: str, script: Path | None, timeout: float) -> None:
        place = self._balancer(address)
        if script is not None:
            self._run_script(place, script, timeout)
        else:
            self._systemctl(place, verb, "haproxy", timeout)

    def _systemctl(self, place: Place, verb: str, unit: str, timeout: float) -> None:
        argv = ["systemctl", verb, unit]
        as_root = argv if self._ssh.access.user == "root" else ["sudo", "-n", *argv]
        _require(self._ssh.run(place.host, as_root, timeout), " ".join(argv), place.host)

    def _run_script(self, place: Place, script: Path, timeout: float, more: Mapping[str, str] | None = None) -> None:
        told = {
            "REPLICATION_MANAGER_CLUSTER_NAME": self._estate.cluster,
            "REPLICATION_MANAGER_HOST_NAME": place.host,
            "REPLICATION_MANAGER_HOST_PORT": str(place.port),
            "REPLICATION_MANAGER_SERVER_NAME": place.name,
            **(more or {}),
        }
        try:
            text = script.read_bytes()
        except OSError as error:
            raise HostError(f"the script {script} cannot be read: {error.strerror}; correct its option") from error
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in told.items())
        finished = self._ssh.run(place.host, ["sh", "-s"], timeout, input=exports.encode() + text)
        _require(finished, str(script), place.host)

    def _secrets(self) -> dict[str, str]:
        """Over the connection only, and then in the environment of the script."""
        told = {}
        for prefix, account in (("HOST", self._estate.monitor), ("REPLICATION", self._estate.replication)):
            if account is not None:
                told[f"REPLICATION_MANAGER_{prefix}_USER"] = account.user
                told[f"REPLICATION_MANAGER_{prefix}_PASSWORD"] = account.password
        return told

    def _ask(self, host: str, timeout: float, *words: str) -> Finished:
        script = resources.files(__package__).joinpath("templates", "host.sh").read_bytes()
        finished = self._ssh.run(host, ["sh", "-s", "--", *words], timeout, input=script)
        _require(finished, words[0], host)
        return finished

    def _server(self, address: str) -> Place:
        if address not in self._estate.servers:
            raise HostError(f"{address} is no server of the cluster {self._estate.cluster}")
        return self._estate.servers[address]

    def _balancer(self, address: str) -> Place:
        if address not in self._estate.balancers:
            raise HostError(f"{address} is no balancer of the cluster {self._estate.cluster}")
        return self._estate.balancers[address]


def _require(finished: Finished, what: str, host: str) -> None:
    if finished.status != 0:
        said = finished.errors or finished.output.decode(errors="replace").strip()[-500:] or "it gave no reason"
        raise HostError(f"{what} on {host} ended with {finished.status}: {said}")


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
