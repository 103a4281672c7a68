"""The connection of one health check: HTTP, or HAProxy's agent protocol, told apart by the first word."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import cache
from typing import Protocol, cast

from repman.errors import RepmanError
from repman.model.probe import ProbeTable
from repman.probes.answers import AGENT_CHECKS, Answer, agent_answer, answer
from repman.probes.requests import MAX_HEAD, BadRequest, Question, Request, parse

REQUEST_TIMEOUT = 10.0
"""Seconds a client has to finish the head of a request it began (or to begin its first)."""
IDLE_TIMEOUT = 120.0
"""Seconds for which a kept connection may be silent; longer than sensible intervals between checks."""
_LOG_EVERY = 1.0
"""Seconds between complaints about tables that cannot be read."""
_REMEMBERED = 8192
"""Different requests whose parsing is remembered: checks ask the same few things for ever."""

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
_REASONS |= {431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable"}
_log = logging.getLogger(__name__)
_AGENT_WORDS = tuple(f"{word} ".encode() for word in AGENT_CHECKS)
_NOT_FOUND = Answer(404, "Not found: probes are /clusters/{c}/servers/{server}/master-status and its like", None)
_HEALTHY = Answer(200, "ok", None)


class Tables(Protocol):
    """Where the published probe tables come from."""

    def get(self, cluster: str) -> ProbeTable | None:
        """The latest table of that cluster, or None when there is none."""


class Listener:
    """What all connections of a probe process share."""

    def __init__(self, tables: Tables) -> None:
        self.connections: set[Connection] = set()
        self._tables = tables
        self._parsed: dict[bytes, Request] = {}
        self._quiet_until = 0.0

    def __call__(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(self)

    def parse(self, head: bytes) -> Request:
        """Read a request's head, or remember it.  Raises BadRequest."""
        request = self._parsed.get(head)
        if request is None:
            request = parse(head)
            if len(self._parsed) >= _REMEMBERED:
                self._parsed.clear()
            self._parsed[head] = request
        return request

    def respond(self, request: Request) -> bytes:
        """The response to a request, as bytes."""
        return _response(self._answer(request), request.keep, request.old, request.head_only)

    def _answer(self, request: Request) -> Answer:
        asked = request.question
        if asked is not None:
            return answer(self._table(asked.cluster), asked.check, asked.server, time.monotonic())
        return _HEALTHY if request.path == "/healthz" else _NOT_FOUND

    def respond_to_agent(self, line: bytes) -> bytes:
        """The response to an agent's question; nothing when HAProxy is to keep the state it has."""
        words = line.decode("utf-8", "replace").split()
        if len(words) != 3 or words[0] not in AGENT_CHECKS:
            return b""
        asked = Question(words[1], words[2], AGENT_CHECKS[words[0]])
        told = agent_answer(self._table(asked.cluster), asked.check, asked.server, time.monotonic())
        return told.encode() + b"\n" if told else b""

    def _table(self, cluster: str) -> ProbeTable | None:
        try:
            return self._tables.get(cluster)
        except RepmanError as trouble:
            now = time.monotonic()
            if now >= self._quiet_until:
                self._quiet_until = now + _LOG_EVERY
                _log.error("%s", trouble)
            return None

    def sweep(self, now: float) -> None:
        """Close the connections that have been silent for too long."""
        for connection in tuple(self.connections):
            if now - connection.active > (IDLE_TIMEOUT if connection.idle else REQUEST_TIMEOUT):
                connection.abort()

    def close(self) -> None:
        """Close every connection, unsent answers or not."""
        for connection in tuple(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_listener", "_rest", "_transport", "active", "idle")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._rest = b""
        self._transport: asyncio.Transport
        self.active = time.monotonic()
        """When it last said something."""
        self.idle = False
        """It was answered and is between two requests."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._listener.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._listener.connections.discard(self)

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    def pause_writing(self) -> None:
        """The client does not read its answers: hear no more of it."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Answer every complete question in what was said so far."""
        if self._transport.is_closing():
            return
        self.active = time.monotonic()
        data = self._rest + data if self._rest else data
        if data.startswith(_AGENT_WORDS):
            self._agent(data)
        else:
            self._http(data)

    def _agent(self, data: bytes) -> None:
        line, newline, _ = data.partition(b"\n")
        if newline:
            self._transport.write(self._listener.respond_to_agent(line))
            self._transport.close()
        elif len(data) > MAX_HEAD:
            self._transport.close()
        else:
            self._rest = data

    def _http(self, data: bytes) -> None:
        out = []
        start = 0
        keep = True
        try:
            while keep and (end := data.find(b"\r\n\r\n", start)) >= 0:
                request = self._listener.parse(_checked(data[start:end]))
                start = end + 4
                out.append(self._listener.respond(request))
                keep = request.keep
            self._rest = _checked(data[start:]) if keep and start < len(data) else b""
        except BadRequest as bad:
            out.append(_response(Answer(bad.status, bad.text, None), False, False, False))
            keep = False
        self.idle = not self._rest
        if out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        if not keep:
            self._transport.close()


def _checked(head: bytes) -> bytes:
    if len(head) > MAX_HEAD:
        raise BadRequest(431, f"Bad request: a request's head has at most {MAX_HEAD} bytes")
    return head


def _response(answer: Answer, keep: bool, old: bool, head_only: bool) -> bytes:
    head = _head(answer.status, answer.text, keep, old)
    body = b"" if head_only else answer.text.encode()
    if answer.age is None:
        return b"%b\r\n%b" % (head, body)
    return b"%bX-Repman-Age: %.1f\r\n\r\n%b" % (head, answer.age, body)


@cache
def _head(status: int, text: str, keep: bool, old: bool) -> bytes:
    """Everything of a response before its age: one entry for each text this process can say."""
    lines = [
        f"HTTP/{'1.0' if old else '1.1'} {status} {_REASONS[status]}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(text.encode())}",
        "Cache-Control: no-store",
    ]
    if status == 405:
        lines.append("Allow: GET, HEAD, OPTIONS")
    if not keep or old:
        lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
    return "\r\n".join(lines).encode() + b"\r\n"
