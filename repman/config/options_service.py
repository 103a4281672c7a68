"""Options of the installation as a whole: files, HTTP, probes, accounts, log."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option, Scope

_service = partial(Option, scope=Scope.SERVER)
_files = partial(_service, group="Files and state")
_http = partial(_service, group="HTTP and probes")
_accounts = partial(_service, group="Accounts of the API", live=True)
_log = partial(_service, group="Log")

SERVICE_OPTIONS: tuple[Option, ...] = (
    _files(
        name="include",
        kind=Kind.PATH,
        default="",
        help="Directory whose `*.toml` files are read before the main file, in order of their names. "
        "A relative path is relative to the main file, which is the only place where it may be given.",
    ),
    _files(
        name="monitoring-datadir",
        kind=Kind.PATH,
        default="/var/lib/repman",
        help="Directory of what must survive a restart: journal, history, secrets, saved settings.",
        upstream="/usr/local/replication-manager/data",
        because="both programs can be installed side by side without touching each other's state",
    ),
    _files(
        name="monitoring-rundir",
        kind=Kind.PATH,
        default="/run/repman",
        help="Directory of snapshots and sockets: what may be lost with the boot. Best kept in memory.",
    ),
    _files(
        name="monitoring-key-path",
        kind=Kind.PATH,
        default="/etc/repman/.repman.key",
        help="Key that opens encrypted secrets in files (`sealed_...` of `repman password`, and `hash_...` of "
        "replication-manager). `repman keygen` makes it. Read only when a secret is encrypted.",
        upstream="/etc/replication-manager/.replication-manager.key",
        because="both programs can be installed side by side; name the other's key to read what it encrypted",
    ),
    _files(
        name="state-url",
        kind=Kind.TEXT,
        names_files=True,
        default="",
        secret=True,
        help="SQLAlchemy URL of the database for journal and history, such as "
        "`postgresql+psycopg://user:password@host/repman`. Empty: SQLite files in `monitoring-datadir`.",
    ),
    _http(
        name="http-server",
        kind=Kind.BOOL,
        default=True,
        help="Serve the page and the API. The probes on `probes-port` are served in any case.",
    ),
    _http(
        name="http-bind-address",
        kind=Kind.TEXT,
        default="127.0.0.1",
        key="httpBindAdress",
        help="Address on which page and API listen; `0.0.0.0` for all addresses.",
        upstream="localhost",
        because="the same interface without a name look-up, which may answer with ::1 only",
    ),
    _http(
        name="http-port",
        kind=Kind.PORT,
        default=10001,
        help="Port of page and API. It answers the health probes as well.",
    ),
    _http(
        name="http-workers",
        kind=Kind.INT,
        default=2,
        at_least=1,
        at_most=64,
        help="Number of processes that serve page and API.",
    ),
    _http(
        name="probes-bind-address",
        kind=Kind.TEXT,
        default="127.0.0.1",
        help="Address on which the process for health probes listens. HAProxy must be able to reach it.",
    ),
    _http(
        name="probes-port",
        kind=Kind.PORT,
        default=10002,
        help="Port of the process that answers health probes and nothing else.",
    ),
    _accounts(
        name="api-credentials",
        kind=Kind.LIST,
        default=(),
        secret=True,
        help="Accounts of the API, `user:password` each. Empty: nobody can log in.",
        upstream="admin:repman",
        because="a password that everybody knows is none",
    ),
    _accounts(
        name="api-credentials-external",
        kind=Kind.LIST,
        default=(),
        secret=True,
        help="More accounts of the API, in the same form; for a file of its own.",
    ),
    _accounts(
        name="api-credentials-acl-allow",
        kind=Kind.LIST,
        default=("admin:global cluster proxy db prov",),
        key="apiCredentialsACLAllow",
        help="What each account may do: `user:prefix prefix ...`, each prefix standing for all grants that "
        "begin with it (`global`, `cluster`, `db`, `proxy`, `prov`, or longer such as `cluster-switchover`).",
        upstream="admin:global cluster proxy db prov,dba:cluster proxy db,foo:",
        because="no rights are kept ready for names that nobody has created",
    ),
    _accounts(
        name="api-credentials-acl-discard",
        kind=Kind.LIST,
        default=(),
        key="apiCredentialsACLDiscard",
        help="Grants taken away again: `user:grant grant ...`, full names.",
    ),
    _accounts(
        name="api-token-timeout",
        kind=Kind.INT,
        default=48,
        at_least=1,
        at_most=8760,
        help="Hours for which a token of the API is valid.",
    ),
    _log(
        name="log-file",
        kind=Kind.PATH,
        default="",
        help="File to which the log is written. Empty: standard error.",
    ),
    _log(
        name="log-level",
        live=True,
        kind=Kind.CHOICE,
        default="INFO",
        choices=("ERROR", "WARNING", "INFO", "DEBUG"),
        help="How much is logged. The numbers 1 to 4 of replication-manager mean the same words, in this order.",
        upstream="3",
        because="the same level, as a word",
    ),
)
