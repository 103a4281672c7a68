"""The service itself over HTTP: health, metrics, the log as it comes, and what clients ask before anything else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from repman.errors import StateError
from repman.streams.api import metrics
from repman.streams.api.logs import Tail
from repman.streams.api.render import config_document, connection_document, error_document
from repman.streams.api.service import PREFIX, Service, answer
from repman.streams.api.view import LOG, directory_of
from repman.streams.states import LIVING

OPEN = frozenset({"/health", "/ready", *(f"{PREFIX}/{name}" for name in ("health", "ready", "system/defaults"))})
"""Paths that need no key."""
STREAMED = f"{PREFIX}/logs/stream"
"""A browser's EventSource sends no headers: its key may be a parameter."""
MOST_READERS = 8
"""Of the log as it comes, as each holds a thread."""
HEARTBEAT = 10.0
_LOOK = 0.5
_UNSUPPORTED = ("files", "fs", "query", "lsp")
"""What the original does with files and object stores."""


def register(app: Flask, service: Service) -> None:
    """Add the routes."""
    calls = _Calls(service)
    for prefix in ("", PREFIX):
        app.get(f"{prefix}/health", endpoint=f"health{prefix}")(calls.health)
        app.get(f"{prefix}/ready", endpoint=f"ready{prefix}")(calls.ready)
        app.get(f"{prefix}/metrics", endpoint=f"metrics{prefix}")(calls.metrics)
    for side in ("source", "target"):
        app.get(f"{PREFIX}/streams/{side}/metrics", endpoint=f"metrics-{side}")(calls.metrics)
    app.get(f"{PREFIX}/user")(calls.user)
    app.get(f"{PREFIX}/user/configs")(calls.everything)
    app.get(f"{PREFIX}/services/status")(calls.services)
    app.get(f"{PREFIX}/system/defaults")(calls.defaults)
    app.get(STREAMED)(calls.stream_log)
    for name in _UNSUPPORTED:
        app.route(
            f"{PREFIX}/{name}/<path:rest>", methods=["GET", "POST", "PUT", "DELETE"], endpoint=f"unsupported-{name}"
        )(_unsupported)


class _Calls:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._readers = threading.BoundedSemaphore(MOST_READERS)

    def health(self) -> Response:
        return answer({"status": "healthy", "ping": "ok"})

    def ready(self) -> Response:
        """Whether the store can be read."""
        try:
            self._service.registry.config("")
        except StateError as error:
            return answer(error_document(503, str(error), "NOT_READY"), 503)
        return answer({"status": "ready"})

    def metrics(self) -> Response:
        streams = self._service.life.streams()
        page = metrics.text(lambda: [(each, self._service.view(each)) for each in streams])
        return Response(page, content_type=CONTENT_TYPE_PLAIN_0_0_4)

    def user(self) -> Response:
        """There are no users here, only keys: everybody is the same one, without a limit."""
        sent = sum(self._service.view(each).progress.target.bytes for each in self._service.life.streams())
        return answer(
            {
                "userID": "local",
                "email": "",
                "name": "local",
                "dailyUsage": [],
                "monthlyUsage": [],
                "subscriptionPeriodUsage": {"period_start": 0, "period_end": 0, "data_volume": sent},
                "subscription": {"id": "local", "name": "local", "monthly_limit": 0, "price": 0},
                "subscriptionStatus": "active",
            }
        )

    def everything(self) -> Response:
        registry = self._service.registry
        return answer(
            {
                "connections": [connection_document(each) for each in registry.connections()],
                "streamConfigs": [config_document(each) for each in registry.configs()],
            }
        )

    def services(self) -> Response:
        names = ("stream-api", "stream-reader", "stream-writer")
        return answer({"services": [{"name": name, "status": "passing"} for name in names]})

    def defaults(self) -> Response:
        return answer({"defaultExportPath": "", "mode": "server", "installId": ""})

    def stream_log(self) -> Response:
        if not self._readers.acquire(blocking=False):
            told = f"{MOST_READERS} clients read the log already: close one, or ask /streams/ID/logs"
            return answer(error_document(503, told, "BUSY"), 503)
        response = Response(self._events(), content_type="text/event-stream")
        response.headers["Cache-Control"] = "no-cache"
        response.call_on_close(self._readers.release)
        return response

    def _events(self) -> Iterator[str]:
        """Entries of all streams that live, as they come; heartbeats so that nobody takes the line for dead."""
        yield _event("connection", {"message": "connected", "timestamp": time.time()})
        tails: dict[str, Tail] = {}
        beat = time.monotonic()
        while not self._service.closing.wait(_LOOK):
            living = [each.id for each in self._service.registry.streams() if each.status in LIVING or each.id in tails]
            for identifier in living:
                if identifier not in tails:
                    tails[identifier] = Tail(directory_of(self._service.data, identifier) / LOG)
                for entry in tails[identifier].new():
                    yield _event("", entry)
            if time.monotonic() - beat >= HEARTBEAT:
                beat = time.monotonic()
                yield _event("heartbeat", {"timestamp": time.time()})
            # A comment, which clients ignore: only who writes notices that nobody reads any more.
            yield ":\n\n"


def _event(name: str, document: object) -> str:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document)}\n\n"


def _unsupported(rest: str) -> Response:
    told = "files, object stores and federated queries are not supported: connect databases"
    return answer(error_document(501, told), 501)
