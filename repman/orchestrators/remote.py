"""What is run on a host of databases: scripts of ours and of the operator, and systemd.

Scripts are files of this machine, sent over the connection and run there by ``sh``; what they need to know stands in
environment variables whose names replication-manager's scripts know.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from repman.errors import HostError
from repman.orchestrators.ssh import Finished, Ssh


@dataclass(frozen=True, slots=True)
class Place:
    """One server or balancer: where it is."""

    name: str
    host: str
    port: int


class Remote:
    """The hosts of one cluster.  All calls raise HostError, or HostUnreachable."""

    def __init__(self, ssh: Ssh, cluster: str) -> None:
        self.ssh = ssh
        self._cluster = cluster

    def ask(self, host: str, timeout: float, *words: str) -> bytes:
        """The answer of our own script to those words."""
        script = resources.files(__package__).joinpath("templates", "host.sh").read_bytes()
        finished = self.ssh.run(host, ["sh", "-s", "--", *words], timeout, input=script)
        _require(finished, words[0], host)
        return finished.output

    def run_script(self, place: Place, script: Path, timeout: float, more: Mapping[str, str] | None = None) -> None:
        """Run a script of the operator for a server there, with `more` in its environment."""
        told = {
            "REPLICATION_MANAGER_CLUSTER_NAME": self._cluster,
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
        _require(
            self.ssh.run(place.host, ["sh", "-s"], timeout, input=exports.encode() + text), str(script), place.host
        )

    def systemctl(self, place: Place, verb: str, unit: str, timeout: float) -> None:
        """``systemctl`` there; a start is not waited for."""
        argv = ["systemctl", verb, *(["--no-block"] if verb == "start" else []), unit]
        as_root = argv if self.ssh.access.user == "root" else ["sudo", "-n", *argv]
        _require(self.ssh.run(place.host, as_root, timeout), " ".join(argv), place.host)


def _require(finished: Finished, what: str, host: str) -> None:
    if finished.status != 0:
        said = finished.errors or finished.output.decode(errors="replace").strip()[-500:] or "it gave no reason"
        raise HostError(f"{what} on {host} ended with {finished.status}: {said}")
