"""gunicorn's worker with threads, and no patience with clients that stop in the middle of a request.

gunicorn's own waits for the rest of a request for ever, so a few dozen clients that never finish theirs would
take all threads.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import socket
import ssl
import struct
from typing import Any, ClassVar

from gunicorn.config import Config
from gunicorn.workers.gthread import ThreadWorker

from repman.web import malformed

LOG = logging.getLogger(__name__)

SILENCE = 3
"""Whole seconds that a client may be silent in the middle of a request, or leave an answer unread."""

_TIMEVAL = struct.pack("ll", SILENCE, 0)


class Worker(ThreadWorker):
    """Closes the connections of clients that fall silent, and speaks TLS on one of its ports."""

    tls: ClassVar[tuple[int, Config] | None] = None
    """The port, and the configuration for its connections."""

    @classmethod
    def serve_tls(cls, plain: Config, port: int, context: ssl.SSLContext) -> None:
        """Speak TLS on that port; before there are workers."""
        secure = copy.copy(plain)
        # gunicorn has one configuration for all ports, and asks that of the connection whether to speak TLS.
        secure.settings = {name: copy.copy(setting) for name, setting in plain.settings.items()}
        secure.set("certfile", os.devnull)
        secure.set("ssl_context", lambda config, default: context)
        secure.set("do_handshake_on_connect", True)
        cls.tls = (port, secure)

    def init_process(self) -> None:
        """Begin; called by gunicorn in the worker's process."""
        logging.getLogger("gunicorn.error").addFilter(_is_no_silence)
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        """Let the kernel end a wait that takes too long; called by gunicorn with each connection that speaks."""
        if self.tls is not None and conn.server[1] == self.tls[0]:
            conn.cfg = self.tls[1]
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            conn.sock.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL)
        super().enqueue_req(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        """Answer what cannot be read as a request; called by gunicorn."""
        if isinstance(exc, ssl.SSLError):
            LOG.debug("no TLS with %s: %s", addr, exc)
            return
        if malformed.is_of_the_client(exc):
            LOG.debug("a request that cannot be read, from %s: %s", addr, exc)
        else:
            LOG.error("a mistake before a request was read", exc_info=exc)
        with contextlib.suppress(OSError):
            client.sendall(malformed.answer(exc))


def _is_no_silence(record: logging.LogRecord) -> bool:
    """Clients that fall silent are no news, and no reason for a stack trace."""
    return not (record.exc_info and isinstance(record.exc_info[1], BlockingIOError))
