"""Who may do what: the grants, and how users come by them.  Pure.

A user's grants are given by prefixes (``db`` gives every ``db-...``) and taken away by exact name, as in
replication-manager's ``api-credentials-acl-allow`` and ``api-credentials-acl-discard``.  Users of the configuration
have their grants in all clusters; users made at run time may have theirs in some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from repman.config.settings import ServiceSettings
from repman.model.problem import Problem, Severity
from repman.state.accounts import EVERYWHERE, Account

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
        "create drop delete create-monitor drop-monitor failover switchover rolling settings grant checksum sharding "
        "replication certificates-rotate certificates-reload bench process test traffic show-backups show-routes "
        "show-graphs config-graphs show-agents show-certificates rotate-passwords reset-sla debug link-show link-start "
        "link-pause link-resume link-finalize link-reverse"
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


DEFAULT_PAIR = ("admin", "repman")
"""replication-manager's account out of the box, which everybody knows."""

_GRANTS_EVERYWHERE: Mapping[str, frozenset[str]] = {EVERYWHERE: frozenset()}


@dataclass(frozen=True, slots=True)
class User:
    """An account of the API."""

    name: str
    password: str = field(repr=False)
    """In clear for a user of the configuration, a hash for one of the store."""
    grants: Mapping[str, frozenset[str]] = field(default_factory=lambda: _GRANTS_EVERYWHERE)
    """By cluster; under `EVERYWHERE` those for all clusters and for what belongs to none."""
    stored: bool = False
    """Whether the account was made at run time."""

    @property
    def everywhere(self) -> bool:
        """Whether all clusters are open to this user."""
        return EVERYWHERE in self.grants

    def sees(self, cluster: str) -> bool:
        """Whether that cluster is open to this user."""
        return cluster in self.grants or self.everywhere

    def held(self, cluster: str) -> frozenset[str]:
        """The grants in that cluster, or with `EVERYWHERE` those held in all clusters."""
        none: frozenset[str] = frozenset()
        return self.grants.get(EVERYWHERE, none) | self.grants.get(cluster, none)

    def may(self, grant: str, cluster: str = EVERYWHERE) -> bool:
        """Whether a route with that grant (or `ANY`, `PUBLIC`), about that cluster or none, is open to this user."""
        if grant == PUBLIC:
            return True
        if grant == ANY:
            return cluster == EVERYWHERE or self.sees(cluster)
        return grant in self.held(cluster)


def has_known_password(user: User) -> bool:
    """Whether this is the account that everybody knows."""
    return not user.stored and (user.name, user.password) == DEFAULT_PAIR


def problems_of(users: Mapping[str, User]) -> tuple[Problem, ...]:
    """What is wrong with the configured users."""
    return tuple(
        Problem(
            "known-password",
            Severity.WARNING,
            f"Everybody knows the password of {user.name}, so it opens from this machine only; choose another.",
            number="WARN0108",
        )
        for user in users.values()
        if has_known_password(user)
    )


def grants_of(allow: Iterable[str], discard: Iterable[str]) -> frozenset[str]:
    """The grants that begin with one of `allow`, without those named in `discard`."""
    prefixes = tuple(prefix for prefix in allow if prefix)
    if not prefixes:
        return frozenset()
    return frozenset(grant for grant in GRANTS if grant.startswith(prefixes)) - frozenset(discard)


def users_of(service: ServiceSettings) -> dict[str, User]:
    """The configured accounts by name; one that no acl-allow entry names may log in and read, and holds no grant."""
    return {
        account.user: User(
            account.user,
            account.password,
            {EVERYWHERE: grants_of(service.acl_allow.get(account.user, ()), service.acl_discard.get(account.user, ()))},
        )
        for account in service.api_users
        if account.user and account.password
    }


def user_of(account: Account) -> User:
    """The user behind a stored account; grants that this release does not know count for nothing."""
    known = frozenset(GRANTS)
    grants = {cluster: held & known for cluster, held in account.grants.items()}
    return User(account.name, account.password, grants, stored=True)
