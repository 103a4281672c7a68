"""Logical backups with mydumper: one directory of many files, written and read by several threads."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

from repman.errors import JobFailed
from repman.maintenance import archive, logical
from repman.maintenance.course import Course
from repman.maintenance.reach import exact_position
from repman.maintenance.session import Account, option_file, session
from repman.maintenance.surroundings import Surroundings
from repman.maintenance.xbstream import gtid_of
from repman.model.backup import FORMAT, Backup, BackupMethod
from repman.model.job import Job

DIRECTORY = "mydumper"
_METADATA = "metadata"
_LOG = re.compile(r"Log: (\S+)\s+Pos: (\d+)\s+GTID:\s*(\S*)")


def back_up(job: Job, course: Course, around: Surroundings, name: str, partial: Path, started: float) -> Backup:
    """Dump the job's server into a directory below `partial`.  Raises JobFailed."""
    target = partial / DIRECTORY
    wishes, account = around.cluster.backups, around.account(job.server)
    tool = logical.program("", "mydumper")
    with session(account) as at:
        source = logical.look(at)
        replica = bool(at.rows("SHOW ALL SLAVES STATUS"))
    pattern = "|".join(re.escape(each) for each in source.databases)
    argv = [
        tool,
        f"--defaults-file={option_file(course, account)}",
        f"--host={account.host}",
        f"--port={account.port}",
        f"--outputdir={target}",
        f"--threads={wishes.dump_threads}",
        # Regular tables are read in one snapshot; what is not transactional stays locked until it is read.
        "--trx-consistency-only" if replica else "--less-locking",
        "--triggers",
        "--routines",
        "--events",
        f"--regex=^({pattern})\\.",
        *(["--compress"] if wishes.compress else []),
    ]
    logical.dump_accounts(course, account, logical.DumpWishes(), partial / logical.ACCOUNTS)
    with logical.tables_unchanged(course, account, wishes.lock_ddl and replica), course.programs():
        course.step(f"dumping {len(source.databases)} databases of {job.server}", source.size)
        child = course.start(argv)
        course.finish(child)
        # It ends well also when it could not read a table.
        if "** (mydumper" in child.said() and "CRITICAL" in child.said():
            raise JobFailed(f"mydumper: {child.tail()}")
    course.step("reading the dump back")
    log, offset, stated = position_of((target / _METADATA).read_text())
    with session(account) as at:
        position = exact_position(at, log, offset, stated, source.position)
    size = sum(path.stat().st_size for path in target.iterdir())
    return Backup(
        format=FORMAT,
        id=name,
        cluster=around.name,
        method=BackupMethod.LOGICAL,
        tool="mydumper",
        source=job.server,
        started_at=started,
        ended_at=time.time(),
        file=DIRECTORY,
        size=size,
        data_bytes=source.size,
        compression="gzip" if wishes.compress else "none",
        checksum=digest(course, target),
        gtid=position,
        binlog_file=log,
        binlog_position=offset,
        tool_version=course.version_of(tool),
        server_version=source.version,
        job=job.id,
    )


def position_of(metadata: str) -> tuple[str, int, str]:
    """Binary log, offset and GTID of the source, from mydumper's file.  Raises JobFailed for one that has not ended."""
    own = metadata.partition("SHOW MASTER STATUS:")[2].partition("SHOW SLAVE STATUS:")[0]
    found = _LOG.search(own)
    if found is None or "Finished dump at" not in metadata:
        raise JobFailed("The dump is cut off: its file `metadata` does not say that it has ended")
    return found[1], int(found[2]), gtid_of(found[3])


def digest(course: Course, directory: Path) -> str:
    """One SHA-256 over names and contents of all files.  Raises JobFailed."""
    found = hashlib.sha256()
    for name in sorted(os.listdir(directory)):
        found.update(f"{name} {archive.digest(course, directory / name)}\n".encode())
    return found.hexdigest()


def load(course: Course, account: Account, directory: Path, threads: int) -> None:
    """Run the dump's statements, none of which goes to a binary log.  Raises JobFailed."""
    argv = [
        logical.program("", "myloader"),
        f"--defaults-file={option_file(course, account)}",
        f"--host={account.host}",
        f"--port={account.port}",
        f"--directory={directory}",
        f"--threads={threads}",
        "--overwrite-tables",
    ]
    with course.programs():
        course.step(f"loading the dump into {account.address}", stall=4 * 3600.0)
        child = course.start(argv)
        course.finish(child)
        if "CRITICAL" in child.said():
            raise JobFailed(f"myloader: {child.tail()}")
