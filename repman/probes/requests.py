"""The little of HTTP that a health check speaks: from the bytes of a request's head to the question in it.

Source: RFC 9112 (message syntax), RFC 9110 (methods, status codes).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from repman.probes.answers import CHECKS, Check

MAX_HEAD = 8192
"""Bytes of a request's head; a longer one is refused."""
METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Question:
    """One probe."""

    cluster: str
    server: str
    check: Check


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head, understood."""

    path: str
    question: Question | None
    """None when the path is not a probe."""
    keep: bool
    """The connection stays open afterwards."""
    head_only: bool
    old: bool
    """The client speaks HTTP/1.0."""


class BadRequest(Exception):
    """The request cannot be served; the connection is closed after the answer."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(text)


def parse(head: bytes) -> Request:
    """Read a request's head, without the empty line that ends it.  Raises BadRequest."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[1] or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(400, "Bad request: the first line must be METHOD PATH HTTP/1.1 (or 1.0)")
    method, target, version = parts
    headers = _headers(lines[1:])
    if method not in METHODS:
        raise BadRequest(405, f"Method not allowed: probes are asked by {', '.join(METHODS)}")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise BadRequest(400, "Bad request: a probe has no body")
    path = _path(target)
    old = version == "HTTP/1.0"
    return Request(path, question(path), _keeps(old, headers), method == "HEAD", old)


def question(path: str) -> Question | None:
    """The probe in a path (still percent-encoded, without query), or None.

    ``/clusters/{c}/servers/{server}/{check}`` or ``.../{host}/{port}/{check}``, also under ``/api``.
    """
    parts = path.split("/")
    if len(parts) > 1 and parts[1] == "api":
        del parts[1]
    if len(parts) not in (6, 7) or parts[0] or parts[1] != "clusters" or parts[3] != "servers":
        return None
    check = CHECKS.get(parts[-1])
    if check is None:
        return None
    server = unquote(parts[4])
    if len(parts) == 7:
        server = _address(server, unquote(parts[5]))
    return Question(unquote(parts[2]), server, check)


def _address(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _path(target: str) -> str:
    path = target.partition("?")[0]
    if path.lower().startswith("http://"):
        path = "/" + path[7:].partition("/")[2]
    return path


def _headers(lines: list[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(400, "Bad request: a header line must be NAME: VALUE")
        headers[name.lower()] = value.strip()
    return headers


def _keeps(old: bool, headers: dict[str, str]) -> bool:
    wishes = [wish.strip() for wish in headers.get("connection", "").lower().split(",")]
    return "keep-alive" in wishes if old else "close" not in wishes
