"""Options of a cluster's surroundings: servers, accounts, replication, balancers, probes."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option

_servers = partial(Option, group="Servers", live=True)
_replication = partial(Option, group="Replication", live=True)
_balancer = partial(Option, group="Balancer", live=True)
_haproxy = partial(Option, group="HAProxy", live=True)
_probes = partial(Option, group="Answers of probes", live=True)

SURROUNDINGS_OPTIONS: tuple[Option, ...] = (
    _servers(
        name="db-servers-hosts",
        kind=Kind.LIST,
        default=(),
        help="The servers of the cluster, `host:port` each; port 3306 when omitted, IPv6 in brackets "
        "(`[::1]:3306`). Required.",
    ),
    _servers(
        name="db-servers-names",
        kind=Kind.LIST,
        default=(),
        help="Names of the servers, in the order of `db-servers-hosts`. Empty: the host where it tells the "
        "servers apart, else `host:port`.",
    ),
    _servers(
        name="db-servers-credential",
        kind=Kind.CREDENTIAL,
        default="",
        secret=True,
        help="Account with which repman watches and steers the servers. Required.",
        upstream="root:mariadb",
        because="a password that everybody knows is none",
    ),
    _servers(
        name="db-servers-prefered-master",
        kind=Kind.LIST,
        default=(),
        help="Servers that are preferred as writer, best first. Among equally advanced candidates the first wins.",
    ),
    _servers(
        name="db-servers-ignored-hosts",
        kind=Kind.LIST,
        default=(),
        help="Servers that are never made the writer.",
    ),
    _servers(
        name="db-servers-ignored-readonly",
        kind=Kind.LIST,
        default=(),
        help="Servers on which `read_only` is not enforced while they are replicas.",
    ),
    _servers(
        name="db-servers-connect-timeout",
        kind=Kind.SECONDS,
        default=1.0,
        at_least=0.05,
        at_most=3600,
        help="Seconds that opening a connection to a server may take.",
        upstream="5",
        because="a frozen server accepts connections and says nothing; each second here is a second of outage",
    ),
    _servers(
        name="db-servers-read-timeout",
        kind=Kind.SECONDS,
        default=1.0,
        at_least=0.05,
        at_most=86400,
        help="Seconds a server has to answer one look.",
        upstream="3600",
        because="a server that does not answer a status query for a second has to be judged, not waited for",
    ),
    _replication(
        name="replication-credential",
        kind=Kind.CREDENTIAL,
        default="",
        secret=True,
        help="Account with which replicas connect to their source. Required.",
        upstream="root:mariadb",
        because="a password that everybody knows is none",
    ),
    _replication(
        name="replication-multi-tier-slave",
        kind=Kind.BOOL,
        default=False,
        help="Replicas of replicas may stay so. False: they are attached to the writer.",
    ),
    _replication(
        name="force-slave-heartbeat-time",
        kind=Kind.SECONDS,
        default=0.5,
        at_least=0.05,
        at_most=3600,
        help="Heartbeat period that repman writes into every replication channel. Together with "
        "`failover-silence-periods` it decides how soon a frozen writer is noticed.",
        upstream="3",
        because="a replica is a witness of its writer's silence, and a slow heartbeat makes a slow witness",
    ),
    _replication(
        name="force-slave-readonly",
        kind=Kind.BOOL,
        default=True,
        help="A replica found writable is made read-only.",
    ),
    _balancer(
        name="proxy-servers-read-on-master",
        kind=Kind.BOOL,
        default=False,
        help="The writer takes reads as well.",
    ),
    _balancer(
        name="proxy-servers-read-on-master-no-slave",
        kind=Kind.BOOL,
        default=True,
        help="The writer takes reads while no replica can.",
    ),
    _haproxy(
        name="haproxy",
        kind=Kind.BOOL,
        default=False,
        help="HAProxy stands in front of the cluster and repman steers it.",
    ),
    _haproxy(
        name="haproxy-servers",
        kind=Kind.LIST,
        default=("127.0.0.1",),
        help="Hosts on which HAProxy runs.",
    ),
    _haproxy(
        name="haproxy-write-port",
        kind=Kind.PORT,
        default=3306,
        help="Port on which HAProxy takes writes.",
    ),
    _haproxy(
        name="haproxy-read-port",
        kind=Kind.PORT,
        default=3307,
        help="Port on which HAProxy takes reads.",
    ),
    _haproxy(
        name="haproxy-api-port",
        kind=Kind.PORT,
        default=1999,
        key="haproxyAPIPort",
        help="TCP port of HAProxy's runtime API (`stats socket ... level admin`), used where "
        "`haproxy-runtime-socket` is empty.",
    ),
    _haproxy(
        name="haproxy-runtime-socket",
        kind=Kind.LIST,
        names_files=True,
        default=(),
        help="Paths of HAProxy's runtime sockets, one for each of `haproxy-servers`. Only for HAProxy on the "
        "same machine.",
    ),
    _haproxy(
        name="haproxy-api-write-backend",
        kind=Kind.TEXT,
        default="service_write",
        key="haproxyAPIWriteBackend",
        help="Name of the backend for writes in HAProxy's configuration.",
    ),
    _haproxy(
        name="haproxy-api-read-backend",
        kind=Kind.TEXT,
        default="service_read",
        key="haproxyAPIReadBackend",
        help="Name of the backend for reads in HAProxy's configuration.",
    ),
    _probes(
        name="probes-stale-policy",
        kind=Kind.CHOICE,
        default="keep",
        choices=("keep", "fail"),
        help="What health probes answer when the monitor has fallen silent: `keep` the last answer for "
        "`probes-stale-max` seconds, so that a dead repman stops nobody's writes, or `fail` at once.",
    ),
    _probes(
        name="probes-stale-max",
        kind=Kind.SECONDS,
        default=60.0,
        at_least=0,
        help="Longest time in seconds for which an old answer is kept.",
    ),
)
