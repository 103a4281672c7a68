"""What changes rarely on a MariaDB server: accounts that bypass ``read_only``, schemas, filters, variables."""

from __future__ import annotations

import json
import time
from collections.abc import Collection

from repman.engines.mariadb_acting import Acting, Pace
from repman.engines.mysqlwire import texts
from repman.model.observation import Inventory
from repman.model.version import ServerVersion

OWN_SCHEMAS = frozenset({"information_schema", "mysql", "performance_schema", "sys"})

SUPER_BIT = 1 << 15
READ_ONLY_ADMIN_BIT = 1 << 34
"""Bits of ``access`` in ``mysql.global_priv``."""

VARIABLES = (
    "auto_increment_increment",
    "auto_increment_offset",
    "binlog_format",
    "binlog_row_image",
    "character_set_server",
    "collation_server",
    "event_scheduler",
    "expire_logs_days",
    "gtid_domain_id",
    "gtid_strict_mode",
    "innodb_flush_log_at_trx_commit",
    "log_bin",
    "log_slave_updates",
    "lower_case_table_names",
    "max_connections",
    "port",
    "report_host",
    "rpl_semi_sync_master_wait_point",
    "server_id",
    "slave_net_timeout",
    "slave_parallel_mode",
    "slave_parallel_threads",
    "sync_binlog",
    "version",
    "version_comment",
)
_BINLOG_FILTERS = ("binlog_do_db", "binlog_ignore_db")
_REPLICATION_FILTERS = (
    "replicate_do_db",
    "replicate_ignore_db",
    "replicate_do_table",
    "replicate_ignore_table",
    "replicate_wild_do_table",
    "replicate_wild_ignore_table",
)


def read_inventory(
    server: Acting, ours: Collection[str], pace: Pace, before: Inventory | None = None, commits_wait: bool = False
) -> Inventory:
    """Read it; `ours` names the accounts that repman itself uses.  Raises what `Acting.run` raises.

    `commits_wait`: some wait for an acknowledgement.  ``SHOW MASTER STATUS`` would wait with them, and a session that
    was killed there stays until they go on, so that many of them use up the connections.  What it shows is then taken
    from `before`; it changes only with a restart.
    """
    names = (*VARIABLES, *_REPLICATION_FILTERS)
    listed = ", ".join(f"'{name}'" for name in names)
    found = server.run(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})", pace)[0]
    values = {name.lower(): value for name, value in (texts(row) for row in found.rows)}
    accounts = server.run("SELECT User, Host, Priv FROM mysql.global_priv", pace)[0]
    roles = server.run("SELECT User, Host, Role FROM mysql.roles_mapping", pace)[0]
    super_suffices = not ServerVersion.parse(values["version"]).at_least(10, 11)
    return Inventory(
        at=time.monotonic(),
        bypassing_accounts=bypassing(
            [texts(row) for row in accounts.rows], [texts(row) for row in roles.rows], ours, super_suffices
        ),
        user_schemas=_schemas(server, pace),
        longest_write=_longest_write(server, pace),
        binlog_filters=(before.binlog_filters if before else "") if commits_wait else _binlog_filters(server, pace),
        replication_filters=_filters({name: values.get(name, "") for name in _REPLICATION_FILTERS}),
        commits_survive=values.get("innodb_flush_log_at_trx_commit") == "3" and values.get("sync_binlog") == "1",
        variables=tuple((name, values[name]) for name in VARIABLES if name in values),
    )


def bypassing(
    accounts: Collection[tuple[str, ...]],
    roles: Collection[tuple[str, ...]],
    ours: Collection[str],
    super_suffices: bool,
) -> tuple[str, ...]:
    """The client accounts that may write under ``read_only``, by their own right or by a role they may take.

    `accounts` are rows of ``mysql.global_priv``, `roles` rows of ``mysql.roles_mapping``; `super_suffices`
    says whether SUPER includes the right, which it does before MariaDB 10.11.  Not clients are our own
    accounts, locked ones, and those that only the operating system can vouch for on the host itself
    (``root@localhost`` by unix_socket): an administrator must be able to repair a read-only server.
    """
    wanted = READ_ONLY_ADMIN_BIT | (SUPER_BIT if super_suffices else 0)
    described = {(user, host): json.loads(privileges or "{}") for user, host, privileges in accounts}
    powerful = {key for key, about in described.items() if int(about.get("access", 0)) & wanted}
    grown = True
    while grown:
        more = {(user, host) for user, host, role in roles if (role, "") in powerful} - powerful
        grown = bool(more)
        powerful |= more
    return tuple(
        sorted(
            f"{user}@{host}"
            for user, host in powerful
            if user not in ours and _is_client(host, described.get((user, host), {}))
        )
    )


def _is_client(host: str, about: dict[str, object]) -> bool:
    if about.get("is_role") or about.get("account_locked"):
        return False
    return not (host == "localhost" and _only_by_socket(about))


def _only_by_socket(about: dict[str, object]) -> bool:
    """Whether no password opens the account: unix_socket alone, or beside a password marked invalid."""
    ways = about.get("auth_or")
    alternatives = ways if isinstance(ways, list) else [{}]
    plugins = []
    for way in alternatives:
        chosen = way or about  # an empty entry stands for the account's main plugin
        if chosen.get("authentication_string") != "invalid":
            plugins.append(chosen.get("plugin", ""))
    return bool(plugins) and all(plugin == "unix_socket" for plugin in plugins)


def _longest_write(server: Acting, pace: Pace) -> float:
    """Age of the oldest transaction that has changed rows; what a replica applies is not a client's write."""
    rows = server.run(
        "SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, trx_started, NOW(6))), 0) / 1000000"
        " FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id"
        " WHERE trx_rows_modified > 0 AND USER <> 'system user'",
        pace,
    )[0].rows
    return float(texts(rows[0])[0])


def _schemas(server: Acting, pace: Pace) -> tuple[str, ...]:
    """The schemas that are not the server's own; the empty ``test`` of a fresh installation is not counted."""
    rows = server.run(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME <> 'test'"
        " OR EXISTS(SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'test')",
        pace,
    )[0].rows
    names = (texts(row)[0] for row in rows)
    return tuple(sorted(name for name in names if name.lower() not in OWN_SCHEMAS))


def _binlog_filters(server: Acting, pace: Pace) -> str:
    records = server.run("SHOW MASTER STATUS", pace)[0].records()
    if not records:
        return ""
    return _filters({name: records[0].get(name.title().replace("Db", "DB"), "") for name in _BINLOG_FILTERS})


def _filters(values: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items() if value)
