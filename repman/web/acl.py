"""Who may do what: the grants, and how users come by them.  Pure.

A user's grants are given by prefixes (``db`` gives every ``db-...``) and taken away by exact name, as in
replication-manager's ``api-credentials-acl-allow`` and ``api-credentials-acl-discard``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from repman.config.settings import ServiceSettings

PUBLIC = "public"
"""In the place of a grant: no token is asked for."""
ANY = "any"
"""In the place of a grant: every known user may."""

_GRANTS_BY_ROOM = {
    "db": (
        "start stop kill optimize analyse replication backup restore readonly logs show-variables show-status "
        "show-schema show-process show-logs capture maintenance config-create config-ressource config-flag "
        "config-get debug"
    ),
    "cluster": (
        "create drop create-monitor drop-monitor failover switchover rolling settings grant checksum sharding "
        "replication certificates-rotate certificates-reload bench process test traffic show-backups show-routes "
        "show-graphs config-graphs show-agents show-certificates rotate-passwords reset-sla debug"
    ),
    "proxy": "config-create config-get config-ressource config-flag start stop",
    "prov": (
        "settings cluster cluster-provision cluster-unprovision db-provision db-unprovision proxy-provision "
        "proxy-unprovision"
    ),
    "global": "settings grant",
}

GRANTS: tuple[str, ...] = tuple(
    sorted(f"{room}-{name}" for room, names in _GRANTS_BY_ROOM.items() for name in names.split())
)
"""Every grant there is, sorted."""


@dataclass(frozen=True, slots=True)
class User:
    """An account of the API."""

    name: str
    password: str = field(repr=False)
    grants: frozenset[str] = frozenset()

    def may(self, grant: str) -> bool:
        """Whether a route with that grant (or `ANY`, `PUBLIC`) is open to this user."""
        return grant in (PUBLIC, ANY) or grant in self.grants


def grants_of(allow: Iterable[str], discard: Iterable[str]) -> frozenset[str]:
    """The grants that begin with one of `allow`, without those named in `discard`."""
    prefixes = tuple(prefix for prefix in allow if prefix)
    if not prefixes:
        return frozenset()
    return frozenset(grant for grant in GRANTS if grant.startswith(prefixes)) - frozenset(discard)


def users_of(service: ServiceSettings) -> dict[str, User]:
    """The accounts by name; one that no acl-allow entry names may log in and read, and holds no grant."""
    return {
        account.user: User(
            account.user,
            account.password,
            grants_of(service.acl_allow.get(account.user, ()), service.acl_discard.get(account.user, ())),
        )
        for account in service.api_users
        if account.user and account.password
    }
