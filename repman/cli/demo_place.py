"""The demo's directory: what lies where in it, and the two files that are written for people and programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from repman.config import load
from repman.config.settings import Credential, Settings
from repman.errors import SandboxError
from repman.orchestrators.description import BalancerEntry
from repman.orchestrators.haproxy_files import READ_BACKEND, WRITE_BACKEND
from repman.orchestrators.process import Mark, alone, read_pid
from repman.orchestrators.sandbox import Sandbox

CLUSTER = "demo"
USER = "admin"
PROCESSES = ("serve", "monitor", "probes", "worker", "web")

Value = str | int | bool | list[str]


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of one demo; the sandbox lies in `root` itself."""

    root: Path

    @property
    def config(self) -> Path:
        """repman's configuration."""
        return self.root / "repman.toml"

    @property
    def description(self) -> Path:
        """What programs may rely on."""
        return self.root / "demo.json"

    @property
    def datadir(self) -> Path:
        """repman's data directory."""
        return self.root / "repman" / "data"

    @property
    def rundir(self) -> Path:
        """repman's run directory, with its pid files."""
        return self.root / "repman" / "run"

    @property
    def log(self) -> Path:
        """repman's log."""
        return self.root / "repman" / "repman.log"

    @property
    def output(self) -> Path:
        """What repman's processes print besides."""
        return self.root / "repman" / "output.log"

    @property
    def lock(self) -> Path:
        """Held while the demo is being started, stopped or reset."""
        return self.root.with_name(f".{self.root.name}.lock")

    def mark(self, process: str) -> Mark:
        """What repman's process of that name is known by."""
        programs = frozenset({Path(sys.executable).name, "python", "python3"})
        return Mark(programs, (process, str(self.config)))

    def pid_file(self, process: str) -> Path:
        """Where repman's process of that name writes its pid."""
        return self.rundir / f"{process}.pid"

    def runs(self, process: str) -> bool:
        """Whether repman's process of that name lives, named by its pid file, with no orphans of an earlier one."""
        pid = read_pid(self.pid_file(process))
        return pid is not None and alone(self.mark(process), pid)


def haproxy_of(sandbox: Sandbox) -> BalancerEntry:
    """The demo's HAProxy.  Raises SandboxError when somebody made the sandbox without one."""
    if sandbox.haproxy is None:
        raise SandboxError(f"the sandbox {sandbox.directory} has no HAProxy; run: scripts/demo reset")
    return sandbox.haproxy


def write_config(place: Place, sandbox: Sandbox, http_port: int, password: str) -> None:
    """Write repman's configuration for this sandbox, readable by its owner only."""
    found, haproxy = sandbox.description, haproxy_of(sandbox)
    default: Mapping[str, Value] = {
        "monitoring-datadir": str(place.datadir),
        "monitoring-rundir": str(place.rundir),
        "log-file": str(place.log),
        "http-bind-address": "127.0.0.1",
        "http-port": http_port,
        "api-server": False,
        "probes-bind-address": "127.0.0.1",
        "probes-port": found.probes_port,
        "api-credentials": [f"{USER}:{password}"],
    }
    cluster: Mapping[str, Value] = {
        "db-servers-hosts": [server.address for server in sandbox.servers],
        "db-servers-names": [server.name for server in sandbox.servers],
        "db-servers-credential": f"{found.monitor.user}:{found.monitor.password}",
        "replication-credential": f"{found.replication.user}:{found.replication.password}",
        "haproxy": True,
        "haproxy-servers": [haproxy.host],
        "haproxy-write-port": haproxy.write_port,
        "haproxy-read-port": haproxy.read_port,
        "haproxy-runtime-socket": [haproxy.stats_socket],
        "haproxy-api-write-backend": WRITE_BACKEND,
        "haproxy-api-read-backend": READ_BACKEND,
        "prov-orchestrator": "local",
        "sandbox-directory": str(sandbox.directory),
    }
    lines = ["# Written once by scripts/demo; changes here are kept until scripts/demo reset.", "[Default]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in default.items()]
    lines += ["", f"[{CLUSTER}]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in cluster.items()]
    _write_private(place.config, "\n".join(lines) + "\n")


def read_config(place: Place) -> Settings:
    """repman's configuration as it will be used.  Raises ConfigError."""
    settings, _ = load(place.config, (), {})
    return settings


def api_account(settings: Settings) -> Credential:
    """The account with which the demo talks to the API.  Raises SandboxError when it was taken out."""
    for account in settings.service.api_users:
        if account.user == USER:
            return account
    raise SandboxError(f"api-credentials has no {USER} any more; put it back or run: scripts/demo reset")


def api_url(settings: Settings) -> str:
    """Where the API is."""
    return f"http://127.0.0.1:{settings.service.http_port}"


def write_description(place: Place, sandbox: Sandbox, settings: Settings) -> None:
    """Write ``demo.json``, readable by its owner only."""
    found, haproxy, account = sandbox.description, haproxy_of(sandbox), api_account(settings)
    document = {
        "api_url": api_url(settings),
        "probe_url": f"http://127.0.0.1:{settings.service.probes_port}",
        "username": account.user,
        "password": account.password,
        "cluster": CLUSTER,
        "write": {"host": haproxy.host, "port": haproxy.write_port},
        "read": {"host": haproxy.host, "port": haproxy.read_port},
        "db": {"user": found.application.user, "password": found.application.password},
        "servers": [
            {
                "name": server.name,
                "host": server.host,
                "port": server.port,
                "socket": server.socket,
                "pid_file": server.pid_file,
                "datadir": server.datadir,
                "start": list(server.start),
            }
            for server in sandbox.servers
        ],
        "haproxy": {
            "pid_file": haproxy.pid_file,
            "stats_socket": haproxy.stats_socket,
            "config": haproxy.config,
        },
        "repman": {
            "log": str(place.log),
            "processes": {name: str(place.pid_file(name)) for name in PROCESSES},
        },
    }
    _write_private(place.description, json.dumps(document, indent=2) + "\n")


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
