"""HTTP Digest as the resource speaks it: RFC 2069, and RFC 2617 with ``qop=auth`` for clients that insist on it.

Nonces are signed and kept nowhere, so that any process with the same key accepts them; all but `Spent` is pure.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import re
import secrets
import struct
import threading
from dataclasses import dataclass

from werkzeug.datastructures import Authorization

REALM = "MMS Public API"
NONCE_SECONDS = 300
"""How long a nonce may be used."""

_TIME = struct.Struct(">Q")
_RANDOM_BYTES = 8
_MAC_BYTES = 16
_COUNT = re.compile(r"[0-9a-fA-F]{8}")
_SWEEP = 1000
"""Credentials that are remembered before those whose time is over are looked for."""
_AHEAD = 5.0
"""Seconds by which the clock of another process may be before ours."""


class Verdict(enum.Enum):
    """What credentials are worth."""

    GOOD = "good"
    STALE = "stale"
    """They are right, and their nonce is too old: the client may try again by itself."""
    WRONG = "wrong"


class Age(enum.Enum):
    """What a nonce is worth."""

    FRESH = "fresh"
    OLD = "old"
    FORGED = "forged"


class Nonces:
    """Nonces that prove by a signature (HMAC-SHA-256) who gave them and when."""

    def __init__(self, key: bytes) -> None:
        """`key` is the same in all processes that accept each other's nonces, and secret."""
        self._key = key

    def make(self, now: float) -> str:
        """Another nonce; `now` in Unix seconds."""
        body = _TIME.pack(int(now * 1000)) + secrets.token_bytes(_RANDOM_BYTES)
        return base64.urlsafe_b64encode(body + self._mac(body)).decode().rstrip("=")

    def age(self, nonce: str, now: float) -> Age:
        """Whether it is one of ours, and may still be used."""
        try:
            box = base64.b64decode(nonce + "=" * (-len(nonce) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return Age.FORGED
        body, mac = box[:-_MAC_BYTES], box[-_MAC_BYTES:]
        if len(body) != _TIME.size + _RANDOM_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            return Age.FORGED
        passed = now - _TIME.unpack_from(body)[0] / 1000
        return Age.FRESH if -_AHEAD <= passed <= NONCE_SECONDS else Age.OLD

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]


class Spent:
    """Credentials of requests that change something, each good for one of them; usable from several threads.

    Without a `qop` the same request with the same nonce looks the same: what somebody has overheard could be sent
    again.  A client whose credentials were used is told that they are stale, and signs anew by itself.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def first(self, asked: Claim, now: float) -> bool:
        """Whether they were not used before; they are from now on."""
        with self._lock:
            if self._until.get(asked.response, 0.0) > now:
                return False
            if len(self._until) >= _SWEEP:
                self._until = {each: until for each, until in self._until.items() if until > now}
            self._until[asked.response] = now + NONCE_SECONDS + _AHEAD
            return True


@dataclass(frozen=True, slots=True)
class Claim:
    """What an ``Authorization: Digest`` header says."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    qop: str = ""
    count: str = ""
    """`nc`."""
    cnonce: str = ""


def claim(header: str) -> Claim | None:
    """What the header says; None when it is no Digest of the algorithm MD5, or lacks what it must have."""
    try:
        found = Authorization.from_header(header)
    except (ValueError, UnicodeError):
        return None
    if found is None or found.type != "digest":
        return None
    given = {name: value or "" for name, value in found.parameters.items()}
    if given.get("algorithm", "MD5").upper() != "MD5":
        return None
    if not all(given.get(name) for name in ("username", "realm", "nonce", "uri", "response")):
        return None
    qop = given.get("qop", "")
    if qop and not (qop == "auth" and _COUNT.fullmatch(given.get("nc", "")) and given.get("cnonce")):
        return None
    return Claim(
        user=given["username"],
        realm=given["realm"],
        nonce=given["nonce"],
        uri=given["uri"],
        response=given["response"].lower(),
        qop=qop,
        count=given.get("nc", ""),
        cnonce=given.get("cnonce", ""),
    )


def challenge(nonce: str, stale: bool = False) -> str:
    """The value of ``WWW-Authenticate``, word by word as the resource has it: `op`, and no `qop`."""
    told = "true" if stale else "false"
    return f'Digest realm="{REALM}", domain="", nonce="{nonce}", algorithm=MD5, op="auth", stale={told}'


def password_equivalent(user: str, password: str, realm: str = REALM) -> str:
    """HA1 of RFC 2617, in hex: who has it needs no password."""
    return _md5(f"{user}:{realm}:{password}")


def response(ha1: str, asked: Claim, method: str) -> str:
    """What the response to a challenge must be: RFC 2069 section 2.1.2, with a `qop` RFC 2617 section 3.2.2.1."""
    ha2 = _md5(f"{method}:{asked.uri}")
    if not asked.qop:
        return _md5(f"{ha1}:{asked.nonce}:{ha2}")
    return _md5(f"{ha1}:{asked.nonce}:{asked.count}:{asked.cnonce}:{asked.qop}:{ha2}")


def judge(asked: Claim, method: str, target: str, ha1: str | None, age: Age) -> Verdict:
    """What a claim is worth for that request; `ha1` is None where nobody has such a name.

    `target` is the request's target as it was sent, with its query: credentials for one address open no other.
    """
    # An unknown name takes as long as a wrong password.
    wanted = response(ha1 or _NOBODY, asked, method)
    right = hmac.compare_digest(wanted.encode(), asked.response.encode()) and ha1 is not None
    here = hmac.compare_digest(asked.uri.encode(), target.encode())
    if not (right and here and asked.realm == REALM) or age is Age.FORGED:
        return Verdict.WRONG
    return Verdict.GOOD if age is Age.FRESH else Verdict.STALE


def _md5(text: str) -> str:
    # What the resource's clients speak; it protects by the length of the keys, which are random.
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


_NOBODY = _md5(secrets.token_hex())
