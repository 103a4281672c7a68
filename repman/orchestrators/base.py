"""The contract with whoever runs the database processes: the monitor starts and ends them, the worker makes them."""

from __future__ import annotations

from typing import Protocol

from repman.model.service import Host


class Orchestrator(Protocol):
    """Starts and kills database server processes."""

    def controls(self, address: str) -> bool:
        """Whether that server's process is ours to start and kill."""

    def running(self, address: str) -> bool:
        """Whether its process exists (a frozen one does)."""

    def kill(self, address: str, timeout: float) -> None:
        """Kill its process at once and wait until it is gone.  Raises RepmanError."""

    def stop(self, address: str, timeout: float) -> None:
        """Shut its process down cleanly and wait until it is gone; nothing when it does not run.  Raises RepmanError."""

    def start(self, address: str) -> None:
        """Start it as a read-only semi-sync replica, not waiting until it answers.  Raises RepmanError."""


class Provisioner(Orchestrator, Protocol):
    """... and can make and unmake what they need, and show what there is.

    A balancer is named by the ``host:port`` on which it takes writes.  Every call ends by its `timeout`, in seconds,
    and raises RepmanError.
    """

    def provisioned(self, address: str) -> bool | None:
        """Whether the server has data to start from; None: only its host could tell."""

    def provision(self, address: str, timeout: float) -> None:
        """Make the data of a server that has none, keeping its name, port and server_id; starts nothing.

        An existing data directory is never touched: then it raises.
        """

    def unprovision(self, address: str, timeout: float) -> None:
        """Stop it cleanly and remove its data."""

    def configuration(self, address: str) -> dict[str, str]:
        """The generated configuration of a server or balancer, text by file name; without any password."""

    def hosts(self, timeout: float) -> tuple[Host, ...]:
        """The machines and the services on them, as they are now."""

    def controls_balancer(self, address: str) -> bool:
        """Whether that balancer's process is ours."""

    def start_balancer(self, address: str, timeout: float) -> None:
        """Start it; nothing when it runs."""

    def stop_balancer(self, address: str, timeout: float) -> None:
        """Stop it and wait until it is gone."""

    def provision_balancer(self, address: str, timeout: float) -> None:
        """Write the configuration of a balancer that has none."""

    def unprovision_balancer(self, address: str, timeout: float) -> None:
        """Stop it and remove its configuration."""
