"""The contract between the worker process and the rooms whose work it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from repman.config.settings import Settings
from repman.model.work import Reply, Request


class Handler(Protocol):
    """Answers one kind of request, in a thread of its own, within the deadline its room promises."""

    def __call__(self, request: Request) -> Reply:
        """The reply; raises RepmanError, which becomes a reply of status ``failed``."""


class Room(Protocol):
    """A room of the worker: started once, reloaded when settings change, stopped at the end."""

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Its handlers by the name of their requests; no two rooms share a name."""

    def start(self) -> None:
        """Open what it needs; long work that a dead worker left is put in order here."""

    def reload(self, settings: Settings) -> None:
        """Go on with these settings."""

    def stop(self) -> None:
        """End or cancel what runs, within ten seconds."""
