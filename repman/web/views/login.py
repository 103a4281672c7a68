"""Login."""

from __future__ import annotations

import ipaddress
import json
import logging
import time

from flask import Response, request

from repman.web import passwords, replies, tokens, trail
from repman.web.acl import User, has_known_password
from repman.web.call import Call

LOG = logging.getLogger(__name__)


def login(call: Call) -> Response:
    """Name and password for a token."""
    try:
        body = json.loads(request.get_data())
        name, password = body["username"], body["password"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return replies.text("Error in request", 403)
    if not isinstance(name, str) or not isinstance(password, str):
        return replies.text("Error in request", 403)
    trail.claim(name)
    user = prove(call, name, password)
    if user is None:
        return replies.text("Invalid credentials", 403)
    trail.claim(name, proven=True)
    token = tokens.issue(user, call.house.directory, call.house.key)
    if request.accept_mimetypes.best == "text/html":
        return replies.text(token)
    return replies.document({"token": token})


def prove(call: Call, name: str, password: str) -> User | None:
    """The user of that name if that is the password.

    Ends the request with 429 when too many were wrong lately, and with 503 when too many are being checked.
    """
    house, source = call.house, source_of(request.remote_addr)

    def wait() -> float:
        return house.throttle.wait(name, source, time.monotonic())

    if (seconds := wait()) > 0:
        replies.stop(_too_many(seconds))
    user = house.directory.users().get(name)
    if user is not None and has_known_password(user) and not _is_loopback(request.remote_addr):
        LOG.warning("the well-known password of %s opens from this machine only; choose another", user.name)
        user = None
    try:
        # Looked at again when it is this check's turn, so that a crowd at once is no way round the limit.
        good = passwords.right(user, password, hashing=bool(house.directory.accounts()), stop=lambda: wait() > 0)
    except passwords.Busy:
        busy = replies.error(503, "Too many logins at once; try again in a moment.")
        busy.headers["Retry-After"] = "1"
        replies.stop(busy)
    if not good or user is None:
        if (seconds := wait()) > 0:
            replies.stop(_too_many(seconds))
        house.throttle.failed(name, source, time.monotonic())
        return None
    house.throttle.succeeded(name, source)
    return user


def source_of(address: str | None) -> str:
    """What counts as one source: an IPv4 address, or the /64 an IPv6 host may choose its address from."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)


def _is_loopback(address: str | None) -> bool:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _too_many(wait: float) -> Response:
    seconds = int(wait) + 1
    answer = replies.error(429, f"Too many failed logins of this user from your address; wait {seconds} seconds.")
    answer.headers["Retry-After"] = str(seconds)
    return answer
