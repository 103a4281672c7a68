"""The contract between the monitor and the balancers it steers."""

from __future__ import annotations

from typing import Protocol

from repman.model.decision import Routes
from repman.model.observation import ProxySeen


class Proxy(Protocol):
    """One balancer in front of one cluster."""

    name: str

    def observe(self, timeout: float) -> ProxySeen:
        """What it routes now; never raises for the proxy's own trouble."""

    def away(self, address: str, timeout: float) -> None:
        """Send no new write session to that server and cut those it has.  Raises StepFailed."""

    def route(self, routes: Routes, timeout: float) -> None:
        """Send writes and reads as told, and to nobody else.  Changes nothing that is so already.

        Raises StepFailed.
        """

    def close(self) -> None:
        """Give up its connection."""
