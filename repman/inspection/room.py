"""The worker's room for live reads of a server, and for small acts on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from repman.config.settings import ClusterSettings, Settings
from repman.worker.handler import Handler

RunsHere = Callable[[ClusterSettings, str], bool]
"""Whether the server of that address is a process of this machine, so that its files can be read."""


class InspectionRoom:
    """Looks into one server on demand, within a deadline, a few at a time on each server."""

    def __init__(self, settings: Settings, runs_here: RunsHere) -> None:
        self._settings = settings
        self._runs_here = runs_here

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """See `Room`."""
        return {}

    def start(self) -> None:
        """See `Room`."""

    def reload(self, settings: Settings) -> None:
        """See `Room`."""
        self._settings = settings

    def stop(self) -> None:
        """See `Room`."""
