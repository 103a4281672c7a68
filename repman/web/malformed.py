"""Answers to what is no HTTP request, in the same JSON as all errors."""

from __future__ import annotations

import json
from http import HTTPStatus

from gunicorn.http import errors

_STATUS: dict[type[Exception], tuple[int, str]] = {
    errors.LimitRequestLine: (414, "The address is too long; 8 KiB are the most. Send a body instead."),
    errors.LimitRequestHeaders: (431, "The headers are too long, or too many."),
    errors.UnsupportedTransferCoding: (501, "Bodies come with a Content-Length, or chunked, and no other way."),
    errors.ExpectationFailed: (417, "Of all expectations only 100-continue is known."),
}
_OTHERWISE = (400, "This is no HTTP/1.1 request that can be read.")


def is_of_the_client(error: Exception) -> bool:
    """Whether the client has sent something wrong (else the mistake is ours)."""
    return isinstance(error, errors.ParseException) and not isinstance(error, errors.ConfigurationProblem)


def answer(error: Exception) -> bytes:
    """The whole answer; the connection is closed after it."""
    status, sentence = next(
        (said for kind, said in _STATUS.items() if isinstance(error, kind)),
        _OTHERWISE if is_of_the_client(error) else (500, "repman made a mistake; its log has the details."),
    )
    body = json.dumps({"error": sentence}).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
