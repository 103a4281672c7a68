"""What a job knows of its cluster: settings, what was published last, and the monitor that it asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repman.config.settings import ClusterSettings
from repman.errors import JobFailed, RepmanError
from repman.maintenance.catalogue import Catalogue
from repman.maintenance.places import Places
from repman.maintenance.session import Account
from repman.model.command import Command, CommandKind, Receipt
from repman.model.snapshot import Snapshot

Ask = Callable[[Command, float], Receipt]
_ASK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One cluster, as one job sees it."""

    cluster: ClusterSettings
    datadir: Path
    catalogue: Catalogue
    published: Callable[[], Snapshot | None]
    ask: Ask

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.cluster.policy.name

    @property
    def places(self) -> Places:
        """Its servers' files, as far as they are within reach now."""
        return Places(self.cluster)

    def account(self, address: str) -> Account:
        """Who works on that server."""
        return Account.of(address, self.cluster.database)

    def snapshot(self) -> Snapshot:
        """What was published last.  Raises JobFailed when nothing was."""
        found = self.published()
        if found is None:
            raise JobFailed(f"The monitor has published nothing about {self.name} yet; start it, or wait a moment.")
        return found

    def label(self, address: str) -> str:
        """The server's name for people."""
        found = self.cluster.policy.find(address)
        return found.name if found else address

    def wish(self, kind: CommandKind, server: str, user: str, *, on: bool = True, reason: str = "") -> str:
        """Have the monitor do something; returns its sentence.  Raises JobFailed when it does not."""
        command = Command(kind, self.name, server, user=user, on=on, reason=reason)
        try:
            receipt = self.ask(command, _ASK_SECONDS)
        except RepmanError as error:
            raise JobFailed(str(error)) from error
        if receipt.status not in ("done", "unchanged"):
            why = "; ".join(sentence for _, sentence in receipt.refusals)
            raise JobFailed(f"The monitor did not do it: {why or receipt.sentence}")
        return receipt.sentence
