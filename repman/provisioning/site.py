"""One cluster as the worker provisions it: its orchestrator, what was published last, and the monitor it asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from repman.errors import JobFailed, MonitorDown
from repman.maintenance.reseed import HOLD_REASON
from repman.maintenance.surroundings import Surroundings
from repman.model.command import Command, CommandKind
from repman.model.problem import Refusal
from repman.model.service import Service
from repman.model.snapshot import Snapshot
from repman.model.work import Reply, Request
from repman.orchestrators.base import Provisioner
from repman.state.publication import age

DEED_SECONDS = 90.0
"""For making or unmaking one server."""
_LOOK_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_PLAN_SECONDS = 120.0
_POLL = 0.1
_FRESH = 10.0
"""Seconds after which what was published says nothing of now."""


@dataclass(frozen=True, slots=True)
class Site:
    """One cluster, for one request."""

    around: Surroundings
    hands: Provisioner
    reseed: Callable[[Request], Reply]
    user: str

    def snapshot(self) -> Snapshot:
        """What the monitor sees now.  Raises MonitorDown when it is silent."""
        found = self.around.snapshot()
        if age(found) > _FRESH:
            raise MonitorDown(
                "The monitor has been silent for too long; nothing is changed without it. Look at its log."
            )
        return found

    def name(self, address: str) -> str:
        """The server's name for people."""
        return self.around.label(address)

    def services(self) -> tuple[Service, ...]:
        """All processes, as they are now."""
        return tuple(service for host in self.hands.hosts(_LOOK_SECONDS) for service in host.services)

    def with_data(self, without: str) -> list[str]:
        """The other servers that have data, or may have."""
        others = (address for address in self.around.cluster.policy.addresses if address != without)
        return [
            address
            for address in others
            if not self.hands.controls(address) or self.hands.provisioned(address) is not False
        ]

    def hold(self, server: str) -> None:
        """Have the monitor leave it alone, as a reseed does.  Raises JobFailed."""
        self.around.wish(CommandKind.HOLD, server, self.user, reason=HOLD_REASON)

    def give_back(self, server: str) -> None:
        """End that.  Raises JobFailed."""
        self.around.wish(CommandKind.HOLD, server, self.user, on=False)

    def move_writer_away(self) -> None:
        """A switchover to whom the monitor chooses.  Raises JobFailed when there is nobody."""
        self._plan(Command(CommandKind.SWITCHOVER, self.around.name, user=self.user))

    def bootstrap(self, writer: str, clean: bool) -> str:
        """Have the monitor build replication.  Raises JobFailed with its reasons."""
        return self._plan(Command(CommandKind.BOOTSTRAP, self.around.name, writer, clean=clean, user=self.user))

    def await_answers(self, servers: Iterable[str]) -> None:
        """Wait until the monitor has heard of all of them.  Raises JobFailed."""
        deadline, missing = time.monotonic() + _ANSWER_SECONDS, set(servers)
        since = time.time()
        while missing:
            seen = self.around.snapshot()
            if seen.at > since:
                missing -= {view.policy.address for view in seen.servers if view.seen.answered}
            if missing and time.monotonic() > deadline:
                names = ", ".join(sorted(self.name(address) for address in missing))
                raise JobFailed(
                    f"{names} does not answer the monitor {_ANSWER_SECONDS:g} s after its start; see its log"
                )
            time.sleep(_POLL if missing else 0.0)

    def _plan(self, command: Command) -> str:
        receipt = self.around.ask(command, _PLAN_SECONDS)
        if receipt.status not in ("done", "unchanged"):
            why = "; ".join(sentence for _, sentence in receipt.refusals)
            raise JobFailed(f"the {command.kind} was not done: {why or receipt.sentence}")
        return receipt.sentence


def refused(refusals: list[Refusal]) -> Reply:
    """Nothing was changed, and every reason for it."""
    sentence = "; ".join(refusal.sentence for refusal in refusals)
    reasons = [{"code": each.code, "sentence": each.sentence, "server": each.server} for each in refusals]
    return Reply("refused", sentence, refusals[0].code, document={"reasons": reasons})
