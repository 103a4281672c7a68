"""The life of a process that serves a link: open it, answer, and stop in order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from typing import Protocol

from flask import Flask
from waitress.server import BaseWSGIServer, MultiSocketServer

from repman.cli.endings import ended_by_signals
from repman.errors import ConfigError
from repman.link.serving import Listener, server

_log = logging.getLogger(__name__)


class Opened(Protocol):
    """What is opened before the first answer and closed after the last: a link, or a pair of clusters."""

    def open(self) -> None:
        """Connect and go on where it was; raises LinkFailed."""

    def close(self) -> None:
        """Stop at a point from which it goes on."""


def answer_until_told(
    link: Opened, application: Callable[[], Flask], listener: Listener, advice: str = "give another --port"
) -> None:
    """Open the link and answer its API until SIGTERM or SIGINT; then close it.

    The port is open only once the link is; `advice` is for who finds it in use.  Raises LinkFailed when a cluster cannot be used, and ConfigError when the
    address cannot be listened on.
    """
    try:
        with ended_by_signals():
            link.open()
            with closing(_listening(application(), listener, advice)) as http:
                _log.info("Starting HTTP server at http://%s:%d", listener.host, listener.port)
                http.run()
    except SystemExit:
        # Told to stop before there was a server, which would have caught it.
        pass
    finally:
        _log.info("stopping")
        link.close()


def _listening(application: Flask, listener: Listener, advice: str) -> MultiSocketServer | BaseWSGIServer:
    try:
        return server(application, listener)
    except OSError as error:
        sentence = f"cannot listen on {listener.host}:{listener.port}: {error.strerror}; {advice}"
        raise ConfigError([sentence]) from error
