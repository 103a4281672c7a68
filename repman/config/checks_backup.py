"""Checks of the options of jobs."""

from __future__ import annotations

from repman.config.build import Values
from repman.config.build_backup import ALWAYS, TASKS
from repman.config.findings import Findings
from repman.config.servers import find_server, parse_address, server_names
from repman.model.cron import parse_cron


def check_backups(cluster: str, values: Values, findings: Findings) -> None:
    """Times can be read, and hosts for backups are servers of the cluster."""
    for name in (*TASKS.values(), *ALWAYS.values()):
        if values.valid(name):
            try:
                parse_cron(values.text(name))
            except ValueError as error:
                findings.mistake(f"cluster {cluster}: {name}: {error}", values.origin(name))
    if values.valid("db-servers-hosts", "db-servers-names", "db-servers-backup-hosts"):
        _check_hosts(cluster, values, findings)


def _check_hosts(cluster: str, values: Values, findings: Findings) -> None:
    try:
        hosts = [parse_address(text) for text in values.items("db-servers-hosts")]
        names = server_names(hosts, values.items("db-servers-names"))
    except ValueError:
        return  # told where the servers are checked
    for text in values.items("db-servers-backup-hosts"):
        try:
            find_server(text, hosts, names)
        except ValueError as error:
            findings.mistake(
                f"cluster {cluster}: db-servers-backup-hosts: {error}", values.origin("db-servers-backup-hosts")
            )
