"""Checks of the API's accounts and their rights."""

from __future__ import annotations

from repman.config.build import Values, rights
from repman.config.findings import Findings
from repman.config.values import credential

_LISTS = ("api-credentials", "api-credentials-external")
_RIGHTS = ("api-credentials-acl-allow", "api-credentials-acl-discard")


def check_accounts(values: Values, findings: Findings) -> None:
    """Check form, passwords and rights of the accounts."""
    users = _users(values, findings)
    if values.valid(*_LISTS) and not any(values.items(name) for name in _LISTS):
        findings.warn(
            'api-credentials is empty, so nobody can log in to the API; set it to "admin:<a password of yours>"'
        )
    for name in _RIGHTS:
        for item in values.items(name):
            if ":" not in item or not item.partition(":")[0].strip():
                findings.mistake(f"{name}: {item!r} is not of the form user:grant grant ...", values.origin(name))
    allowed = rights(values.items("api-credentials-acl-allow"))
    for user in users:
        if not allowed.get(user):
            findings.warn(
                f"the account {user} has no grants and can only log in; add it to api-credentials-acl-allow",
                values.origin("api-credentials-acl-allow", "api-credentials"),
            )


def _users(values: Values, findings: Findings) -> list[str]:
    users: list[str] = []
    for name in _LISTS:
        for number, item in enumerate(values.items(name), 1):
            origin = values.origin(name)
            try:
                account = credential(item)
            except ValueError as error:
                findings.mistake(f"{name}, account {number}: {error}", origin)
                continue
            if not account.password:
                findings.mistake(f"{name}: the account {account.user} has no password", origin)
            if account.user in users:
                findings.mistake(f"{name}: the account {account.user} is given twice", origin)
            if (account.user, account.password) == ("admin", "repman"):
                findings.warn(
                    f"{name}: everybody knows this password of admin, so it opens from this machine only; choose another",
                    origin,
                )
            users.append(account.user)
    return users
