"""Users for those who manage them; nothing secret."""

from __future__ import annotations

from typing import Any

from repman.state.accounts import EVERYWHERE
from repman.web.acl import User
from repman.web.directory import Directory


def render_users(directory: Directory, caller: User, cluster: str | None = None) -> list[dict[str, Any]]:
    """Every user, or those to whom that cluster is open, sorted by name; clusters that `caller` sees only."""
    users = sorted(directory.users().items())
    return [_user(directory, caller, user) for _, user in users if cluster is None or user.sees(cluster)]


def _user(directory: Directory, caller: User, user: User) -> dict[str, Any]:
    account = directory.accounts().get(user.name) if user.stored else None
    return {
        "user": user.name,
        "source": "store" if user.stored else "configuration",
        "everywhere": user.everywhere,
        "grants": sorted(user.held(EVERYWHERE)),
        "clusters": {
            name: sorted(grants)
            for name, grants in sorted(user.grants.items())
            if name != EVERYWHERE and caller.sees(name)
        },
        "createdBy": account.created_by if account else "",
        "createdAt": account.created_at if account else None,
        "changedBy": account.changed_by if account else "",
        "changedAt": account.changed_at if account else None,
    }
