"""The addresses of the resource: each reads its request, asks catalogue or desk, and shows what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from bson import ObjectId, Timestamp

from repman.checkpoints.model import Checkpoint, Download, RestoreJob, RestoreRequest, RestoreStatus, Snapshot
from repman.checkpoints.resource import asking, downloads, paging, render
from repman.checkpoints.resource.service import Answer, Call, Problem, listed
from repman.checkpoints.resource.targets import names_of, targets_of
from repman.model.checkpoint import ManagedCluster

PREFIX = "/api/public/v1.0/groups/<group>/clusters/<cluster>"


PATIENCE = 30.0
"""Seconds that a client waits for a checkpoint; the first one of a cluster takes a snapshot, too."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address."""

    method: str
    rule: str
    """Below `PREFIX`."""
    role: str
    """What the key must be good for."""
    answer: Callable[..., Answer]
    """Takes the call, the cluster, and the last part of the path where the rule has one."""


def checkpoints(call: Call, cluster: ManagedCluster) -> Answer:
    """All checkpoints of a cluster, newest first."""
    wanted = paging.page(call.given)
    found, total = call.service.catalogue.checkpoints.page(cluster.group, cluster.id, wanted.offset, wanted.size)
    return listed(call, list(map(render.checkpoint, found)), wanted, total)


def checkpoint(call: Call, cluster: ManagedCluster, item: str) -> Answer:
    """One checkpoint."""
    return Answer(render.checkpoint(_checkpoint(call, cluster, call.identifier(item, "CHECKPOINT"))))


def create_checkpoint(call: Call, cluster: ManagedCluster) -> Answer:
    """Make a checkpoint now, and answer when it is made, or after `PATIENCE` with where it will be."""
    asking.nothing(call.body())
    made = call.service.desk.checkpoint_within(cluster, PATIENCE)
    if made is not None:
        place = f"{call.url.rstrip('/')}/{made.id}"
        return Answer(render.checkpoint(made), HTTPStatus.CREATED, {"Location": place})
    return _begun(call, cluster, "checkpoints")


def delete_checkpoint(call: Call, cluster: ManagedCluster, item: str) -> Answer:
    """Forget a checkpoint; the data it stands for are kept as long as the schedule says."""
    if not call.service.catalogue.checkpoints.remove(cluster.group, cluster.id, call.identifier(item, "CHECKPOINT")):
        raise _missing("CHECKPOINT", item)
    return Answer(None)


def snapshots(call: Call, cluster: ManagedCluster) -> Answer:
    """All snapshots of a cluster, newest first."""
    wanted = paging.page(call.given)
    found, total = call.service.catalogue.snapshots.page(cluster.group, cluster.id, wanted.offset, wanted.size)
    return listed(call, list(map(render.snapshot, found)), wanted, total)


def snapshot(call: Call, cluster: ManagedCluster, item: str) -> Answer:
    """One snapshot."""
    return Answer(render.snapshot(_snapshot(call, cluster, call.identifier(item, "SNAPSHOT"))))


def create_snapshot(call: Call, cluster: ManagedCluster) -> Answer:
    """Begin to take a snapshot; it is among the snapshots, and complete when it is."""
    asking.nothing(call.body())
    call.service.desk.begin_snapshot(cluster)
    return _begun(call, cluster, "snapshots")


def change_snapshot(call: Call, cluster: ManagedCluster, item: str) -> Answer:
    """Let a snapshot expire at another time, or never."""
    change = asking.snapshot(call.body())
    identifier = call.identifier(item, "SNAPSHOT")
    changed = call.service.catalogue.snapshots.change(cluster.group, cluster.id, identifier, change)
    if changed is None:
        raise _missing("SNAPSHOT", item)
    return Answer(render.snapshot(changed))


def delete_snapshot(call: Call, cluster: ManagedCluster, item: str) -> Answer:
    """Delete a snapshot and its data."""
    found = _snapshot(call, cluster, call.identifier(item, "SNAPSHOT"))
    call.service.desk.remove_snapshot(cluster, found)
    return Answer(None)


def schedule(call: Call, cluster: ManagedCluster) -> Answer:
    """When checkpoints and snapshots are made, and how long they are kept."""
    found = call.service.catalogue.schedule(cluster.group, cluster.id)
    return Answer(render.schedule(cluster.group, cluster.id, found))


def change_schedule(call: Call, cluster: ManagedCluster) -> Answer:
    """Change what is given of the schedule; it is followed from now on."""
    before = call.service.catalogue.schedule(cluster.group, cluster.id)
    after = asking.schedule(call.body(), before)
    call.service.desk.follow(cluster, after)
    return Answer(render.schedule(cluster.group, cluster.id, after))


def restores(call: Call, cluster: ManagedCluster) -> Answer:
    """All restores of a cluster's data, newest first."""
    wanted = paging.page(call.given)
    found, total = call.service.catalogue.restores.page(cluster.group, cluster.id, wanted.offset, wanted.size)
    return listed(call, [_shown(call, cluster, job) for job in found], wanted, total)


def restore(call: Call, cluster: ManagedCluster, item: str) -> Answer:
    """One restore."""
    identifier = call.identifier(item, "RESTORE_JOB")
    found = call.service.catalogue.restores.get(cluster.group, cluster.id, identifier)
    if found is None:
        raise _missing("RESTORE_JOB", item)
    return Answer(_shown(call, cluster, found))


def create_restore(call: Call, cluster: ManagedCluster) -> Answer:
    """Begin to restore; a list of the one restore, as the resource has it."""
    now = call.service.moment()
    wish = asking.restore(call.body(), now)
    parts = _parts(call, cluster, wish)
    request = RestoreRequest(
        group=cluster.group, cluster=cluster.id, checkpoint=wish.checkpoint, snapshot=wish.snapshot, at=wish.at
    )
    if wish.automated:
        request = _automated(call, cluster, wish, request, parts)
    job = RestoreJob(ObjectId(), request, now)
    if wish.expires is not None:
        call.service.catalogue.save_download(Download(job.id, wish.expires, wish.most))
    call.service.desk.begin_restore(cluster, job)
    return listed(call, [_shown(call, cluster, job)], paging.Page(), 1)


def kill_restore(call: Call, cluster: ManagedCluster, item: str) -> Answer:
    """End a restore that is under way; what it has written is of no use."""
    identifier = call.identifier(item, "RESTORE_JOB")

    def change(job: RestoreJob) -> RestoreJob:
        if job.status is not RestoreStatus.IN_PROGRESS:
            raise Problem(HTTPStatus.CONFLICT, "CONFLICT", f"the restore has ended already: {job.status}", item)
        return replace(job, status=RestoreStatus.KILLED, reason="It was ended on request.")

    killed = call.service.catalogue.restores.change(cluster.group, cluster.id, identifier, change)
    if killed is None:
        raise _missing("RESTORE_JOB", item)
    return Answer(_shown(call, cluster, killed))


def _automated(
    call: Call, cluster: ManagedCluster, wish: asking.RestoreWish, request: RestoreRequest, parts: tuple[str, ...]
) -> RestoreRequest:
    group = wish.target_group or cluster.group
    call.opens(group)
    target = call.service.site.cluster(group, wish.target)
    if target is None:
        sentence = (
            f"the group {group} has no cluster {wish.target[:100]}; data go only to clusters of the configuration"
        )
        raise Problem(HTTPStatus.NOT_FOUND, "CLUSTER_NOT_FOUND", sentence, wish.target[:100])
    if target == cluster and not wish.overwrite:
        sentence = "that is the cluster the data come from; set delivery.overwrite to true to replace what it holds"
        raise Problem(HTTPStatus.CONFLICT, "TARGET_NOT_EMPTY", sentence, target.id)
    changed: dict[str, Any] = {"targets": targets_of(target, parts), "overwrite": wish.overwrite}
    return replace(request, **changed, target_group=target.group, target_cluster=target.id)


def _parts(call: Call, cluster: ManagedCluster, wish: asking.RestoreWish) -> tuple[str, ...]:
    """The names of what is restored; raises Problem when it is not there, or cannot be restored."""
    if wish.checkpoint is not None:
        found = _checkpoint(call, cluster, wish.checkpoint)
        if not found.restorable:
            sentence = f"the checkpoint cannot be restored: {'; '.join(found.reasons) or 'it is not finished'}"
            raise Problem(HTTPStatus.CONFLICT, "CHECKPOINT_NOT_RESTORABLE", sentence, str(found.id))
        return names_of(found.parts)
    if wish.snapshot is not None:
        taken = _snapshot(call, cluster, wish.snapshot)
        if not taken.complete:
            sentence = f"the snapshot is not complete: {'; '.join(taken.reasons) or 'it is being taken'}"
            raise Problem(HTTPStatus.CONFLICT, "SNAPSHOT_NOT_COMPLETE", sentence, str(taken.id))
        return names_of(taken.parts)
    assert wish.at is not None
    base = _base(call, cluster, wish.at)
    if base is None:
        sentence = "there is no complete snapshot from before that time"
        raise Problem(HTTPStatus.CONFLICT, "NO_SNAPSHOT_BEFORE", sentence)
    return names_of(base.parts)


def _base(call: Call, cluster: ManagedCluster, at: Timestamp) -> Snapshot | None:
    taken = call.service.catalogue.snapshots.list(cluster.group, cluster.id)
    return next((each for each in taken if each.complete and each.created <= at), None)


def _begun(call: Call, cluster: ManagedCluster, kind: str) -> Answer:
    """For what goes on after the answer: where to look for it."""
    document: render.Json = {
        "clusterId": cluster.id,
        "groupId": cluster.group,
        "links": [{"href": call.url, "rel": kind}],
        "statusName": "IN_PROGRESS",
    }
    return Answer(document, HTTPStatus.ACCEPTED, {"Location": call.url})


def _shown(call: Call, cluster: ManagedCluster, job: RestoreJob) -> render.Json:
    service = call.service
    download = service.catalogue.download(job.id)
    # Who has the address has the data.
    told = download is not None and call.key.may("restore")
    url = f"{call.base}{downloads.path(service.secret, download)}" if download is not None and told else ""
    return render.restore(job, render.Delivery(cluster.name, download, url), service.moment())


def _checkpoint(call: Call, cluster: ManagedCluster, identifier: ObjectId) -> Checkpoint:
    found = call.service.catalogue.checkpoints.get(cluster.group, cluster.id, identifier)
    if found is None:
        raise _missing("CHECKPOINT", str(identifier))
    return found


def _snapshot(call: Call, cluster: ManagedCluster, identifier: ObjectId) -> Snapshot:
    found = call.service.catalogue.snapshots.get(cluster.group, cluster.id, identifier)
    if found is None:
        raise _missing("SNAPSHOT", str(identifier))
    return found


def _missing(kind: str, identifier: str) -> Problem:
    sentence = f"the cluster has no {kind.lower().replace('_', ' ')} {identifier}"
    return Problem(HTTPStatus.NOT_FOUND, f"{kind}_NOT_FOUND", sentence, identifier)


ROUTES = (
    Route("GET", "/checkpoints", "read", checkpoints),
    Route("POST", "/checkpoints", "write", create_checkpoint),
    Route("GET", "/checkpoints/<item>", "read", checkpoint),
    Route("DELETE", "/checkpoints/<item>", "write", delete_checkpoint),
    Route("GET", "/snapshots", "read", snapshots),
    Route("POST", "/snapshots", "write", create_snapshot),
    Route("GET", "/snapshots/<item>", "read", snapshot),
    Route("PATCH", "/snapshots/<item>", "write", change_snapshot),
    Route("DELETE", "/snapshots/<item>", "write", delete_snapshot),
    Route("GET", "/snapshotSchedule", "read", schedule),
    Route("PATCH", "/snapshotSchedule", "write", change_schedule),
    Route("GET", "/restoreJobs", "read", restores),
    Route("POST", "/restoreJobs", "restore", create_restore),
    Route("GET", "/restoreJobs/<item>", "read", restore),
    Route("DELETE", "/restoreJobs/<item>", "restore", kill_restore),
)
