"""Names of settings as clients of replication-manager write them, beyond those that files may hold."""

from __future__ import annotations

FORMER_SWITCHES = {
    "failoversync": "failover-at-sync",
    "rejoinflashback": "autorejoin-flashback",
    "rejoinmysqldump": "autorejoin-mysqldump",
    "swithoversync": "switchover-at-sync",
    "switchoversync": "switchover-at-sync",
    "verbosity": "verbose",
}
"""What replication-manager 2.0 called its switches, where that is not an old name of the option."""

IN_BASE64 = frozenset(
    {
        "backup-restic-repository",
        "backup-restic-aws-access-secret",
        "backup-restic-password",
        "backup-mydumper-options",
        "backup-myloader-options",
        "backup-mysqldump-options",
    }
)
"""Settings whose value stands in the path in base64."""

UNDEFINED = "{undefined}"
"""What its dashboards send for an empty field."""


def option_name(written: str) -> str:
    """The option that a client means; names that nobody knows are returned as they are."""
    name = written.strip().lower()
    return FORMER_SWITCHES.get(name, name)
