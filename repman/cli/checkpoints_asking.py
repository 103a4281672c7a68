"""What ``repman checkpoints restore`` is asked, as a restore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bson import ObjectId, Timestamp

from repman.checkpoints.desk import Desk
from repman.checkpoints.model import RestoreJob, RestoreRequest, RestoreStatus
from repman.checkpoints.resource.asking import ID
from repman.checkpoints.resource.targets import names_of, targets_of
from repman.cli.exits import UsageFailure
from repman.config.values import mongo_uri
from repman.model.checkpoint import ManagedCluster


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options as they were given; empty: not given."""

    checkpoint: str = ""
    snapshot: str = ""
    moment: str = ""
    into: str = ""
    to: tuple[str, ...] = ()
    overwrite: bool = False
    resume: str = ""


def job_of(desk: Desk, cluster: ManagedCluster, wanted: Wanted, now: datetime) -> RestoreJob:
    """A new restore, or the one that goes on; raises UsageFailure, CheckpointRefused and StateError."""
    if wanted.resume:
        return _resumed(desk, cluster, wanted)
    if sum(map(bool, (wanted.checkpoint, wanted.snapshot, wanted.moment))) != 1:
        raise UsageFailure("give exactly one of --checkpoint, --snapshot and --at: what is to be restored")
    request = RestoreRequest(
        group=cluster.group,
        cluster=cluster.id,
        checkpoint=_id("--checkpoint", wanted.checkpoint),
        snapshot=_id("--snapshot", wanted.snapshot),
        at=_moment(wanted.moment),
    )
    return RestoreJob(ObjectId(), _aimed(desk, cluster, request, wanted), now)


def _resumed(desk: Desk, cluster: ManagedCluster, wanted: Wanted) -> RestoreJob:
    if wanted.checkpoint or wanted.snapshot or wanted.moment:
        raise UsageFailure("--resume goes on with what was to be restored: give nothing else but --into or --to")
    identifier = _id("--resume", wanted.resume)
    assert identifier is not None
    job = desk.catalogue.restores.get(cluster.group, cluster.id, identifier)
    if job is None:
        raise UsageFailure(f"there is no restore {wanted.resume} of {cluster.name}; see `repman checkpoints list`")
    if job.status is RestoreStatus.FINISHED:
        raise UsageFailure(f"the restore {wanted.resume} has ended well; there is nothing to go on with")
    if job.request.targets:
        overwrite = wanted.overwrite or job.request.overwrite
        given = replace(wanted, into=wanted.into or job.request.target_cluster, overwrite=overwrite)
        if not (given.into or given.to):
            raise UsageFailure("give --to as before: addresses with passwords are not kept")
        job = replace(job, request=_aimed(desk, cluster, job.request, given))
    return replace(job, status=RestoreStatus.IN_PROGRESS, reason="")


def _aimed(desk: Desk, cluster: ManagedCluster, request: RestoreRequest, wanted: Wanted) -> RestoreRequest:
    """With where it goes."""
    if wanted.into and wanted.to:
        raise UsageFailure("give --into or --to, not both")
    if wanted.to:
        return replace(request, targets=tuple(map(_target, wanted.to)), overwrite=wanted.overwrite)
    if not wanted.into:
        if wanted.overwrite:
            raise UsageFailure("--overwrite is about the data of a target; give --into or --to")
        return request
    target = desk.site.cluster(cluster.group, wanted.into)
    if target is None:
        known = ", ".join(each.name for each in desk.site.clusters if each.group == cluster.group)
        raise UsageFailure(f"no cluster of the group is called {wanted.into}; there are {known}")
    if target == cluster and not wanted.overwrite:
        raise UsageFailure(f"the data come from {cluster.name}; to replace what it holds now give --overwrite as well")
    return replace(
        request,
        targets=targets_of(target, _parts(desk, cluster, request)),
        overwrite=wanted.overwrite,
        target_group=target.group,
        target_cluster=target.id,
    )


def _parts(desk: Desk, cluster: ManagedCluster, request: RestoreRequest) -> Sequence[str]:
    catalogue = desk.catalogue
    if request.checkpoint is not None:
        checkpoint = catalogue.checkpoints.get(cluster.group, cluster.id, request.checkpoint)
        if checkpoint is None:
            raise UsageFailure(f"{cluster.name} has no checkpoint {request.checkpoint}; see `repman checkpoints list`")
        return names_of(checkpoint.parts)
    for taken in catalogue.snapshots.list(cluster.group, cluster.id):
        if request.snapshot == taken.id or (request.at is not None and taken.created <= request.at and taken.complete):
            return names_of(taken.parts)
    which = "such snapshot" if request.snapshot is not None else "complete snapshot from before that time"
    raise UsageFailure(f"{cluster.name} has no {which}; see `repman checkpoints list --snapshots`")


def _id(option: str, text: str) -> ObjectId | None:
    if text and not ID.fullmatch(text):
        raise UsageFailure(f"{option} takes an id of 24 hex digits")
    return ObjectId(text) if text else None


def _moment(text: str) -> Timestamp | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageFailure("--at takes a time such as 2026-07-31T23:19:51Z") from None
    if found.tzinfo is None:
        raise UsageFailure("--at needs a time zone: 2026-07-31T23:19:51Z or 2026-08-01T01:19:51+02:00")
    # Operations are numbered from 1 within a second, so that nothing of that second is included.
    return Timestamp(int(found.astimezone(UTC).timestamp()), 0)


def _target(text: str) -> tuple[str, str]:
    part, equals, uri = text.partition("=")
    if not (part and equals and uri):
        raise UsageFailure("--to takes PART=URI, such as shard_0=mongodb://host:27017/?replicaSet=shard_0")
    try:
        return part, mongo_uri(uri)
    except ValueError as error:
        raise UsageFailure(f"--to {part}: {error}") from error
