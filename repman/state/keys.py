"""API keys of the services that speak another product's API: one store, whatever way a key is shown.

Some APIs take HTTP Digest, which needs the equivalent of a password: that is kept encrypted, and this module never sees
it in clear.  The others take the key itself: of that only a digest is kept, which is enough, as keys are long and random.
Keys are never deleted, only revoked, so that it can be told whose a key was.
"""

from __future__ import annotations

import enum
import hashlib
import secrets
import string
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Column, Connection, Engine, Float, MetaData, Row, String, Table, Text, insert, select, update
from sqlalchemy.exc import IntegrityError

from repman.errors import StateError
from repman.state.database import DATABASE_ERRORS, Lazily, explain
from repman.state.schema import Schema

T = TypeVar("T")

FILE = "keys.db"
"""Below the data directory."""
_PUBLIC_LETTERS = 8
_TABLES = MetaData()
_KEYS = Table(
    "api_keys",
    _TABLES,
    Column("public", String(64), primary_key=True),
    Column("dialect", String(32), nullable=False),
    Column("proof", Text, nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("revoked", Float(53), nullable=True),
)
SCHEMA = Schema("keys", "0001", _TABLES)


class Dialect(enum.StrEnum):
    """Whose API a key opens."""

    CHECKPOINTS = "checkpoints"
    STREAMS = "streams"


ROLES: dict[Dialect, tuple[str, ...]] = {
    Dialect.CHECKPOINTS: ("read", "write", "restore"),
    Dialect.STREAMS: ("read", "write"),
}
"""What a key can be good for; who may do more does not have to be given `read` as well."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, without what its owner keeps secret."""

    public: str
    """Its name; with HTTP Digest also the user's."""
    dialect: Dialect
    proof: str = field(repr=False)
    """The encrypted password equivalent, or `digest_of` the key."""
    scope: frozenset[str] = frozenset()
    """What it opens: ids of groups with checkpoints; empty: everything."""
    roles: frozenset[str] = frozenset()
    """Some of `ROLES`."""
    note: str = ""
    created: float = 0.0
    """Unix seconds."""
    revoked: float | None = None
    """Unix seconds; None: it is good."""

    def may(self, role: str) -> bool:
        """Whether it is good for that; `read` is part of everything."""
        return self.revoked is None and (role in self.roles or (role == "read" and bool(self.roles)))

    def opens(self, place: str) -> bool:
        """Whether that place is in its scope."""
        return not self.scope or place in self.scope


def new_public() -> str:
    """A name for a key: eight lower-case letters."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(_PUBLIC_LETTERS))


def new_private() -> str:
    """The secret half of a key for HTTP Digest: 122 random bits in the form of a UUID, as its clients expect it."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def new_bearer() -> str:
    """A key that is shown as a whole: 256 random bits."""
    return secrets.token_urlsafe(32)


def digest_of(key: str) -> str:
    """What is kept of a key that is shown as a whole: SHA-256, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def roles_of(dialect: Dialect, words: Iterable[str]) -> frozenset[str]:
    """The roles by those names; all of them when there is no name.  Raises ValueError."""
    wanted = frozenset(words)
    known = ROLES[dialect]
    if unknown := sorted(wanted.difference(known)):
        raise ValueError(f"no role of {dialect} is called {', '.join(unknown)}; there are {', '.join(known)}")
    return wanted or frozenset(known)


class ApiKeys:
    """The keys' database; usable from several threads and processes, a change is seen by all at once.

    Raises StateError when the database cannot be used; nothing is changed then.
    """

    def __init__(self, url: str) -> None:
        """`url`: of SQLAlchemy.  Nothing is opened before it is needed."""
        self._url = url
        # A key that was revoked must not come back with the power.
        self._database = Lazily(url, SCHEMA, "synchronous=FULL")

    @classmethod
    def below(cls, datadir: Path) -> ApiKeys:
        """The keys in that data directory."""
        return cls(f"sqlite:///{datadir / FILE}")

    def add(self, key: ApiKey) -> ApiKey:
        """Keep a new key; returns it with the time.  Raises StateError when there is one of that name."""
        row = {
            "public": key.public,
            "dialect": str(key.dialect),
            "proof": key.proof,
            "scope": " ".join(sorted(key.scope)),
            "roles": " ".join(sorted(key.roles)),
            "note": key.note,
            "created": time.time(),
            "revoked": None,
        }

        def work(connection: Connection) -> ApiKey:
            connection.execute(insert(_KEYS).values(row))
            found = _one(connection, key.dialect, key.public)
            assert found is not None
            return found

        try:
            return self._do(lambda engine: engine.begin(), work)
        except IntegrityError:
            raise StateError(f"there is a key called {key.public} already; give another name") from None

    def get(self, dialect: Dialect, public: str) -> ApiKey | None:
        """The key of that name, revoked or not; None when there is none for that API."""
        return self._do(lambda engine: engine.connect(), lambda connection: _one(connection, dialect, public))

    def shown(self, dialect: Dialect, key: str) -> ApiKey | None:
        """The key that was shown as a whole; None when there is none, or it was revoked.

        It is looked up by its digest: how long that takes tells nothing of a key.
        """
        wanted = select(_KEYS).where(
            _KEYS.c.dialect == str(dialect), _KEYS.c.proof == digest_of(key), _KEYS.c.revoked.is_(None)
        )

        def work(connection: Connection) -> ApiKey | None:
            row = connection.execute(wanted).first()
            return None if row is None else _key(row)

        return self._do(lambda engine: engine.connect(), work)

    def list(self, dialect: Dialect | None = None) -> tuple[ApiKey, ...]:
        """All keys, or those of one API, oldest first."""
        wanted = select(_KEYS).order_by(_KEYS.c.created, _KEYS.c.public)
        if dialect is not None:
            wanted = wanted.where(_KEYS.c.dialect == str(dialect))
        return self._do(
            lambda engine: engine.connect(), lambda connection: tuple(map(_key, connection.execute(wanted)))
        )

    def revoke(self, dialect: Dialect, public: str) -> ApiKey | None:
        """Let a key open nothing any more; returns it, or None when there is none.  Again: the first time counts."""
        mine = (_KEYS.c.dialect == str(dialect)) & (_KEYS.c.public == public)

        def work(connection: Connection) -> ApiKey | None:
            connection.execute(update(_KEYS).where(mine, _KEYS.c.revoked.is_(None)).values(revoked=time.time()))
            return _one(connection, dialect, public)

        return self._do(lambda engine: engine.begin(), work)

    def close(self) -> None:
        """Give up all connections."""
        self._database.close()

    def _do(self, begin: Callable[[Engine], AbstractContextManager[Connection]], work: Callable[[Connection], T]) -> T:
        try:
            with begin(self._database.engine()) as connection:
                return work(connection)
        except IntegrityError:
            raise
        except DATABASE_ERRORS as error:
            raise StateError(explain("The store of API keys", self._url, error)) from error


def _one(connection: Connection, dialect: Dialect, public: str) -> ApiKey | None:
    row = connection.execute(select(_KEYS).where(_KEYS.c.dialect == str(dialect), _KEYS.c.public == public)).first()
    return None if row is None else _key(row)


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        public=row.public,
        dialect=Dialect(row.dialect),
        proof=row.proof,
        scope=frozenset(row.scope.split()),
        roles=frozenset(row.roles.split()),
        note=row.note,
        created=row.created,
        revoked=row.revoked,
    )
