"""Tokens: who they name, how long they live, and the key that signs them.

A token holds the user's name, a digest that changes with the password, so that a new password voids the old
tokens, and the round of the user's tokens, so that all of them can be revoked at once.  The password itself is
not in it.
"""

from __future__ import annotations

import hmac
import os
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from repman.web.acl import User
from repman.web.directory import Directory

_KEY_BYTES = 48


class TokenRefused(Exception):
    """The token names nobody that may come in; the text is the reason, for the 401 answer."""

    def __init__(self, reason: str, user: str = "") -> None:
        """`user`: whom the token was issued to, when its signature proves that."""
        super().__init__(reason)
        self.user = user


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was issued here."""

    id: str
    user: str
    digest: str
    round: int
    until: float
    """Unix seconds of its end."""


def signing_key(datadir: Path) -> str:
    """The installation's key, made at first use (``<datadir>/jwt.key``, mode 0600).

    Several processes may come here at once: the first link wins and all read the same key.
    """
    path = datadir / "jwt.key"
    if not path.exists():
        datadir.mkdir(parents=True, exist_ok=True)
        draft = datadir / f".jwt.key.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()


def configure(app: Flask, key: str, hours: float) -> None:
    """Make `app` sign and read tokens with `key`, valid for `hours`."""
    app.config["JWT_SECRET_KEY"] = key
    app.config["JWT_ALGORITHM"] = "HS256"
    app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(hours=hours)
    app.config["JWT_TOKEN_LOCATION"] = ["headers"]
    JWTManager(app)


def issue(user: User, directory: Directory, key: str) -> str:
    """A token for that user, who has just proved to be it."""
    claims = {"pwd": _digest(user.name, user.password, key), "round": directory.round(user.name)}
    token: str = create_access_token(identity=user.name, additional_claims=claims)
    return token


def holder(header: str | None, directory: Directory, key: str) -> User:
    """The user that an ``Authorization`` header names; with or without the word ``Bearer``.

    Raises `TokenRefused` with the reason.
    """
    token = read(header, key)
    user = directory.users().get(token.user)
    if user is None or not hmac.compare_digest(token.digest, _digest(user.name, user.password, key)):
        raise TokenRefused("user or password has changed, log in again", token.user)
    if token.round != directory.round(token.user) or directory.is_revoked(token.id):
        raise TokenRefused("token was revoked, log in again", token.user)
    return user


def read(header: str | None, key: str) -> Token:
    """The token in an ``Authorization`` header: signed by us and not expired.

    Raises `TokenRefused` with the reason.
    """
    bare = _bare(header)
    token = _remembered.get((key, bare))
    if token is None:
        claims = _claims(bare)
        token = Token(
            str(claims["jti"]),
            str(claims["sub"]),
            str(claims.get("pwd", "")),
            int(claims.get("round", 0)),
            float(claims["exp"]),
        )
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key, bare] = token
    elif token.until <= time.time():
        raise TokenRefused("Token is expired", token.user)
    return token


_MOST_REMEMBERED = 1024
_remembered: dict[tuple[str, str], Token] = {}
"""Tokens whose signature was found good: checking one again costs more than everything else about a read."""


def _bare(header: str | None) -> str:
    words = (header or "").split()
    if words and words[0].lower() == "bearer":
        words = words[1:]
    if len(words) != 1:
        raise TokenRefused("no token present in request")
    return words[0]


def _claims(token: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = decode_token(token)
    except jwt.ExpiredSignatureError as error:
        # Only a good signature comes as far as the date.
        claims = decode_token(token, allow_expired=True)
        raise TokenRefused("Token is expired", str(claims.get("sub", ""))) from error
    except jwt.InvalidSignatureError as error:
        raise TokenRefused("signature is invalid") from error
    except jwt.DecodeError as error:
        segments = token.count(".") + 1
        reason = "Token is not valid" if segments == 3 else "token contains an invalid number of segments"
        raise TokenRefused(reason) from error
    except (jwt.PyJWTError, JWTExtendedException, KeyError, TypeError, ValueError) as error:
        raise TokenRefused("Token is not valid") from error
    return claims


@lru_cache(256)
def _digest(name: str, password: str, key: str) -> str:
    return hmac.new(key.encode(), f"{name}\0{password}".encode(), sha256).hexdigest()[:32]
