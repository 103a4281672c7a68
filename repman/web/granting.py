"""Who may change which account, and what comes of it.  Pure.

Nobody gives, takes or gets by a stranger's new password a grant that he does not hold himself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from repman.state.accounts import EVERYWHERE, Account
from repman.web.acl import GRANTS, User, grants_of

Change = Callable[[Account | None], Account | None]
"""What becomes of an account, None: there is none; may raise `Denied`."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Denied(Exception):
    """The account stays as it is; the text says why and what to do."""

    def __init__(self, status: int, sentence: str, grant: str = "") -> None:
        """`status`: of HTTP; `grant`: the first one that the caller lacks."""
        super().__init__(sentence)
        self.status = status
        self.grant = grant


def check_name(name: str) -> None:
    """Raise `Denied` for a name that no account can have."""
    if not _NAME.fullmatch(name):
        raise Denied(
            400, "username must be 1 to 64 letters, digits or any of . _ @ - and begin with a letter or a digit."
        )


def named(words: Iterable[str]) -> frozenset[str]:
    """The grants meant by names and prefixes; raises `Denied` for a word that is neither."""
    words = tuple(words)
    strange = sorted(word for word in words if not any(grant.startswith(word) for grant in GRANTS))
    if strange:
        raise Denied(400, f"No grant begins with: {', '.join(strange)}; /api/monitor lists them under serviceAcl.")
    return grants_of(words, ())


def added(caller: User, name: str, cluster: str, grants: frozenset[str], password: str | None) -> Change:
    """A new account, or one that there is let into one more cluster; then `password` (a hash) must be None."""
    _check_held(caller, cluster, grants)

    def change(account: Account | None) -> Account:
        if account is None:
            if password is None:
                raise Denied(409, f"{name} was dropped just now; try again.")
            return Account(name, password, {cluster: grants})
        if cluster in account.grants or EVERYWHERE in account.grants or cluster == EVERYWHERE:
            raise Denied(409, f"There is a user {name} already; change it with update, or drop it first.")
        if password is not None:
            raise Denied(
                409,
                f"There is a user {name} in another cluster, who has a password; leave the password out to let "
                f"{name} into {cluster}, too.",
            )
        return replace(account, grants={**account.grants, cluster: grants})

    return change


def updated(caller: User, name: str, cluster: str, grants: frozenset[str] | None, password: str | None) -> Change:
    """Other grants in one cluster (or everywhere), another password (a hash), or both; None leaves it."""

    def change(account: Account | None) -> Account:
        account = _present(account, name, cluster)
        if grants is not None:
            _check_held(caller, cluster, grants ^ account.grants[cluster])
            account = replace(account, grants={**account.grants, cluster: grants})
        if password is not None:
            _check_superior(caller, account)
            account = replace(account, password=password)
        return account

    return change


def dropped(caller: User, name: str, cluster: str) -> Change:
    """Out of one cluster, and gone with the last; with `EVERYWHERE` gone altogether."""

    def change(account: Account | None) -> Account | None:
        account = _present(account, name, cluster)
        _check_held(caller, cluster, account.grants[cluster])
        rest = {where: grants for where, grants in account.grants.items() if where != cluster}
        return replace(account, grants=rest) if rest else None

    return change


def with_password(name: str, password: str) -> Change:
    """The account with another password (a hash), wished by its user."""

    def change(account: Account | None) -> Account:
        if account is None:
            raise Denied(404, f"There is no user {name} any more.")
        return replace(account, password=password)

    return change


def _present(account: Account | None, name: str, cluster: str) -> Account:
    if account is not None and cluster in account.grants:
        return account
    if account is not None and EVERYWHERE in account.grants:
        raise Denied(409, f"{name} is a user of all clusters; use /api/monitor/actions/updateuser or dropuser.")
    if account is not None and cluster == EVERYWHERE:
        places = ", ".join(sorted(account.grants))
        raise Denied(409, f"{name} is a user of single clusters ({places}); use /api/clusters/<cluster>/users there.")
    raise Denied(404, f"There is no user {name} here.")


def _check_held(caller: User, cluster: str, grants: frozenset[str]) -> None:
    lacking = sorted(grants - caller.held(cluster))
    if lacking:
        raise Denied(
            403, f"Only who holds a grant can give or take it; {caller.name} lacks: {', '.join(lacking)}.", lacking[0]
        )


def _check_superior(caller: User, account: Account) -> None:
    """Whoever sets a password can come in as that user."""
    for cluster, grants in account.grants.items():
        if not (caller.everywhere if cluster == EVERYWHERE else caller.sees(cluster)):
            raise Denied(403, f"{account.name} sees clusters that {caller.name} does not see.", "cluster-grant")
        _check_held(caller, cluster, grants)
