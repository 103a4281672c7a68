"""The contract between the monitor and whoever runs the database processes."""

from __future__ import annotations

from typing import Protocol


class Orchestrator(Protocol):
    """Starts and kills database server processes."""

    def controls(self, address: str) -> bool:
        """Whether that server's process is ours to start and kill."""

    def running(self, address: str) -> bool:
        """Whether its process exists (a frozen one does)."""

    def kill(self, address: str, timeout: float) -> None:
        """Kill its process at once and wait until it is gone.  Raises SandboxError."""

    def stop(self, address: str, timeout: float) -> None:
        """Shut its process down cleanly and wait until it is gone; nothing when it does not run.  Raises SandboxError."""

    def start(self, address: str) -> None:
        """Start it as a read-only semi-sync replica, not waiting until it answers.  Raises SandboxError."""
