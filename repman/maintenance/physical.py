"""Physical backups: the files of a running server, copied by mariadb-backup at one position."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from repman.errors import JobFailed
from repman.maintenance import archive
from repman.maintenance.compression import Compression
from repman.maintenance.course import Course
from repman.maintenance.logical import program
from repman.maintenance.places import Place
from repman.maintenance.reach import exact_position
from repman.maintenance.session import Account, option_file, session
from repman.maintenance.xbstream import XbstreamInspector, gtid_of
from repman.orchestrators import template

STREAM = "backup.mbstream"
_DONE = "completed OK!"
_PREPARE_MEMORY = "256M"
_RECOVERY_LOG = "repman-recovery"
_RECOVERY_WORDS = 1 << 20
_RESOLVED = "Please restart without --tc-heuristic-recover"
_LOG = re.compile(r"^(?!aria_log\.).+\.\d{6,}$")
_PREPARED = re.compile(r"Found (\d+) prepared transaction")
_POSITIONS = ("xtrabackup_binlog_info", "mariadb_backup_binlog_info")


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied."""

    position: str
    binlog: tuple[str, int]
    server_version: str


def command(course: Course, account: Account, place: Place) -> list[str]:
    """mariadb-backup of that server, streamed to standard output."""
    return [
        program("", "mariadb-backup", "mariabackup"),
        f"--defaults-file={option_file(course, account)}",
        "--backup",
        "--stream=mbstream",
        f"--datadir={place.datadir}",
        f"--target-dir={course.scratch / 'target'}",
    ]


def back_up(
    course: Course, account: Account, place: Place, compression: Compression, directory: Path
) -> tuple[Copied, archive.Written]:
    """Copy a server into a file of that directory and read it back.  Raises JobFailed."""
    path = directory / f"{STREAM}{compression.suffix}"
    with session(account) as at:
        before, version = at.value("@@gtid_current_pos"), at.value("@@version")
    course.step(f"copying the files of {account.address}", disk_usage(place.datadir))
    crc = archive.write(course, command(course, account, place), compression, path, said=_DONE)
    course.step("reading the backup back", path.stat().st_size)
    inspector = XbstreamInspector()
    written = archive.read_back(course, compression, path, inspector, crc)
    log, offset, stated = inspector.position
    with session(account) as at:
        position = exact_position(at, log, offset, stated, before)
    return Copied(position, (log, offset), version), written


def unpack(course: Course, compression: Compression, path: Path, size: int, target: Path) -> None:
    """Lay the files of a backup, `size` bytes, out in an empty directory.  Raises JobFailed."""
    _make(target)
    require_room(target, size)
    argv = [program("", "mbstream"), "-x", "-C", str(target)]
    archive.expand_into(course, compression, path, argv, f"unpacking the backup to {target}")


def stream(course: Course, account: Account, source: Place, target: Path) -> str:
    """Copy a running server's files into an empty directory; returns its position.  Raises JobFailed."""
    _make(target)
    with session(account) as at:
        before = at.value("@@gtid_current_pos")
    inspector = XbstreamInspector()
    with course.programs():
        size = disk_usage(source.datadir)
        require_room(target, size)
        course.step(f"copying the files of {account.address} to {target}", size)
        reader = course.start(command(course, account, source), stdout=subprocess.PIPE)
        writer = course.start([program("", "mbstream"), "-x", "-C", str(target)], stdin=subprocess.PIPE)
        assert reader.process.stdout is not None
        assert writer.process.stdin is not None
        archive.relay(course, reader.process.stdout, writer.process.stdin, inspector)
        course.finish(writer, reader)
        if _DONE not in reader.said():
            raise JobFailed(f"mariadb-backup did not say {_DONE!r}: {reader.tail()}")
    inspector.finish()
    with session(account) as at:
        return exact_position(at, *inspector.position, before)


def prepare(course: Course, target: Path) -> str:
    """Make unpacked files consistent, as of the backup's end; returns the position they state.  Raises JobFailed."""
    with course.programs():
        course.step(f"preparing the files in {target}", stall=4 * 3600.0)
        child = course.start(
            [
                program("", "mariadb-backup", "mariabackup"),
                "--no-defaults",
                "--prepare",
                f"--use-memory={_PREPARE_MEMORY}",
                f"--target-dir={target}",
            ]
        )
        course.finish(child)
        if _DONE not in child.said():
            raise JobFailed(f"mariadb-backup --prepare did not say {_DONE!r}: {child.tail()}")
    for name in _POSITIONS:
        if (target / name).is_file():
            fields = (target / name).read_text().strip().split("\t")
            return gtid_of(fields[2]) if len(fields) > 2 else ""
    return ""


def resolve(course: Course, target: Path) -> int:
    """Roll back what was being committed when prepared files were copied; returns how many transactions that were.

    A replica that applies in parallel prepares transactions that wait for their turn to be written to the binary
    log; a copy may catch them so, and no server starts on such files alone (MDEV-36025).  They come again by
    replication, for the copy's position is before them.  Raises JobFailed, also when no server can open the files.
    """
    log = target / _RECOVERY_LOG
    argv = [
        template.program("mariadbd"),
        f"--defaults-file={target / 'backup-my.cnf'}",
        *(["--user=root"] if os.geteuid() == 0 else []),
        f"--datadir={target}",
        f"--log-bin={log}",
        "--server-id=1",
        "--tc-heuristic-recover=ROLLBACK",
        "--skip-networking",
        "--skip-slave-start",
        f"--socket={course.scratch / 'socket'}",
        f"--pid-file={course.scratch / 'pid'}",
        f"--tmpdir={course.scratch}",
    ]
    try:
        with course.programs():
            course.step(f"opening the files in {target}", stall=3600.0)
            child = course.start(argv)
            child.process.wait()
            course.check()
            said = child.said(_RECOVERY_WORDS)
            # It has done its work and ends as if it had failed.
            if _RESOLVED not in said:
                raise JobFailed(f"No server can open the files in {target}: {child.tail()}")
    finally:
        for left in target.glob(f"{log.name}.*"):
            left.unlink()
    found = _PREPARED.search(said)
    return int(found[1]) if found else 0


def require_room(directory: Path, size: int) -> None:
    """So many bytes fit there: a full disk would stop every server that has its data on it.  Raises JobFailed."""
    free = shutil.disk_usage(directory).free
    if size > free:
        raise JobFailed(
            f"{directory} has room for {free} bytes, and {size} come, beside the data that are there until these serve: "
            "make room, or use the logical method"
        )


def disk_usage(directory: Path) -> int:
    """Bytes below a directory that a copy of it takes, about: not its binary and relay logs."""
    total = 0
    for path, _, files in os.walk(directory):
        for name in files:
            if _LOG.match(name):
                continue
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except OSError:
                continue
    return total


def _make(target: Path) -> None:
    try:
        target.mkdir(mode=0o700)
    except OSError as error:
        raise JobFailed(f"{target} cannot be made: {error}") from error
