"""What a request may be at most, and that its encodings are whole; looked at before anything else."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from repman.web import malformed, replies

BODY = 1024 * 1024
"""Bytes of a body."""
PATH = 8 * 1024
"""Bytes of a path with its query."""

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORM = "application/x-www-form-urlencoded"


def check() -> None:
    """End a request that is too long (413, 414) or wrongly encoded (400); read the body of any other one.

    A body is read here, whether its view needs it or not, so that what follows on the connection is the next request.
    """
    address = str(request.environ.get("RAW_URI", ""))
    if len(address) > PATH:
        replies.stop(replies.error(414, f"The address is too long; {PATH} bytes are the most. Send a body instead."))
    if "%" in address or not address.isascii():
        _whole(address, "The address")
    body = _body()
    if body and request.mimetype == _FORM:
        _whole(body.decode("latin-1"), "The form in the body")


def _body() -> bytes:
    if (request.content_length or 0) > BODY:
        raise RequestEntityTooLarge
    try:
        body = request.get_data(cache=True)
        # Of a body that comes in chunks only as much as is allowed has been read.
        if len(body) == BODY and request.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge
    except Exception as error:
        if not malformed.is_of_the_client(error):
            raise
        replies.stop(replies.error(400, "The body comes in chunks that cannot be read."))
    return body


def _whole(text: str, what: str) -> None:
    if _BROKEN_ESCAPE.search(text):
        replies.stop(replies.error(400, f"{what} has a % that two hexadecimal digits must follow; write %25 for it."))
    try:
        unquote_to_bytes(text.encode("latin-1", "replace")).decode()
    except UnicodeDecodeError:
        replies.stop(replies.error(400, f"{what} is not UTF-8."))
