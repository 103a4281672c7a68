"""Words and maps of replication-manager's API that do not depend on any cluster."""

from __future__ import annotations

from typing import Any

FILE_SYSTEMS = {"aufs": True, "ext4": True, "nfs": False, "xfs": True, "zfs": True}
CONTAINERS = {
    "docker": True,
    "kvm": False,
    "lxc": False,
    "oci": True,
    "package": False,
    "podman": True,
    "zone": False,
}
DISKS = {name: name for name in ("directory", "loopback", "physical", "pool", "volume")}
POOLS = {"lvm": True, "none": True, "zpool": True}
LOGICAL_BACKUPS = {"dumpling": False, "internal": False, "mydumper": True, "mysqldump": True}
PHYSICAL_BACKUPS = {"mariabackup": True, "xtrabackup": False}
BINLOG_BACKUPS = {"mysqlbinlog": False, "ssh": False, "script": False}
BINLOG_PARSERS = {"mysqlbinlog": False, "gomysql": False}
GRAPHITE_TEMPLATES = {"none": True, "minimal": False, "grafana": False, "all": False}

TOPOLOGIES = (
    "active-passive",
    "binlog-server",
    "config-servers",
    "master-slave",
    "master-slave-pg-logical",
    "master-slave-pg-stream",
    "multi-master",
    "multi-master-ring",
    "multi-master-wsrep",
    "multi-tier-slave",
    "replica-set",
    "shard",
    "unknown",
)

_DATABASES = ("mariadb", "mysql", "percona", "postgresql")
_PROXIES = ("extproxy", "haproxy", "maxscale", "myproxy", "proxysql", "shardproxy", "sphinx")
MONITOR_TYPES = {**dict.fromkeys(_DATABASES, "database"), **dict.fromkeys(_PROXIES, "proxy")}

NO_TIME = "0001-01-01T00:00:00Z"
"""How the API writes a time that never was."""


def empty_log() -> dict[str, Any]:
    """A log that nobody has written to."""
    return {"buffer": None, "len": 0, "line": 0}
