"""What a sandbox is made of, as it stands in its ``sandbox.json``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from repman.errors import SandboxError
from repman.orchestrators.process import Mark

FILE = "sandbox.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Account:
    """A database account with its generated password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """One database server: a directory and a command line."""

    name: str
    host: str
    port: int
    socket: str
    pid_file: str
    datadir: str
    config: str
    log: str
    start: tuple[str, ...]
    """An argument vector that starts it in the foreground, read-only, from anywhere."""
    set_name: str = ""
    """The replica set that it is a member of (MongoDB)."""
    role: str = ""
    """``configsvr`` or ``shardsvr`` in a sharded cluster."""

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    @property
    def mark(self) -> Mark:
        """What its process is known by."""
        return member_mark(self.config) if self.set_name else server_mark(self.config)


@dataclass(frozen=True, slots=True)
class BalancerEntry:
    """The sandbox's HAProxy."""

    host: str
    write_port: int
    read_port: int
    stats_socket: str
    pid_file: str
    config: str
    start: tuple[str, ...]
    """An argument vector that starts it; it goes to the background by itself."""
    name: str = "haproxy"

    @property
    def mark(self) -> Mark:
        """What its process is known by."""
        return haproxy_mark(self.config)


@dataclass(frozen=True, slots=True)
class Description:
    """The whole sandbox; holds passwords."""

    format: int
    complete: bool
    """False while it is being made."""
    cluster: str
    version: str
    run_as: str
    """Account of the operating system the database servers run as."""
    socket_dir: str
    probes_port: int
    """Where HAProxy's agent checks ask."""
    servers: tuple[ServerEntry, ...]
    haproxy: BalancerEntry | None
    monitor: Account
    replication: Account
    application: Account
    kind: str = "mariadb"
    """``mariadb`` or ``mongodb``.  In the latter `replication` is the administrator's account."""
    key: str = field(default="", repr=False)
    """What members of replica sets know each other by."""


def server_mark(config: str) -> Mark:
    """What the database server with that configuration file is known by."""
    return Mark(frozenset({"mariadbd", "mysqld"}), (f"--defaults-file={config}",))


def member_mark(config: str) -> Mark:
    """What the member of a replica set with that configuration file is known by."""
    return Mark(frozenset({"mongod"}), (f"--config={config}",))


def haproxy_mark(config: str) -> Mark:
    """What the HAProxy with that configuration file is known by."""
    return Mark(frozenset({"haproxy"}), (config,))


def read(directory: Path) -> Description:
    """The description of the sandbox in that directory.  Raises SandboxError."""
    path = directory / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Description)
    except FileNotFoundError as error:
        raise SandboxError(f"{directory} is no sandbox; create one with: repman sandbox create {directory}") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise SandboxError(f"cannot read {path}: {error}; {_again(directory)}") from error
    if found.format != FORMAT:
        raise SandboxError(f"{path} was written by another release of repman; {_again(directory)}")
    return found


def write(directory: Path, description: Description) -> None:
    """Write the description, readable by its owner only, in one piece."""
    path = directory / FILE
    text = msgspec.json.format(msgspec.json.encode(description), indent=2)
    draft = path.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text + b"\n")
    draft.replace(path)


def _again(directory: Path) -> str:
    return f"destroy it (repman sandbox destroy {directory}) and create it again"
