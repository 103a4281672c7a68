"""Replica sets of a sandbox: made of their members when those have been started, with accounts in them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from repman.errors import SandboxError
from repman.orchestrators.description import Account, Description, ServerEntry

Client = MongoClient[dict[str, Any]]

_SETTINGS = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
_MONITOR_ROLES = ("clusterMonitor", "clusterManager", {"role": "read", "db": "local"})
"""To see members and their oplog, to let a primary step down, and to make a set."""
_APPLICATION_ROLES = ("readWriteAnyDatabase",)
_ADMINISTRATOR_ROLES = ("root",)
_POLL = 0.02
_NOT_YET, _DENIED, _UNAUTHORIZED = 94, 18, 13


def answers(one: ServerEntry, timeout: float) -> bool:
    """Whether a member answers within `timeout` seconds."""
    try:
        with _client(one) as client, pymongo.timeout(max(0.01, timeout)):
            client.admin.command("hello")
    except PyMongoError:
        return False
    return True


def make_sets(planned: Description, timeout: float) -> None:
    """Make the sets and accounts that are not there yet; all members must run.  Raises SandboxError."""
    ends = time.monotonic() + timeout
    for name in dict.fromkeys(one.set_name for one in planned.servers):
        members = [one for one in planned.servers if one.set_name == name]
        try:
            _make_set(name, members, (planned.replication, planned.monitor, planned.application), ends)
        except PyMongoError as error:
            raise SandboxError(f"the replica set {name} could not be made: {error}") from error


def _make_set(
    name: str, members: Sequence[ServerEntry], accounts: tuple[Account, Account, Account], ends: float
) -> None:
    administrator, monitor, application = accounts
    if any(_has(one, administrator) for one in members):
        return
    with _client(members[0]) as client:
        config: dict[str, Any] = {
            "_id": name,
            "members": [{"_id": number, "host": one.address} for number, one in enumerate(members)],
            "settings": _SETTINGS,
        }
        if members[0].role == "configsvr":
            config["configsvr"] = True
        try:
            client.admin.command("replSetInitiate", config)
        except OperationFailure as error:
            if error.code not in (23, _UNAUTHORIZED):  # AlreadyInitialized, or made before: then only accounts lack
                raise
    primary = _primary(members, ends)
    with _client(primary) as client:
        _create(client, administrator, _ADMINISTRATOR_ROLES)
    with _client(primary, administrator) as client:
        _create(client, monitor, _MONITOR_ROLES)
        _create(client, application, _APPLICATION_ROLES)
    for one in members:  # wherever somebody asks next, he is known
        while not _has(one, application):
            _pause(ends, f"the accounts have not arrived on {one.name}")


def _client(one: ServerEntry, account: Account | None = None) -> Client:
    login: dict[str, Any] = {"username": account.user, "password": account.password} if account else {}
    return MongoClient(one.host, one.port, directConnection=True, serverSelectionTimeoutMS=2000, **login)


def _create(client: Client, account: Account, roles: Iterable[object]) -> None:
    client.admin.command(
        "createUser", account.user, pwd=account.password, roles=list(roles), writeConcern={"w": "majority"}
    )


def _has(one: ServerEntry, account: Account) -> bool:
    """Whether that account may log in there."""
    try:
        with _client(one, account) as client:
            client.admin.command("ping")
    except PyMongoError:
        return False
    return True


def _primary(members: Sequence[ServerEntry], ends: float) -> ServerEntry:
    while True:
        for one in members:
            try:
                with _client(one) as client:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return one
            except PyMongoError:
                continue
        _pause(ends, "no primary was elected")


def _pause(ends: float, what: str) -> None:
    if time.monotonic() > ends:
        raise SandboxError(f"{what}; see the logs of the members, then try again: repman sandbox start")
    time.sleep(_POLL)
