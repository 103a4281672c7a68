"""The server of the resource: waitress, as what is asked and what is done belong in one process."""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, MultiSocketServer, create_server
from waitress.task import WSGITask

from repman.checkpoints.resource.app import MOST_BYTES

_AS_WRITTEN = (
    (b"\r\nWww-Authenticate:", b"\r\nWWW-Authenticate:"),
    (b"\r\nX-Mongodb-Service-Version:", b"\r\nX-MongoDB-Service-Version:"),
)
"""Headers as the resource writes them; their case means nothing, but they are compared by people and scripts."""
_PHRASES = {int(status): status.phrase for status in HTTPStatus}


class _Task(WSGITask):
    """An answer that says that its connection is kept, as the resource's answers do."""

    def build_response_header(self) -> bytes:
        code = int(self.status.split()[0])
        if code in _PHRASES:
            self.status = f"{code} {_PHRASES[code]}"
        header: bytes = super().build_response_header()
        for ours, theirs in _AS_WRITTEN:
            header = header.replace(ours, theirs)
        if self.close_on_finish or b"\r\nConnection:" in header:
            return header
        return header.replace(b"\r\n", b"\r\nConnection: keep-alive\r\n", 1)


class _Channel(HTTPChannel):
    task_class = _Task


def server(app: Flask, host: str, port: int, threads: int = 8) -> MultiSocketServer | BaseWSGIServer:
    """A server whose socket listens already; `run()` answers until `close()`.

    Raises OSError when the address cannot be used.
    """
    made: MultiSocketServer | BaseWSGIServer = create_server(
        app,
        host=host,
        port=port,
        threads=threads,
        ident=None,
        max_request_body_size=2 * MOST_BYTES,
        channel_timeout=30,
        expose_tracebacks=False,
    )
    for each in (made.map or {}).values() if isinstance(made, MultiSocketServer) else (made,):
        if isinstance(each, BaseWSGIServer):
            each.channel_class = _Channel
    return made
