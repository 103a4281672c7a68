"""The table of options: parser, reference page and settings come from it."""

from __future__ import annotations

from repman.config.option import Kind, Option, Scope
from repman.config.options_backup import BACKUP_OPTIONS
from repman.config.options_cluster import SURROUNDINGS_OPTIONS
from repman.config.options_decisions import DECISION_OPTIONS
from repman.config.options_https import HTTPS_OPTIONS
from repman.config.options_link import LINK_OPTIONS
from repman.config.options_mongodb import MONGODB_OPTIONS
from repman.config.options_provisioning import PROVISIONING_OPTIONS
from repman.config.options_scenarios import SCENARIO_OPTIONS
from repman.config.options_service import SERVICE_OPTIONS
from repman.config.options_streams import STREAMS_OPTIONS

OPTIONS: tuple[Option, ...] = (
    *SERVICE_OPTIONS,
    *HTTPS_OPTIONS,
    *MONGODB_OPTIONS,
    *SURROUNDINGS_OPTIONS,
    *PROVISIONING_OPTIONS,
    *DECISION_OPTIONS,
    *SCENARIO_OPTIONS,
    *BACKUP_OPTIONS,
    *LINK_OPTIONS,
    *STREAMS_OPTIONS,
)

BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}

ALIASES: dict[str, str] = {
    "api-credential": "api-credentials",
    "api-user": "api-credentials",
    "backup-binlogs-method": "binlog-copy-mode",
    "backup-binlogs-script": "binlog-copy-script",
    "connect-timeout": "db-servers-connect-timeout",
    "failcount": "failover-falsepositive-ping-counter",
    "gtidcheck": "switchover-at-equal-gtid",
    "hosts": "db-servers-hosts",
    "hosts-tls-ca-cert": "db-servers-tls-ca-cert",
    "hosts-tls-client-cert": "db-servers-tls-client-cert",
    "hosts-tls-client-key": "db-servers-tls-client-key",
    "ignore-servers": "db-servers-ignored-hosts",
    "interactive": "failover-mode",
    "logfile": "log-file",
    "master-connect-retry": "replication-master-connect-retry",
    "master-connection": "replication-source-name",
    "maxdelay": "failover-max-slave-delay",
    "maxscale-host": "maxscale-servers",
    "mdbshardproxy-hosts": "shardproxy-servers",
    "monitoring-config-rewrite": "monitoring-save-config",
    "multi-tier-slave": "replication-multi-tier-slave",
    "multimaster": "replication-multi-master",
    "post-failover-script": "failover-post-script",
    "pre-failover-script": "failover-pre-script",
    "prefmaster": "db-servers-prefered-master",
    "readonly": "failover-readonly-state",
    "rejoin-script": "autorejoin-script",
    "replication-master-connection": "replication-source-name",
    "rpluser": "replication-credential",
    "share-directory": "monitoring-sharedir",
    "switchover-max-lag": "switchover-max-slave-delay",
    "user": "db-servers-credential",
    "wait-kill": "switchover-wait-kill",
    "wait-trx": "switchover-wait-trx",
    "wait-write-query": "switchover-wait-write-query",
    "working-directory": "monitoring-datadir",
}
"""Old names, most of them replication-manager's, and what they are called now."""

__all__ = ["ALIASES", "BY_NAME", "OPTIONS", "Kind", "Option", "Scope"]
