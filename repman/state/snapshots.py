"""Snapshots and probe tables as files: written by the monitor, read by everybody else without a lock."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Generic, TypeVar

from repman.errors import StateError
from repman.model.probe import ProbeTable
from repman.model.snapshot import FORMAT, Snapshot
from repman.state.boot import boot_id
from repman.state.codec import decode, encode
from repman.state.publication import clusters_in, file_name, replace_file

V = TypeVar("V")

LOG = logging.getLogger(__name__)

SNAPSHOTS = "snapshots"
PROBES = "probes"
CHECK_EVERY = 0.02
"""Seconds for which a probe table is used without asking whether there is a newer one."""


class Publisher:
    """Publishes what one monitor knows; may be used by several threads, one a cluster."""

    def __init__(self, rundir: Path) -> None:
        """Make the directories and drop what another boot left; raises StateError."""
        self._rundir = rundir
        self._ends = f".{os.getpid()}"
        try:
            for directory in (rundir, rundir / SNAPSHOTS, rundir / PROBES):
                directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._drop_leftovers()
        except OSError as error:
            raise self._failed(error) from error

    def publish(self, snapshot: Snapshot, table: ProbeTable) -> None:
        """Replace the cluster's snapshot and probe table, the latter first; raises StateError."""
        try:
            self._replace(PROBES, table.cluster, encode(table))
            self._replace(SNAPSHOTS, snapshot.cluster, encode(snapshot))
        except OSError as error:
            raise self._failed(error) from error

    def retire(self, cluster: str) -> None:
        """Publish nothing more of a cluster that is no longer configured; raises StateError."""
        try:
            for kind in (SNAPSHOTS, PROBES):
                (self._rundir / kind / file_name(cluster)).unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error) from error

    def _replace(self, kind: str, cluster: str, document: bytes) -> None:
        name = file_name(cluster)
        directory = f"{self._rundir}/{kind}/"
        replace_file(directory + name, f"{directory}.{name}{self._ends}", document)

    def _drop_leftovers(self) -> None:
        """Half-written files of dead monitors; and everything, when the machine was booted since."""
        mark = self._rundir / "boot"
        same_boot = mark.exists() and mark.read_text(encoding="ascii") == boot_id()
        for kind in (SNAPSHOTS, PROBES):
            for path in (self._rundir / kind).iterdir():
                half_written = path.name.startswith(".") and not Path("/proc", path.suffix[1:]).exists()
                if half_written or not same_boot:
                    path.unlink(missing_ok=True)
        mark.write_text(boot_id(), encoding="ascii")

    def _failed(self, error: OSError) -> StateError:
        return StateError(
            f"Nothing can be published in {self._rundir}: check that it may be written and has space left ({error})"
        )


class DocumentReader(Generic[V]):
    """Documents of one kind, decoded once a version."""

    _directory: str
    _kind: type[V]
    _format: int | None = None
    """What their field ``format`` must say; None: they have no such field."""

    def __init__(self, rundir: Path) -> None:
        """Read below that directory, which need not exist yet."""
        self._path = rundir / self._directory
        self._known: dict[str, tuple[tuple[int, int], V | None]] = {}

    def clusters(self) -> tuple[str, ...]:
        """The clusters published, sorted."""
        return clusters_in(self._path)

    def get(self, cluster: str) -> V | None:
        """The latest version; None when there is none, or only one written by another release."""
        path = f"{self._path}/{file_name(cluster)}"
        known = self._known.get(cluster)
        try:
            status = os.stat(path)
            if known is not None and known[0] == (status.st_ino, status.st_mtime_ns):
                return known[1]
            return self._load(cluster, path)
        except (FileNotFoundError, NotADirectoryError):
            self._known.pop(cluster, None)
            return None
        except OSError as error:
            raise StateError(f"{path} cannot be read: check its owner and permissions ({error})") from error

    def _load(self, cluster: str, path: str) -> V | None:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            document = file.read()
        value = self._decoded(document)
        if value is None and (cluster not in self._known or self._known[cluster][1] is not None):
            LOG.warning("%s cannot be read: it is damaged or of another release; restart what publishes it", path)
        self._known[cluster] = ((status.st_ino, status.st_mtime_ns), value)
        return value

    def _decoded(self, document: bytes) -> V | None:
        try:
            value = decode(self._kind, document)
        except ValueError:
            return None
        return value if getattr(value, "format", None) == self._format else None


class SnapshotReader(DocumentReader[Snapshot]):
    """The published snapshots; usable from several threads."""

    _directory = SNAPSHOTS
    _kind = Snapshot
    _format = FORMAT


class ProbeReader(DocumentReader[ProbeTable]):
    """The published probe tables, for the hot path: one look-up in a dictionary most of the time."""

    _directory = PROBES
    _kind = ProbeTable

    def __init__(self, rundir: Path) -> None:
        """Read below that directory, which need not exist yet."""
        super().__init__(rundir)
        self._fresh: dict[str, tuple[float, ProbeTable]] = {}

    def get(self, cluster: str, now: float | None = None) -> ProbeTable | None:
        """The table, at most CHECK_EVERY seconds behind the published one; `now` in monotonic seconds."""
        if now is None:
            now = time.monotonic()
        fresh = self._fresh.get(cluster)
        if fresh is not None and now < fresh[0]:
            return fresh[1]
        table = super().get(cluster)
        if table is None:
            self._fresh.pop(cluster, None)
        else:
            self._fresh[cluster] = (now + CHECK_EVERY, table)
        return table
