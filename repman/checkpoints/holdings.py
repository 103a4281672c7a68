"""What a repository holds of one cluster, as its manifests say, and what is wrong with it."""

from __future__ import annotations

import threading
from typing import TypeVar

from bson import ObjectId

from repman.checkpoints.manifest import (
    CheckpointManifest,
    File,
    Slice,
    SnapshotManifest,
    place_of_checkpoint,
    place_of_slices,
    place_of_snapshot,
    unseal,
)
from repman.checkpoints.repository import Repository, Stored, checked
from repman.errors import RepositoryError

T = TypeVar("T")
MANIFEST = "manifest.json"


class Holdings:
    """Reads manifests, each once until it changes; usable from several threads.  Methods raise RepositoryError."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, object]] = {}
        self._sound: dict[str, tuple[str, str]] = {}

    def forget(self) -> None:
        """Read every manifest anew, also where the file looks unchanged."""
        with self._lock:
            self._known.clear()

    def slices(self, part: str) -> tuple[Slice, ...]:
        """The slices of a part whose manifests are whole, by chain and number."""
        place = place_of_slices(part)
        found = self._manifests(Slice, place, ".json")
        return tuple(sorted(found, key=lambda each: (each.chain, each.number)))

    def newest_chain(self, part: str) -> tuple[Slice, ...]:
        """Those of the chain that goes on."""
        found = self.slices(part)
        if not found:
            return ()
        newest = max(found, key=lambda each: (each.last, each.chain)).chain
        return tuple(each for each in found if each.chain == newest)

    def snapshots(self) -> tuple[SnapshotManifest, ...]:
        """The snapshots whose manifests are whole, newest first."""
        found = self._manifests(SnapshotManifest, "snapshots/", MANIFEST)
        return tuple(sorted(found, key=lambda each: each.at, reverse=True))

    def snapshot(self, snapshot: ObjectId) -> SnapshotManifest:
        """That one."""
        name = place_of_snapshot(snapshot) + MANIFEST
        return unseal(SnapshotManifest, name, b"".join(self._repository.read(name)))

    def checkpoint(self, checkpoint: ObjectId) -> CheckpointManifest | None:
        """What a checkpoint is compared with; None when it has nothing of that kind."""
        name = place_of_checkpoint(checkpoint)
        if name not in self._repository.listed("checkpoints/"):
            return None
        return unseal(CheckpointManifest, name, b"".join(self._repository.read(name)))

    def damage(self, files: list[File], thorough: bool) -> dict[str, str]:
        """What is wrong with which of these files, a sentence each.

        Each is read and its checksum compared, unless that was done before and it was not written since; with
        `thorough` in any case.
        """
        found: dict[str, str] = {}
        listings: dict[str, dict[str, Stored]] = {}
        for file in files:
            place = file.name.rpartition("/")[0] + "/"
            if place not in listings:
                listings[place] = self._repository.listed(place)
            stored = listings[place].get(file.name)
            if stored is None:
                found[file.name] = f"The file {file.name} is missing."
            elif stored.size != file.size:
                found[file.name] = f"The file {file.name} has {stored.size} bytes instead of {file.size}."
            elif thorough or self._sound.get(file.name) != (stored.mark, file.sha256):
                try:
                    for _ in checked(self._repository, file):
                        pass
                except RepositoryError as error:
                    found[file.name] = f"{error}."
                else:
                    self._sound[file.name] = (stored.mark, file.sha256)
        return found

    def bytes(self) -> int:
        """The size of all files."""
        return sum(stored.size for stored in self._repository.listed("").values())

    def _manifests(self, kind: type[T], below: str, suffix: str) -> list[T]:
        found = []
        for name, stored in self._repository.listed(below).items():
            if not name.endswith(suffix):
                continue
            with self._lock:
                known = self._known.get(name)
            if known is None or known[0] != stored.mark:
                try:
                    made: object = unseal(kind, name, b"".join(self._repository.read(name)))
                except RepositoryError:
                    # As good as none: whoever needs it is told that it is not there.
                    made = None
                known = (stored.mark, made)
                with self._lock:
                    self._known[name] = known
            if isinstance(known[1], kind):
                found.append(known[1])
        return found


def files_of(manifest: SnapshotManifest, part: str = "") -> list[File]:
    """The files of a snapshot; with `part`, of that alone."""
    return [
        file
        for each in manifest.parts
        if part in ("", each.shard or each.set_name)
        for collection in each.collections
        for file in collection.files
    ]
