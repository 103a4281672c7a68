"""Jobs and backups: in our own form, and in replication-manager's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from repman.model.backup import Backup, BackupMethod
from repman.model.job import Job, JobKind, JobState
from repman.model.policy import ClusterPolicy
from repman.web.render.times import moment

TASKS: Mapping[JobKind, str] = {
    JobKind.BACKUP_LOGICAL: "mysqldump",
    JobKind.BACKUP_PHYSICAL: "mariabackup",
    JobKind.OPTIMIZE: "optimize",
    JobKind.ANALYZE: "analyze",
    JobKind.ERROR_LOG: "errorlog",
    JobKind.SLOW_QUERY_LOG: "slowquery",
    JobKind.CHECKSUM: "checksum",
}
"""What replication-manager calls these tasks; a reseed is named after its method."""
_RESEEDS = {
    "logicalbackup": "reseedmysqldump",
    "logicalmaster": "reseedmysqldump",
    "physicalbackup": "reseedmariabackup",
    "physicalmaster": "reseedmariabackup",
}
_STATES = {JobState.WAITING: 0, JobState.RUNNING: 1, JobState.DONE: 4}
"""replication-manager's numbers; all that ended otherwise is 5, an error or a cancellation."""
_HEADER = ("id", "task", "port", "server", "done", "state", "result,omitempty", "start", "end,omitempty")
_NO_BACKUP_NUMBER = 0


def task_name(job: Job) -> str:
    """The job's name in replication-manager's words."""
    return TASKS.get(job.kind) or _RESEEDS.get(job.arguments.get("method", ""), "reseed")


def render_job(job: Job) -> dict[str, Any]:
    """A job in our own form."""
    root = f"/api/clusters/{job.cluster}/jobs/{job.id}"
    document: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind.value,
        "cluster": job.cluster,
        "server": job.server,
        "user": job.user,
        "arguments": job.arguments,
        "state": job.state.value,
        "step": job.step,
        "progress": job.progress,
        "bytes_done": job.bytes_done,
        "bytes_total": job.bytes_total,
        "result": job.result,
        "error": job.error,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "links": {"self": root},
    }
    if not job.state.ended:
        document["links"]["cancel"] = f"{root}/cancel"
    return document


def render_tasks(policy: ClusterPolicy, jobs: Sequence[tuple[int, Job]]) -> dict[str, Any]:
    """Jobs by server, in replication-manager's form; those about the whole cluster stand under an empty name."""
    servers: dict[str, Any] = {server.id: {"serverUrl": server.address, "tasks": []} for server in policy.servers}
    known = {server.address: server for server in policy.servers}
    for number, job in jobs:
        server = known.get(job.server)
        key = server.id if server else ""
        tasks = servers.setdefault(key, {"serverUrl": job.server, "tasks": []})["tasks"]
        tasks.append(_task(number, job))
    for each in servers.values():
        each["tasks"].sort(key=lambda task: (task["task"], task["id"]))
    return {"header": dict.fromkeys(_HEADER, True), "servers": servers}


def _task(number: int, job: Job) -> dict[str, Any]:
    host, _, port = job.server.rpartition(":")
    task: dict[str, Any] = {
        "id": number,
        "task": task_name(job),
        "port": int(port) if port.isdigit() else 0,
        "server": host,
        "done": int(job.state.ended),
        "state": _STATES.get(job.state, 5),
        "start": int(job.started_at or job.created_at),
    }
    if text := job.error or ("completed" if job.state is JobState.DONE else job.step):
        task["result"] = text
    if job.ended_at:
        task["end"] = int(job.ended_at)
    return task


def render_metadata(backup: Backup) -> dict[str, Any]:
    """A backup's description in replication-manager's form."""
    return {
        "id": backup.number,
        "startTime": moment(backup.started_at),
        "endTime": moment(backup.ended_at),
        "backupMethod": 1 if backup.method is BackupMethod.LOGICAL else 2,
        "backupTool": backup.tool,
        "backupStrategy": 1,
        "source": backup.source,
        "dest": f"{backup.id}/{backup.file}",
        "size": backup.size,
        "compressed": backup.compression != "none",
        "encrypted": False,
        "encryptionAlgo": "",
        "encryptionKey": "",
        "checksum": backup.checksum,
        "retentionDays": 0,
        "binLogFileName": backup.binlog_file,
        "binLogFilePos": backup.binlog_position,
        "binLogUuid": backup.gtid,
        "completed": True,
        "previous": _NO_BACKUP_NUMBER,
    }


def render_backup(backup: Backup) -> dict[str, Any]:
    """A backup in the list of a cluster: the keys that its readers know, and ours."""
    return {
        "id": backup.id,
        "short_id": backup.id[-6:],
        "time": moment(backup.started_at),
        "paths": [f"{backup.id}/{backup.file}"],
        "hostname": backup.source.rpartition(":")[0],
        "tags": [backup.method.value, backup.tool],
        "method": backup.method.value,
        "tool": backup.tool,
        "source": backup.source,
        "started_at": backup.started_at,
        "ended_at": backup.ended_at,
        "size": backup.size,
        "data_bytes": backup.data_bytes,
        "compression": backup.compression,
        "checksum": backup.checksum,
        "gtid": backup.gtid,
        "tool_version": backup.tool_version,
        "server_version": backup.server_version,
        "job": backup.job,
    }


def cluster_keys(backups: Iterable[Backup], running: Iterable[Job]) -> dict[str, Any]:
    """The keys of the cluster object that tell of backups and jobs."""
    found = list(backups)
    kinds = {job.kind for job in running if job.state is JobState.RUNNING}
    return {
        "backupList": {str(backup.number): render_metadata(backup) for backup in found},
        "inPhysicalBackup": JobKind.BACKUP_PHYSICAL in kinds,
        "inLogicalBackup": JobKind.BACKUP_LOGICAL in kinds,
        "isValidBackup": bool(found),
    }


def server_keys(address: str, backups: Iterable[Backup], running: Iterable[Job]) -> dict[str, Any]:
    """The keys of the server object that tell of backups and jobs."""
    last: dict[str, Any] = {"logical": None, "physical": None}
    for backup in backups:
        if backup.source == address:
            last[backup.method.value] = render_metadata(backup)
    reseeds = [
        job for job in running if job.kind is JobKind.RESEED and job.server == address and job.state is JobState.RUNNING
    ]
    return {"lastBackupMeta": last, "isReseeding": task_name(reseeds[0]) if reseeds else ""}
