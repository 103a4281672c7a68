"""The worker process: it owns the socket of requests, and hands each to the room that knows it.

A room that fails on one request, on a reload or at its end hurts neither the others nor the next request.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence

from repman.config.live import Live
from repman.config.settings import Settings
from repman.model.work import Reply, Request
from repman.state.bus import worker_server
from repman.worker.handler import Handler, Room
from repman.worker.rooms import rooms

LOG = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds between looks whether the configuration has changed; a request looks at once."""

_FOR_EVERY_KIND = frozenset({"services", "job-cancel", "job-wait"})


def run(settings: Settings) -> None:
    """Do what is asked of the worker until SIGTERM or SIGINT.  Raises RepmanError when it cannot start."""
    worker = Worker(settings, rooms(settings))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker.start()
    while not stop.wait(_LOOK):
        worker.follow()
    worker.stop()


class Worker:
    """The rooms behind one socket."""

    def __init__(self, settings: Settings, inhabited: Sequence[Room]) -> None:
        """Nothing is opened before `start`.  Two rooms that offer the same request are a mistake of ours."""
        self._live = Live(settings)
        self._live.on_change(self._reload)
        self._rooms = tuple(inhabited)
        self._handlers: dict[str, Handler] = {}
        for room in self._rooms:
            twice = self._handlers.keys() & room.handlers.keys()
            assert not twice, f"offered by two rooms: {', '.join(sorted(twice))}"
            self._handlers.update(room.handlers)
        service = settings.service
        self._bus = worker_server(service.worker_socket, self.dispatch)

    def start(self) -> None:
        """Open the rooms, then the socket.  Raises RepmanError; what was opened is closed again."""
        service = self._live.known.service
        for directory in (service.datadir, service.rundir):
            directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        opened: list[Room] = []
        try:
            for room in self._rooms:
                room.start()
                opened.append(room)
            self._bus.start()
        except BaseException:
            _stop(opened)
            raise
        LOG.info("taking requests=%d", len(self._handlers))

    def dispatch(self, request: Request) -> Reply:
        """Let the handler of that name answer; an unknown name is refused."""
        self.follow()
        handler = self._handlers.get(request.name)
        if handler is None:
            return Reply(
                "refused", f"the worker knows no request {request.name!r}; nothing was done", "unknown-request"
            )
        if told := _not_for_members(self._live.known, request):
            return Reply("refused", told, "not-for-this-kind")
        return handler(request)

    def follow(self) -> None:
        """Go on with the configuration as it is now; the rooms hear of a change through `_reload`."""
        _ = self._live.settings

    def stop(self) -> None:
        """Take no more requests, then end what runs, the rooms all at once."""
        self._bus.close()
        _stop(self._rooms)

    def _reload(self, settings: Settings) -> None:
        logging.getLogger().setLevel(settings.service.log_level)
        for room in self._rooms:
            try:
                room.reload(settings)
            except Exception:
                LOG.exception("%s goes on with its old settings", type(room).__name__)


def _not_for_members(settings: Settings, request: Request) -> str:
    """Why that request is not carried out on a replica set: all of it but this speaks MariaDB's language."""
    cluster = settings.cluster(request.cluster)
    if cluster is None or cluster.mongodb is None:
        return ""
    if request.name in _FOR_EVERY_KIND or request.name.startswith("balancer-"):
        return ""
    if request.name == "configuration" and cluster.orchestrator == "local":
        return ""
    return f"{request.name} is for servers of MariaDB, and {request.cluster} is a replica set of MongoDB"


def _stop(opened: Sequence[Room]) -> None:
    def end(room: Room) -> None:
        try:
            room.stop()
        except Exception:
            LOG.exception("%s did not end cleanly", type(room).__name__)

    ending = [threading.Thread(target=end, args=(room,), daemon=True) for room in opened]
    for thread in ending:
        thread.start()
    for thread in ending:
        thread.join()
