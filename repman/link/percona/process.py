"""The server: one link, its API and its log, until a signal ends it."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from repman.errors import ConfigError, LinkRefused
from repman.link import serving
from repman.link.link import Link
from repman.link.percona.app import application
from repman.link.percona.flavour import PLACE, Flavour
from repman.link.percona.narration import Narrator
from repman.link.percona.starting import StartRequest, options_of
from repman.link.reset import reset
from repman.link.status import State

_log = logging.getLogger(__name__)
_SCOPE = {"s": "pcsm"}


@dataclass(frozen=True, slots=True)
class Server:
    """How to run one."""

    source_uri: str = field(repr=False)
    target_uri: str = field(repr=False)
    listener: serving.Listener
    flavour: Flavour = Flavour.PCSM
    defaults: StartRequest = field(default_factory=StartRequest)
    """What a request to start does not say."""
    start: bool = False
    """Start when nothing was started yet."""
    reset: bool = False
    """Forget first what was known of the link."""


def run(server: Server) -> None:
    """Work until KeyboardInterrupt, which SIGINT and SIGTERM must raise; then end in order.

    Raises LinkFailed when a cluster cannot be used, and ConfigError when the address cannot be listened on.
    """
    _require_free(server.listener)
    if server.reset:
        reset(server.target_uri, PLACE, "all")
    link = Link(server.source_uri, server.target_uri, PLACE)
    try:
        _recover(link)
        _serve(link, server)
    except KeyboardInterrupt:
        pass
    finally:
        _log.info("stopping", extra=_SCOPE)
        # One signal ends us in order, the next one at once.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        link.close()


def _recover(link: Link) -> None:
    _log.info('Checking Recovery Data for "%s"', PLACE.id, extra=_SCOPE)
    link.open()
    if link.status().state is State.IDLE:
        _log.info("Recovery Data not found", extra=_SCOPE)
        return
    _log.info("Found Recovery Data. Recovering...", extra=_SCOPE)
    _log.info("Successfully recovered", extra=_SCOPE)


def _serve(link: Link, server: Server) -> None:
    narrator = Narrator(link.status)
    app = application(link, server.listener, server.flavour, server.defaults, narrator.look)
    try:
        made = serving.server(app, server.listener)
    except OSError as error:
        raise _unusable(server.listener, error) from error
    with contextlib.closing(made), _watched(narrator):
        _log.info("Starting HTTP server at http://%s", _shown(server.listener), extra={"s": "http"})
        if server.start:
            _start(link, server.defaults)
        made.run()


def _start(link: Link, defaults: StartRequest) -> None:
    try:
        link.start(options_of(defaults), again=False)
    except LinkRefused as refusal:
        _log.warning("not started: %s", refusal, extra=_SCOPE)


@contextlib.contextmanager
def _watched(narrator: Narrator) -> Iterator[None]:
    stop = threading.Event()
    watcher = threading.Thread(target=narrator.watch, args=(stop,), name="narrator", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _require_free(listener: serving.Listener) -> None:
    """Raises ConfigError when the address cannot be used; better now than after the clusters were touched."""
    host = listener.host.strip("[]")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, listener.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise _unusable(listener, error) from error


def _unusable(listener: serving.Listener, error: OSError) -> ConfigError:
    return ConfigError([f"cannot listen on {_shown(listener)}: {error.strerror}; give another --port or --host"])


def _shown(listener: serving.Listener) -> str:
    return f"{'localhost' if listener.loopback else listener.host}:{listener.port}"
