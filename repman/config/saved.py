"""Settings changed at run time, as they stand in the data directory.

``default.toml`` holds those of the installation, ``<cluster>/<cluster>.toml`` those of a cluster.  A plain value
there is a saved setting, the weakest layer, as replication-manager writes them.  A table is an override: it wins
over what a file said when it was made, and gives way when that file says something else since::

    [shop.failover-mode]
    value = "manual"
    by = "admin"
    at = "2026-11-21T05:30:00Z"
    over = "automatic"
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w

from repman.config.files import exists
from repman.config.names import current_name
from repman.config.option import Value
from repman.errors import ConfigError

_HEAD = "# Settings that were changed at run time.  repman writes this file: change them through its API.\n\n"
_LOCK_SECONDS = 10.0
_LOCK_EVERY = 0.02

Tables = dict[str, dict[str, object]]
"""A file: option values by name, by section."""


@dataclass(frozen=True, slots=True)
class Override:
    """A setting that was changed at run time."""

    value: object = field(repr=False)
    by: str
    """Who changed it."""
    at: str
    """When: UTC, ISO 8601."""
    over: object = field(default=None, repr=False)
    """What a file said at that time, of a secret its `fingerprint`; None when no file did."""


def override_in(raw: object) -> Override | None:
    """The override that a table is, or None when it is none."""
    if not isinstance(raw, dict) or "value" not in raw or not raw.keys() <= {"value", "by", "at", "over"}:
        return None
    return Override(raw["value"], str(raw.get("by", "")), str(raw.get("at", "")), raw.get("over"))


def fingerprint(value: Value, salt: str = "") -> str:
    """By which a secret is known again without being shown."""
    salt = salt or secrets.token_hex(16)
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    digest = hashlib.scrypt(text.encode(), salt=bytes.fromhex(salt), n=2**12, r=8, p=1, dklen=32)
    return f"{salt}:{digest.hex()}"


def is_of(mark: object, value: Value) -> bool:
    """Whether that is a fingerprint of the secret."""
    salt, colon, _ = str(mark).partition(":")
    try:
        return bool(colon) and hmac.compare_digest(fingerprint(value, salt), str(mark))
    except ValueError:
        return False


def saved_path(datadir: Path, cluster: str) -> Path:
    """The file of a cluster's changes; of the installation's for an empty name."""
    return datadir / cluster / f"{cluster}.toml" if cluster else datadir / "default.toml"


def section_of(cluster: str) -> str:
    """The title under which a cluster's changes stand."""
    return cluster or "Default"


def read_tables(path: Path) -> Tables:
    """What stands in a saved file, nothing when there is none; raises ConfigError."""
    if not exists(path):
        return {}
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: cannot be read, so nothing was changed: {error}"]) from error
    return {title: dict(table) for title, table in tables.items() if isinstance(table, dict)}


def with_override(tables: Tables, section: str, name: str, override: Override | None) -> Tables:
    """The same tables with that option overridden; without anything about it for None."""
    kept = {written: raw for written, raw in tables.get(section, {}).items() if current_name(written) != name}
    if override is not None:
        kept[name] = _table(override)
    changed = {**tables, section: kept}
    return {title: table for title, table in changed.items() if table}


def text_of(tables: Tables) -> str:
    """The file's text."""
    return _HEAD + tomli_w.dumps(tables)


def write_whole(path: Path, text: str) -> None:
    """Put the text in the place of the file at once and durably, readable by its owner only; raises ConfigError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with open(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError([f"{path}: cannot be written, so nothing was changed: {error.strerror}"]) from error


@contextmanager
def changing(datadir: Path) -> Iterator[None]:
    """One change at a time, over all processes; raises ConfigError when another one takes too long."""
    path = datadir / "settings.lock"
    deadline = time.monotonic() + _LOCK_SECONDS
    try:
        datadir.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be opened, so nothing was changed: {error.strerror}"]) from error
    try:
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise ConfigError([f"{path}: another change takes too long, so nothing was changed; try again"])
            time.sleep(_LOCK_EVERY)  # the kernel's own wait for a lock knows no deadline
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _table(override: Override) -> Mapping[str, object]:
    table = {"value": override.value, "by": override.by, "at": override.at}
    return table if override.over is None else {**table, "over": override.over}
