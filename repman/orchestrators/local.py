"""The orchestrator of a sandbox: the servers are processes of this machine."""

from __future__ import annotations

from pathlib import Path

from repman.errors import SandboxError
from repman.orchestrators.sandbox import Sandbox


class LocalOrchestrator:
    """Starts and kills the database servers of one sandbox, by address."""

    def __init__(self, directory: Path) -> None:
        """Raises SandboxError when there is no sandbox in that directory."""
        self._sandbox = Sandbox.load(directory)
        self._names = {server.address: server.name for server in self._sandbox.servers}

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

    def _name(self, address: str) -> str:
        try:
            return self._names[address]
        except KeyError as error:
            raise SandboxError(f"{address} is not a server of the sandbox {self._sandbox.directory}") from error
