"""The finished configuration: what the composition roots (monitor, probes, web, sandbox) are built from.

Rooms below receive the parts they need as arguments; none of them reads an option by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from repman.config.settings_backup import BackupSettings
from repman.config.settings_link import LinkSettings
from repman.config.settings_mongodb import MongodbSettings
from repman.config.settings_provisioning import SshSettings
from repman.config.settings_streams import StreamsSettings
from repman.model.policy import ClusterPolicy

if TYPE_CHECKING:
    from repman.config.layers import Merged


@dataclass(frozen=True, slots=True)
class Credential:
    """An account; the password never shows in a repr."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HaproxySettings:
    """One HAProxy in front of a cluster."""

    name: str
    runtime_socket: str
    """A path, or ``host:port``, of its runtime API with level admin."""
    write_backend: str
    read_backend: str
    host: str = "127.0.0.1"
    write_port: int = 3306
    read_port: int = 3307


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """One cluster's configuration."""

    policy: ClusterPolicy
    database: Credential
    replication: Credential
    haproxies: tuple[HaproxySettings, ...] = ()
    probes_stale_policy: str = "keep"
    probes_stale_max: float = 60.0
    orchestrator: str = "onpremise"
    """Who runs the servers, by replication-manager's name; ``local``: they are processes of this machine, described
    in `sandbox`."""
    sandbox: Path | None = None
    """Directory of the sandbox whose processes the ``local`` orchestrator controls."""
    ssh: SshSettings | None = None
    """How ``onpremise`` hosts are reached; None: repman starts and stops nothing there."""
    secure_config: bool = True
    """Generated configurations are for users with a grant only."""
    inventory_every: float = 60.0
    """Seconds between reads of what changes rarely."""
    connect_timeout: float = 1.0
    test: bool = False
    """The cluster is there to be tested: what destroys needs no ``force``."""
    backups: BackupSettings = field(default_factory=BackupSettings)
    mongodb: MongodbSettings | None = None
    """How the members of a replica set are reached; None: the servers are not MongoDB's."""
    options: dict[str, object] = field(default_factory=dict)
    """Every option's value by name, secrets masked: what ``/settings`` shows."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Configuration of the installation as a whole."""

    datadir: Path
    """Journal, history, secrets: what must survive."""
    rundir: Path
    """Snapshots and sockets: what may be lost with the boot."""
    http_server: bool = True
    """Whether page and API are served at all; probes always are."""
    http_bind: str = "127.0.0.1"
    http_port: int = 10001
    http_workers: int = 2
    api_server: bool = False
    """Whether page and API are served over HTTPS, too."""
    api_bind: str = "127.0.0.1"
    api_port: int = 10005
    https_only: bool = False
    """Whether protected paths are refused on `http_port`."""
    ssl_cert: Path | None = None
    """None: one of our own, kept in `datadir`."""
    ssl_key: Path | None = None
    probes_bind: str = "127.0.0.1"
    probes_port: int = 10002
    streams: StreamsSettings = field(default_factory=StreamsSettings)
    state_url: str = field(default="", repr=False)
    """SQLAlchemy URL for journal and history; empty: SQLite files under `datadir`."""
    api_users: tuple[Credential, ...] = ()
    acl_allow: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Grant prefixes by user."""
    acl_discard: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Exact grants taken away, by user."""
    token_hours: float = 48.0
    log_file: Path | None = None
    log_level: str = "INFO"
    options: dict[str, object] = field(default_factory=dict)

    @property
    def journal_url(self) -> str:
        """Where the journal is; its own file, so that nobody else's write delays a step."""
        return self.state_url or f"sqlite:///{self.datadir}/journal.db"

    @property
    def history_url(self) -> str:
        """Where the history is."""
        return self.state_url or f"sqlite:///{self.datadir}/history.db"

    @property
    def accounts_url(self) -> str:
        """Where the accounts are that were made at run time, and the tokens that are void."""
        return self.state_url or f"sqlite:///{self.datadir}/accounts.db"

    @property
    def audit_url(self) -> str:
        """Where the audit trail is."""
        return self.state_url or f"sqlite:///{self.datadir}/audit.db"

    @property
    def jobs_url(self) -> str:
        """Where the list of jobs is."""
        return self.state_url or f"sqlite:///{self.datadir}/jobs.db"

    @property
    def monitor_socket(self) -> Path:
        """Where the monitor takes commands."""
        return self.rundir / "monitor.sock"

    @property
    def worker_socket(self) -> Path:
        """Where the worker takes requests."""
        return self.rundir / "worker.sock"

    def link_socket(self, name: str) -> Path:
        """Where the process of that link takes commands."""
        return self.rundir / f"link-{name}.sock"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration was read from, so that it can be read again."""

    path: Path
    """The main file, absolute."""
    flags: tuple[str, ...] = ()
    """``name=value`` or ``cluster.name=value``."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration."""

    service: ServiceSettings
    clusters: tuple[ClusterSettings, ...]
    links: tuple[LinkSettings, ...] = ()
    merged: Merged | None = field(default=None, compare=False, repr=False)
    """Every option with its value and where that comes from; None for settings that no file gave."""
    source: Source | None = field(default=None, compare=False)
    """None for settings that no file gave: they stay as they are."""
    read_at: int = field(default=0, compare=False)
    """When the files began to be read, nanoseconds since 1970."""

    def cluster(self, name: str) -> ClusterSettings | None:
        """That cluster's settings, or None."""
        for cluster in self.clusters:
            if cluster.policy.name == name:
                return cluster
        return None

    def link(self, name: str) -> LinkSettings | None:
        """That link's settings, or None."""
        return next((link for link in self.links if link.name == name), None)
