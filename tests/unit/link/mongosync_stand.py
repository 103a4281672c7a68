"""A link that only knows its state, and notes what it was asked; and requests to the API over it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from repman.link.link import Place
from repman.link.mongosync.app import application
from repman.link.mongosync.pair import Pair
from repman.link.options import LinkOptions
from repman.link.serving import Listener
from repman.link.status import Phase, Side, State, Status

CLUSTER0 = Side("cluster0", "a.example:27017", 3)
CLUSTER1 = Side("cluster1", "b.example:27017,c.example:27017", 0)
URIS = ("mongodb://a.example", "mongodb://b.example")


def status(state: State = State.RUNNING, phase: Phase = Phase.REPLICATING, **given: Any) -> Status:
    """A link that has copied everything, unless something else is given."""
    facts: dict[str, Any] = {
        "id": "run",
        "source": CLUSTER0,
        "target": CLUSTER1,
        "clone_started": True,
        "clone_completed": True,
        "initial_sync_completed": True,
        "total_bytes": 694,
        "copied_bytes": 694,
    }
    return Status(state, phase, **(facts | given))


IDLE = status(
    State.IDLE, Phase.NONE, clone_started=False, clone_completed=False, initial_sync_completed=False,
    total_bytes=0, copied_bytes=0,
)  # fmt: skip


class NotingLink:
    """Takes every call and stays in the state it was given."""

    def __init__(self, source: str, target: str, place: Place, names: tuple[str, str]) -> None:
        self.uris, self.place, self.names = (source, target), place, names
        self.is_open = False
        self.asked: list[tuple[str, Any]] = []
        self.now = replace(IDLE, source=Side(names[0], source, None), target=Side(names[1], target, None))
        self.refusal: Exception | None = None
        """Raised by every call but `status`."""

    def open(self, wait_for_lease: bool = True) -> None:
        self._note("open", wait_for_lease)
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def start(self, options: LinkOptions, again: bool = True) -> None:
        self._note("start", (options, again))

    def pause(self, while_cloning: bool = True) -> None:
        self._note("pause", while_cloning)

    def resume(self, from_failure: bool = False) -> None:
        self._note("resume", from_failure)

    def finalize(self) -> None:
        self._note("finalize", None)

    def reverse(self) -> None:
        self._note("reverse", None)

    def status(self) -> Status:
        return self.now

    def _note(self, call: str, given: Any) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append((call, given))


class Stand:
    """Both links that a pair may make, and its API."""

    def __init__(self, kept_on_cluster0: bool = False, **found: Status) -> None:
        """`found`: states that links are in, by the name of their source."""
        self.links: dict[str, NotingLink] = {}
        self.found = found
        self.pair = Pair(*URIS, make_link=self._make, has_state=lambda uri: kept_on_cluster0 and uri == URIS[0])

    def _make(self, source: str, target: str, place: Place, names: tuple[str, str]) -> Any:
        made = NotingLink(source, target, place, names)
        made.now = self.found.get(names[0], made.now)
        self.links[names[0]] = made
        return made

    @property
    def link(self) -> NotingLink:
        return self.links["cluster0"]

    def client(self) -> FlaskClient:
        return application(self.pair, Listener(port=27182), "mine").test_client()

    def post(self, call: str, body: Any = None, **given: Any) -> TestResponse:
        data = body if isinstance(body, str | bytes) else json.dumps({} if body is None else body)
        return self.client().post(f"/api/v1/{call}", data=data, **given)
