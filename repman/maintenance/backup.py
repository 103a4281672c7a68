"""The job that makes a backup: read, read back, described, published; then old ones go."""

from __future__ import annotations

import time
from pathlib import Path

from repman.errors import JobFailed
from repman.maintenance import logical, mydumper, physical
from repman.maintenance.compression import wished
from repman.maintenance.course import Course
from repman.maintenance.retention import Retention, outdated
from repman.maintenance.sources import check_source, choose_source
from repman.maintenance.surroundings import Surroundings
from repman.model.backup import FORMAT, Backup, BackupMethod
from repman.model.job import Job, JobKind


def source_of(around: Surroundings, kind: JobKind, asked: str) -> str:
    """Address of the server to read: the one asked for, else a healthy replica.  Raises JobFailed."""
    places = around.places
    if asked:
        if kind is JobKind.BACKUP_PHYSICAL:
            places.get(asked)
        check_source(around.published(), asked)
        return asked
    addresses = around.cluster.policy.addresses
    possible = [each for each in addresses if places.find(each)] if kind is JobKind.BACKUP_PHYSICAL else None
    if possible == []:
        places.get(addresses[0])
    return choose_source(around.published(), around.cluster.backups.hosts, possible)


def back_up(job: Job, course: Course, around: Surroundings) -> dict[str, object]:
    """Back up the job's server.  Raises JobFailed; then nothing is left of it, and the older backups stay."""
    method = BackupMethod.LOGICAL if job.kind is JobKind.BACKUP_LOGICAL else BackupMethod.PHYSICAL
    name, partial = around.catalogue.begin(around.name, method.value, job.id)
    started = time.time()
    try:
        if method is BackupMethod.PHYSICAL:
            backup = _physical(job, course, around, name, partial, started)
        elif around.cluster.backups.logical_tool == "mydumper":
            backup = mydumper.back_up(job, course, around, name, partial, started)
        else:
            backup = _logical(job, course, around, name, partial, started)
        if not backup.gtid:
            raise JobFailed("The backup states no GTID position, so no replica could go on from it: it is not kept")
        course.check()
        around.catalogue.publish(partial, backup)
    finally:
        around.catalogue.drop(partial)
    removed = remove_outdated(around, backup.id)
    return {
        "backup": backup.id,
        "source": backup.source,
        "gtid": backup.gtid,
        "size": backup.size,
        "checksum": backup.checksum,
        "removed": removed,
    }


def remove_outdated(around: Surroundings, newest: str) -> list[str]:
    """Remove the backups that no rule keeps and no job uses; returns their names.  Raises JobFailed."""
    wishes = around.cluster.backups
    rules = Retention(
        wishes.keep_hourly, wishes.keep_daily, wishes.keep_weekly, wishes.keep_monthly, wishes.keep_yearly
    )
    gone = outdated(around.catalogue.reader.backups(around.name), rules, newest)
    return [backup.id for backup in gone if around.catalogue.remove(backup)]


def _logical(job: Job, course: Course, around: Surroundings, name: str, partial: Path, started: float) -> Backup:
    wishes = around.cluster.backups
    compression = wished(wishes.compress)
    dump = logical.DumpWishes(lock_ddl=wishes.lock_ddl)
    position, written, said, source = logical.back_up(course, around.account(job.server), dump, compression, partial)
    return Backup(
        format=FORMAT,
        id=name,
        cluster=around.name,
        method=BackupMethod.LOGICAL,
        tool="mysqldump",
        source=job.server,
        started_at=started,
        ended_at=time.time(),
        file=f"{logical.DUMP}{compression.suffix}",
        size=written.size,
        data_bytes=written.data_bytes,
        compression=compression.name,
        checksum=written.checksum,
        gtid=position,
        binlog_file=said.binlog[0],
        binlog_position=said.binlog[1],
        tool_version=course.version_of(logical.program("", "mariadb-dump", "mysqldump")),
        server_version=source.version,
        job=job.id,
    )


def _physical(job: Job, course: Course, around: Surroundings, name: str, partial: Path, started: float) -> Backup:
    compression = wished(around.cluster.backups.compress)
    place = around.places.get(job.server)
    copied, written = physical.back_up(course, around.account(job.server), place, compression, partial)
    return Backup(
        format=FORMAT,
        id=name,
        cluster=around.name,
        method=BackupMethod.PHYSICAL,
        tool="mariabackup",
        source=job.server,
        started_at=started,
        ended_at=time.time(),
        file=f"{physical.STREAM}{compression.suffix}",
        size=written.size,
        data_bytes=written.data_bytes,
        compression=compression.name,
        checksum=written.checksum,
        gtid=copied.position,
        binlog_file=copied.binlog[0],
        binlog_position=copied.binlog[1],
        tool_version=course.version_of(logical.program("", "mariadb-backup", "mariabackup")),
        server_version=copied.server_version,
        job=job.id,
    )
