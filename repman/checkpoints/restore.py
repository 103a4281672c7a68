"""A restore of a whole cluster: to a replica set for each part, or as files to be fetched."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bson import ObjectId, Timestamp

from repman.checkpoints.holdings import files_of
from repman.checkpoints.manifest import CheckpointManifest, File, PartDump, seal
from repman.checkpoints.model import PartType
from repman.checkpoints.repository import Repository, checked
from repman.checkpoints.restorable import Way
from repman.checkpoints.restoring import Aim, Target
from repman.errors import CheckpointFailed, CheckpointRefused

_EVERY = 0.5
"""Seconds between two notices of progress."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be restored."""

    job: ObjectId
    at: Timestamp
    way: Way
    decided: Mapping[str, Timestamp | None]
    """How prepared transactions ended."""
    sums: CheckpointManifest | None
    overwrite: bool


class Progress:
    """Counts bytes, and tells of it now and then; for several threads.  What `tell` raises ends the restore."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell, self._lock = tell, threading.Lock()
        self._done, self._told = 0, time.monotonic()

    def moved(self, size: int) -> None:
        """So many bytes more."""
        with self._lock:
            self._done += size
            if time.monotonic() - self._told < _EVERY:
                return
            self._told = time.monotonic()
            done = self._done
        self._tell(done)

    def look(self) -> None:
        """Tell now."""
        with self._lock:
            self._told, done = time.monotonic(), self._done
        self._tell(done)


def total_of(way: Way) -> int:
    """The bytes, not compressed, that are read on the way."""
    return sum(file.raw_bytes for file in way.files)


def to_servers(
    order: Order, targets: Mapping[str, str], repository: Repository, threads: int, tell: Callable[[str], None],
    progress: Progress,
) -> None:  # fmt: skip
    """Restore every part.  Raises CheckpointRefused before anything was changed, CheckpointFailed and PyMongoError."""
    parts = {each.shard or each.set_name: each for each in order.way.snapshot.parts}
    if parts.keys() != targets.keys():
        raise CheckpointRefused(
            f"A restore needs a target for each of {', '.join(sorted(parts))}, and for nothing else; "
            f"there are some for {', '.join(sorted(targets)) or 'none'}."
        )
    with contextlib.ExitStack() as opened:
        made = {}
        for name, part in parts.items():
            target = Target(targets[name], _aim(order, name, part), repository, threads, tell, progress.moved)
            opened.callback(target.close)
            made[name] = target
        _refuse_the_same(made)
        left = [target for target in made.values() if target.check()]
        with ThreadPoolExecutor(max(1, len(left)), thread_name_prefix="part") as pool:
            for _ in [*pool.map(lambda target: target.restore(), left)]:
                pass
        # The config servers last: once they say so, the whole cluster is restored.
        hosts = {name: made[name].host() for name, part in parts.items() if part.shard}
        config = next((made[name] for name, part in parts.items() if part.type is PartType.CONFIG_SERVER), None)
        where, cluster_id = (config.host(), config.cluster_id()) if config else ("", None)
        for name in sorted(parts, key=lambda each: parts[each].type is PartType.CONFIG_SERVER):
            if made[name] in left:
                made[name].finish(hosts, where, cluster_id)


def to_files(order: Order, directory: Path, repository: Repository, progress: Progress) -> tuple[tuple[str, str], ...]:
    """One archive for each part; names and SHA-256.  Raises RepositoryError and CheckpointFailed."""
    made = []
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        for part in order.way.snapshot.parts:
            name = part.shard or part.set_name
            files = [*files_of(order.way.snapshot, name), *(each.file for each in order.way.slices.get(name, ()))]
            path = directory / f"{'config' if part.type is PartType.CONFIG_SERVER else _safe(name)}.tar"
            unfinished = path.with_suffix(".part")
            with tarfile.open(unfinished, "w") as archive:
                _add(archive, "snapshot.json", seal(order.way.snapshot))
                _add(archive, "slices.json", seal(order.way.slices.get(name, ())))
                for file in files:
                    _add_file(archive, repository, file, progress)
            with unfinished.open("rb") as whole:
                digest = hashlib.file_digest(whole, "sha256").hexdigest()
                os.fsync(whole.fileno())
            unfinished.replace(path)
            made.append((path.name, digest))
    except OSError as error:
        raise CheckpointFailed(
            f"The files of the restore cannot be written to {directory}: {error.strerror}"
        ) from error
    return tuple(made)


def _aim(order: Order, name: str, part: PartDump) -> Aim:
    sums = None
    if order.sums is not None:
        sums = next((each.sums for each in order.sums.parts if each.part == name), None)
    slices = order.way.slices.get(name, ())
    return Aim(order.job, part, order.way.snapshot.at, order.at, slices, order.decided, sums, order.overwrite)


def _refuse_the_same(made: Mapping[str, Target]) -> None:
    seen: dict[str, str] = {}
    for name, target in made.items():
        host = target.host()
        if host in seen:
            raise CheckpointRefused(f"{name} and {seen[host]} cannot be restored to the same replica set, {host}.")
        seen[host] = name


def _safe(name: str) -> str:
    return "".join(each if each.isalnum() or each in "-_." else "_" for each in name)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _add_file(archive: tarfile.TarFile, repository: Repository, file: File, progress: Progress) -> None:
    member = tarfile.TarInfo(file.name)
    member.size = file.size
    archive.addfile(member, io.BytesIO(b"".join(checked(repository, file))))
    progress.moved(file.raw_bytes)
