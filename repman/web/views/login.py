"""Login."""

from __future__ import annotations

import hmac
import ipaddress
import json
import time

from flask import Response, request

from repman.web import replies, tokens
from repman.web.acl import User
from repman.web.call import Call


def login(call: Call) -> Response:
    """Name and password for a token."""
    try:
        body = json.loads(request.get_data())
        name, password = body["username"], body["password"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return replies.text("Error in request", 403)
    if not isinstance(name, str) or not isinstance(password, str):
        return replies.text("Error in request", 403)
    house, source = call.house, source_of(request.remote_addr)
    wait = house.throttle.wait(name, source, time.monotonic())
    if wait > 0:
        return _too_many(wait)
    user = house.users.get(name)
    if not _right(user, password) or user is None:
        house.throttle.failed(name, source, time.monotonic())
        return replies.text("Invalid credentials", 403)
    house.throttle.succeeded(name, source)
    token = tokens.issue(user, house.key)
    if request.accept_mimetypes.best == "text/html":
        return replies.text(token)
    return replies.document({"token": token})


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


def _right(user: User | None, password: str) -> bool:
    # An unknown name costs the same comparison as a known one.
    expected = user.password if user is not None else "\0"
    return hmac.compare_digest(expected.encode(), password.encode("utf-8", "surrogatepass"))


def _too_many(wait: float) -> Response:
    seconds = int(wait) + 1
    answer = replies.error(429, f"Too many failed logins of this user from your address; wait {seconds} seconds.")
    answer.headers["Retry-After"] = str(seconds)
    return answer
