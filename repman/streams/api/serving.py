"""The HTTP server of the streams service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from waitress.server import create_server

from repman.errors import ConfigError
from repman.streams.api.bodies import MOST_BYTES

THREADS = 24
"""Eight of them may read the log as it comes, and some may wait for a stream to rest."""
LAST_SECONDS = 2
"""For answers that are being given when the service ends."""


@contextmanager
def serving(app: Flask, host: str, port: int) -> Iterator[int]:
    """Answer in a thread while the block runs; yields the port.  Raises ConfigError when it cannot be listened on."""
    try:
        server = create_server(
            app,
            host=host,
            port=port,
            threads=THREADS,
            ident=None,
            max_request_body_size=2 * MOST_BYTES,
            channel_timeout=60,
            expose_tracebacks=False,
        )
    except OSError as error:
        raise ConfigError([f"cannot listen on {host}:{port}: {error.strerror}; give another --port"]) from error
    thread = threading.Thread(target=server.run, name="http", daemon=True)
    thread.start()
    try:
        yield int(getattr(server, "effective_port", port))
    finally:
        server.task_dispatcher.shutdown(timeout=LAST_SECONDS)
        server.close()
