"""Accounts of the API that were made at run time, and tokens that are void.  Written by the web alone.

An account is one name with one password for the whole installation; its grants are given for all clusters (under
the empty name) or cluster by cluster.  Passwords come here as hashes.  Every change counts up one number, so that
the processes of the web can see cheaply whether what they know is still so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from repman.errors import StateError
from repman.state.database import DATABASE_ERRORS, Lazily, explain
from repman.state.schema import Schema

T = TypeVar("T")

EVERYWHERE = ""
"""In the place of a cluster's name: all clusters, and what belongs to none."""

_TABLES = MetaData()
_ACCOUNT = Table(
    "account",
    _TABLES,
    Column("name", String(128), primary_key=True),
    Column("password", Text, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("changed_by", String(128), nullable=False),
    Column("changed_at", Float(53), nullable=False),
)
_GRANTS = Table(
    "account_grants",
    _TABLES,
    Column("name", String(128), primary_key=True),
    Column("cluster", String(255), primary_key=True),
    Column("grants", Text, nullable=False),
)
_ROUND = Table(
    "token_round",
    _TABLES,
    Column("name", String(128), primary_key=True),
    Column("round", BigInteger, nullable=False),
)
_REVOKED = Table(
    "token_revoked",
    _TABLES,
    Column("id", String(64), primary_key=True),
    Column("name", String(128), nullable=False, index=True),
    Column("until", Float(53), nullable=False),
)
_CHANGES = Table(
    "account_changes",
    _TABLES,
    Column("only", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)
SCHEMA = Schema("accounts", "0002", _TABLES)


@dataclass(frozen=True, slots=True)
class Account:
    """One account."""

    name: str
    password: str = field(repr=False)
    """A hash."""
    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Full names of grants by cluster; `EVERYWHERE` stands for all.  The clusters named here are open to it."""
    created_by: str = ""
    created_at: float = 0.0
    """Unix seconds."""
    changed_by: str = ""
    changed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Known:
    """All that the store holds, at one moment."""

    changes: int = 0
    """Counts every change; equal numbers, equal contents."""
    accounts: Mapping[str, Account] = field(default_factory=dict)
    rounds: Mapping[str, int] = field(default_factory=dict)
    """How often all tokens of a user were revoked; a name that is missing: never."""
    revoked: frozenset[str] = frozenset()
    """Identifiers of single tokens that are void before their time."""


class AccountStore:
    """The accounts' database; usable from several threads and processes.

    Raises StateError when the database cannot be used; nothing is changed then.
    """

    def __init__(self, url: str, most_revoked: int = 5000) -> None:
        """`most_revoked` single tokens of one user are remembered as void."""
        self._url = url
        self._most_revoked = most_revoked
        # A token that was revoked must not come back with the power.
        self._database = Lazily(url, SCHEMA, "synchronous=FULL", _begin_counting)

    @property
    def shared(self) -> bool:
        """Whether other hosts may write to it, too."""
        return not self._url.startswith("sqlite")

    def read(self) -> Known:
        """Everything that is stored."""

        def work(connection: Connection) -> Known:
            # The number first: what is written between the two is read again with the next number.
            changes = connection.execute(select(_CHANGES.c.number)).scalar() or 0
            given: dict[str, dict[str, frozenset[str]]] = {}
            for name, cluster, grants in connection.execute(select(_GRANTS)).all():
                given.setdefault(name, {})[cluster] = frozenset(grants.split())
            accounts = {
                row.name: Account(
                    row.name,
                    row.password,
                    given.get(row.name, {}),
                    row.created_by,
                    row.created_at,
                    row.changed_by,
                    row.changed_at,
                )
                for row in connection.execute(select(_ACCOUNT))
            }
            rounds = {row.name: row.round for row in connection.execute(select(_ROUND))}
            revoked = frozenset(connection.execute(select(_REVOKED.c.id)).scalars())
            return Known(changes, accounts, rounds, revoked)

        return self._do(lambda engine: engine.connect(), work)

    def change(self, name: str, by: str, decide: Callable[[Account | None], Account | None]) -> int:
        """Put in the place of that account what `decide` makes of it; None removes it.  Returns the new number.

        `decide` sees the account as it is now, nobody else can change it before the result is stored, and
        whatever `decide` raises is raised and leaves all as it was.
        """

        def work(connection: Connection) -> int:
            number = _count(connection)
            before = _account(connection, name)
            after = decide(before)
            now = time.time()
            if after is None:
                _remove(connection, name)
            else:
                born = (by, now) if before is None else (before.created_by, before.created_at)
                _put(connection, replace(after, created_by=born[0], created_at=born[1], changed_by=by, changed_at=now))
            return number

        return self._do(lambda engine: engine.begin(), work)

    def revoke(self, token: str, name: str, until: float) -> int:
        """Declare one token of that user void; it would have expired at `until`, and is forgotten then.

        Who revokes more of his tokens than are remembered, loses all of them.
        """

        def work(connection: Connection) -> int:
            number = _count(connection)
            connection.execute(delete(_REVOKED).where(_REVOKED.c.until < time.time()))
            mine = _REVOKED.c.name == name
            if connection.execute(select(func.count()).where(mine)).scalar_one() >= self._most_revoked:
                connection.execute(delete(_REVOKED).where(mine))
                _next_round(connection, name)
            elif connection.execute(select(_REVOKED.c.id).where(_REVOKED.c.id == token)).first() is None:
                connection.execute(insert(_REVOKED).values(id=token, name=name, until=until))
            return number

        return self._do(lambda engine: engine.begin(), work)

    def revoke_all(self, name: str) -> int:
        """Declare all tokens void that this user holds now."""

        def work(connection: Connection) -> int:
            number = _count(connection)
            _next_round(connection, name)
            return number

        return self._do(lambda engine: engine.begin(), work)

    def close(self) -> None:
        """Give up all connections."""
        self._database.close()

    def _do(self, begin: Callable[[Engine], AbstractContextManager[Connection]], work: Callable[[Connection], T]) -> T:
        try:
            with begin(self._database.engine()) as connection:
                return work(connection)
        except DATABASE_ERRORS as error:
            raise StateError(explain("The store of accounts", self._url, error)) from error


def _begin_counting(engine: Engine) -> None:
    try:
        with engine.begin() as connection:
            if connection.execute(select(_CHANGES.c.number)).first() is None:
                connection.execute(insert(_CHANGES).values(only=1, number=1))
    except IntegrityError:
        pass  # another process was first


def _count(connection: Connection) -> int:
    """The first write of every transaction: it takes the lock, so that what is read after it stays so."""
    connection.execute(update(_CHANGES).values(number=_CHANGES.c.number + 1))
    return int(connection.execute(select(_CHANGES.c.number)).scalar_one())


def _account(connection: Connection, name: str) -> Account | None:
    row = connection.execute(select(_ACCOUNT).where(_ACCOUNT.c.name == name)).first()
    if row is None:
        return None
    given = connection.execute(select(_GRANTS.c.cluster, _GRANTS.c.grants).where(_GRANTS.c.name == name)).all()
    grants = {cluster: frozenset(words.split()) for cluster, words in given}
    return Account(row.name, row.password, grants, row.created_by, row.created_at, row.changed_by, row.changed_at)


def _remove(connection: Connection, name: str) -> None:
    for table in (_GRANTS, _ROUND, _ACCOUNT):
        connection.execute(delete(table).where(table.c.name == name))


def _put(connection: Connection, account: Account) -> None:
    connection.execute(delete(_ACCOUNT).where(_ACCOUNT.c.name == account.name))
    connection.execute(
        insert(_ACCOUNT).values(
            name=account.name,
            password=account.password,
            created_by=account.created_by,
            created_at=account.created_at,
            changed_by=account.changed_by,
            changed_at=account.changed_at,
        )
    )
    connection.execute(delete(_GRANTS).where(_GRANTS.c.name == account.name))
    for cluster, grants in account.grants.items():
        connection.execute(insert(_GRANTS).values(name=account.name, cluster=cluster, grants=" ".join(sorted(grants))))


def _next_round(connection: Connection, name: str) -> None:
    done = connection.execute(update(_ROUND).where(_ROUND.c.name == name).values(round=_ROUND.c.round + 1))
    if done.rowcount == 0:
        connection.execute(insert(_ROUND).values(name=name, round=1))
