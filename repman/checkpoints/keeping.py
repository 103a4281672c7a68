"""Deletes what retention and quota do not keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bson import ObjectId, Timestamp

from repman.checkpoints.catalogue import Catalogue
from repman.checkpoints.holdings import MANIFEST, Holdings
from repman.checkpoints.manifest import name_of_slice, place_of_checkpoint, place_of_slices, place_of_snapshot
from repman.checkpoints.model import Snapshot
from repman.checkpoints.repository import Repository
from repman.checkpoints.retention import expired, oldest_needed, superfluous


class Keeping:
    """The files and rows of one cluster.  Methods raise RepositoryError and StateError."""

    def __init__(
        self, group: str, cluster: str, repository: Repository, holdings: Holdings, catalogue: Catalogue, quota: int
    ) -> None:
        """`quota`: bytes; 0: no bound."""
        self._group, self._cluster = group, cluster
        self._repository, self._holdings, self._catalogue, self._quota = repository, holdings, catalogue, quota

    def expire(self, now: datetime, parts: Sequence[str]) -> tuple[str, ...]:
        """Delete, the manifest before what it names; what was deleted, a sentence each."""
        snapshots = self._catalogue.snapshots.list(self._group, self._cluster)
        told = [self._remove(each, "its time is over") for each in expired(snapshots, now)]
        told += self._slices(now, parts)
        told += self._over_quota(now, parts)
        told += self._checkpoints(now)
        return tuple(told)

    def forget(self, snapshot: ObjectId) -> None:
        """Delete the files of a snapshot that was not completed."""
        place = place_of_snapshot(snapshot)
        self._repository.delete(place + MANIFEST)
        for name in self._repository.listed(place):
            self._repository.delete(name)

    def over_quota(self) -> int:
        """By how many bytes more is kept than may be; 0 where there is no bound."""
        return max(0, self._holdings.bytes() - self._quota) if self._quota else 0

    def _remove(self, snapshot: Snapshot, why: str) -> str:
        self.forget(snapshot.id)
        self._catalogue.snapshots.remove(self._group, self._cluster, snapshot.id)
        taken = f"{snapshot.created.as_datetime():%Y-%m-%dT%H:%M:%SZ}"
        return f"Snapshot {snapshot.id} of {taken} was deleted: {why}."

    def _slices(self, now: datetime, parts: Sequence[str]) -> list[str]:
        hours = self._catalogue.schedule(self._group, self._cluster).window_hours
        window = Timestamp(int((now - timedelta(hours=hours)).timestamp()), 0)
        manifests = self._holdings.snapshots()
        told = []
        for part in parts:
            needed = oldest_needed(manifests, window, part)
            mine = self._holdings.slices(part)
            gone = superfluous(mine, needed) if needed is not None else []
            for each in gone:
                name = name_of_slice(each.part, each.chain, each.number)
                self._repository.delete(f"{name}.json")
                self._repository.delete(each.file.name)
            if gone:
                told.append(f"{len(gone)} slices of the oplog of {part} were deleted: nothing needs them any more.")
            # Data without a manifest are what a process left that died between the two.
            listed = self._repository.listed(place_of_slices(part))
            newest = max((int(stored.mark) for stored in listed.values() if stored.mark.isdigit()), default=0)
            for name, stored in listed.items():
                alone = name.endswith(".bson.zst") and name.removesuffix(".bson.zst") + ".json" not in listed
                if alone and stored.mark.isdigit() and int(stored.mark) < newest:
                    self._repository.delete(name)
        return told

    def _over_quota(self, now: datetime, parts: Sequence[str]) -> list[str]:
        told: list[str] = []
        while (over := self.over_quota()) > 0:
            complete = [each for each in self._catalogue.snapshots.list(self._group, self._cluster) if each.complete]
            # Newest first; that one stays, or nothing could be restored.
            free = [each for each in complete[1:] if not each.keep]
            if not free:
                told.append(f"The quota is exceeded by {over} bytes, and nothing more may be deleted: raise it.")
                break
            told.append(self._remove(free[-1], "the quota is exceeded"))
            told += self._slices(now, parts)
        return told

    def _checkpoints(self, now: datetime) -> list[str]:
        """Those that are older than every snapshot can never be restored again."""
        manifests = self._holdings.snapshots()
        if not manifests:
            return []
        oldest = min(each.at for each in manifests)
        told = []
        for each in self._catalogue.checkpoints.list(self._group, self._cluster):
            old = each.at is not None and each.at < oldest
            failed = each.at is None and each.completed is not None and now - each.completed > timedelta(days=7)
            if old or failed:
                self._repository.delete(place_of_checkpoint(each.id))
                self._catalogue.checkpoints.remove(self._group, self._cluster, each.id)
                told.append(f"Checkpoint {each.id} was deleted: no snapshot from before it is kept.")
        return told
