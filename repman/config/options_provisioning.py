"""Options of the processes of servers: who runs them, and how repman reaches their hosts."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option

_processes = partial(Option, group="Processes of servers")
_ssh = partial(Option, group="Hosts over SSH")
_TOLD = (
    " A file on repman's host; its text is sent over SSH and run there by `sh`, with `REPLICATION_MANAGER_CLUSTER_NAME`, "
    "`REPLICATION_MANAGER_HOST_NAME`, `REPLICATION_MANAGER_HOST_PORT` and `REPLICATION_MANAGER_SERVER_NAME` in its "
    "environment."
)

PROVISIONING_OPTIONS: tuple[Option, ...] = (
    _processes(
        name="prov-orchestrator",
        kind=Kind.CHOICE,
        default="onpremise",
        choices=("onpremise", "local", "opensvc", "kube", "slapos"),
        help="Who runs the database processes: `onpremise` somebody else, on hosts that repman reaches over SSH when "
        "`onpremise-ssh` is set; `local` repman's sandbox. `opensvc`, `kube` and `slapos` are not supported: repman "
        "watches and moves such a cluster, and starts, stops and provisions nothing.",
        upstream="opensvc",
        because="no orchestrator is assumed that may not be there",
    ),
    _processes(
        name="sandbox-directory",
        kind=Kind.PATH,
        default="",
        help="Directory of the sandbox whose processes the `local` orchestrator controls.",
    ),
    _processes(
        name="api-credentials-secure-config",
        kind=Kind.BOOL,
        default=True,
        live=True,
        help="The generated configuration of a server is given only to users with the grant `proxy-config-flag`. "
        "False: to everybody who reaches the API.",
        upstream="false",
        because="a configuration tells a stranger how the databases are laid out",
    ),
    _ssh(
        name="onpremise-ssh",
        kind=Kind.BOOL,
        default=False,
        help="With `prov-orchestrator` `onpremise`: repman starts, stops, kills and provisions servers over SSH when an "
        "operator asks for it. It never does so by itself.",
    ),
    _ssh(
        name="onpremise-ssh-port",
        kind=Kind.PORT,
        default=22,
        help="Port on which sshd listens on the hosts of servers and balancers.",
    ),
    _ssh(
        name="onpremise-ssh-credential",
        kind=Kind.CREDENTIAL,
        default="root:",
        secret=True,
        help="Account on the hosts, `user:password`; without a password a key is used. It must be root or the account "
        "that runs the servers; `systemctl` is called with `sudo -n` by others than root.",
    ),
    _ssh(
        name="onpremise-ssh-private-key",
        kind=Kind.PATH,
        default="",
        help="Private key for the login. Empty, and no password: the keys in `~/.ssh` of repman's account.",
    ),
    _ssh(
        name="onpremise-ssh-known-hosts",
        kind=Kind.PATH,
        default="",
        help="File with the keys of the hosts, as OpenSSH writes it; empty: `~/.ssh/known_hosts` of repman's account. "
        "A host with another key, or with none there, is never spoken to.",
    ),
    _ssh(
        name="onpremise-ssh-connect-timeout",
        kind=Kind.SECONDS,
        default=5.0,
        at_least=0.1,
        at_most=300,
        help="Seconds that connection and login may take together.",
    ),
    _ssh(
        name="onpremise-ssh-start-db-script",
        kind=Kind.PATH,
        default="",
        help="Starts a database server, within ten seconds and without waiting until it answers; empty: `systemctl "
        "start mariadb`." + _TOLD,
    ),
    _ssh(
        name="onpremise-ssh-stop-db-script",
        kind=Kind.PATH,
        default="",
        help="Stops a database server. With it or without, the process that listens on the server's port is then sent "
        "SIGTERM, which is a clean shutdown, and waited for." + _TOLD,
    ),
    _ssh(
        name="onpremise-ssh-provision-db-script",
        kind=Kind.PATH,
        default="",
        help="Makes the data directory of a database server that has none, with the accounts it is told; empty: "
        "provisioning is refused." + _TOLD + " It is also told `REPLICATION_MANAGER_HOST_USER` and `_PASSWORD` (the "
        "account of `db-servers-credential`), and `REPLICATION_MANAGER_REPLICATION_USER` and `_PASSWORD`.",
    ),
    _ssh(
        name="onpremise-ssh-unprovision-db-script",
        kind=Kind.PATH,
        default="",
        help="Removes the data of a database server that has been stopped; empty: unprovisioning is refused." + _TOLD,
    ),
    _ssh(
        name="onpremise-ssh-start-proxy-script",
        kind=Kind.PATH,
        default="",
        help="Starts a balancer; empty: `systemctl start haproxy`." + _TOLD,
    ),
    _ssh(
        name="onpremise-ssh-stop-proxy-script",
        kind=Kind.PATH,
        default="",
        help="Stops a balancer; empty: `systemctl stop haproxy`." + _TOLD,
    ),
)
