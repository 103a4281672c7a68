"""Passwords: how those of the store are kept, and how one is checked.

Argon2id with OWASP's parameters.  A check still takes some ten milliseconds and 19 MiB, so only one at a time is made
in a process, and few wait for it: logins never take the threads that reads need.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from repman.web.acl import User

LONGEST = 1024
"""Characters."""
SHORTEST = 8
"""Characters of a password that somebody chooses."""

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_QUEUE = threading.BoundedSemaphore(6)
_TURN = threading.Lock()


class Busy(Exception):
    """More passwords are being checked than this process takes on."""


def hashed(password: str) -> str:
    """The form in which the store keeps a password."""
    with _TURN:
        return _HASHER.hash(password.encode("utf-8", "surrogatepass"))


def generated() -> str:
    """A new password that nobody can guess."""
    return secrets.token_urlsafe(18)


def right(user: User | None, password: str, hashing: bool, stop: Callable[[], bool] = lambda: False) -> bool:
    """Whether that is this user's password.  An unknown name (None) costs as much as a known one.

    With `hashing` every check costs a hash, so that nobody can tell from the time which names are stored; it may
    be left out as long as no account is stored.  `stop` is asked when it is this check's turn, and ends it with
    False.  Raises `Busy`.
    """
    given = password.encode("utf-8", "surrogatepass")
    if not hashing:
        return _same(user, given)
    if not _QUEUE.acquire(blocking=False):
        raise Busy
    try:
        with _TURN:
            if stop():
                return False
            if user is not None and user.stored:
                return _verified(user.password, given)
            _verified(_nobody(), given)
            return _same(user, given)
    finally:
        _QUEUE.release()


def _same(user: User | None, given: bytes) -> bool:
    in_clear = user is not None and not user.stored
    expected = user.password if user is not None and in_clear else ""
    return hmac.compare_digest(expected.encode(), given) and in_clear


def _verified(stored: str, given: bytes) -> bool:
    try:
        return _HASHER.verify(stored, given)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return _HASHER.hash(secrets.token_bytes(16))
