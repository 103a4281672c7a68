"""Checks of clusters whose servers are MongoDB's."""

from __future__ import annotations

from repman.config.build import Values
from repman.config.build_mongodb import connection_options, is_mongodb
from repman.config.findings import Findings


def check_mongodb(cluster: str, values: Values, findings: Findings) -> None:
    """Check what only such clusters have, and that others do not have it."""
    if not is_mongodb(values):
        for name in ("mongodb-replica-set", "mongodb-uri-options"):
            if values.text(name):
                findings.warn(
                    f'cluster {cluster}: {name} is not used without cluster-type = "mongodb"', values.origin(name)
                )
        return
    try:
        connection_options(values.text("mongodb-uri-options"))
    except ValueError as error:
        findings.mistake(f"cluster {cluster}: mongodb-uri-options: {error}", values.origin("mongodb-uri-options"))
    for host in values.items("db-servers-hosts"):
        if not host.rpartition("]")[2].rpartition(":")[1]:
            findings.mistake(
                f"cluster {cluster}: db-servers-hosts: write {host}:27017, or the port that it has; 3306 is assumed "
                "otherwise",
                values.origin("db-servers-hosts"),
            )
