"""The job that rebuilds a replica: from a backup, or streaming from the writer.

The monitor holds the server meanwhile.  What can be checked is checked before anything is destroyed; a job that
ends before that gives the server back as it was.  Later the server stays held until a reseed ends well.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from repman.errors import JobFailed
from repman.maintenance import archive, logical, mydumper, physical
from repman.maintenance.compression import named
from repman.maintenance.course import Course
from repman.maintenance.dump import DumpInspector, completed
from repman.maintenance.places import Place
from repman.maintenance.reach import beyond, foreign, missing, oldest_kept
from repman.maintenance.readiness import fetch_accounts, require_restorable, require_spare, writer_of
from repman.maintenance.session import Session, identifier, interruptible, session
from repman.maintenance.surroundings import Surroundings
from repman.model.backup import Backup, BackupMethod
from repman.model.command import CommandKind
from repman.model.decision import ServerState
from repman.model.job import Job
from repman.model.position import MariadbGtid
from repman.model.snapshot import Snapshot

HOLD_REASON = "a reseed rebuilds it"
_ANSWERS_SECONDS = 120.0
_FOLLOWS_SECONDS = 30.0
_CATCH_UP_SECONDS = 24 * 3600.0
_POLL = 0.2


class ReseedMethod(StrEnum):
    """Where the data come from; the words of the API."""

    LOGICAL_BACKUP = "logicalbackup"
    LOGICAL_MASTER = "logicalmaster"
    PHYSICAL_BACKUP = "physicalbackup"
    PHYSICAL_MASTER = "physicalmaster"

    @property
    def physical(self) -> bool:
        """Whether files are copied."""
        return self in (ReseedMethod.PHYSICAL_BACKUP, ReseedMethod.PHYSICAL_MASTER)

    @property
    def from_backup(self) -> bool:
        """Whether a backup is restored."""
        return self in (ReseedMethod.LOGICAL_BACKUP, ReseedMethod.PHYSICAL_BACKUP)


def check(around: Surroundings, server: str, method: ReseedMethod, wanted: str, force: bool = False) -> Backup | None:
    """Whether this reseed can begin; returns the backup it would restore.  Raises JobFailed with the reason."""
    snapshot = around.snapshot()
    name = around.label(server)
    if not snapshot.active:
        raise JobFailed(f"This repman does not hold the lease of {around.name}: ask the one that does.")
    if snapshot.writer == server:
        raise JobFailed(f"{name} is the writer: move that role away first (switchover), then reseed it.")
    if not snapshot.writer or not snapshot.writer_alive:
        raise JobFailed(f"{name} may hold the only copy: there is no living writer that it could follow afterwards.")
    _check_others(around, snapshot, server, force)
    place = around.places.find(server)
    if method.physical:
        around.places.get(server)
    elif place is None and not _answers(snapshot, server):
        raise JobFailed(f"{name} does not answer and its files are out of reach: start it empty, then reseed it.")
    if method is ReseedMethod.PHYSICAL_MASTER:
        around.places.get(snapshot.writer)
    return _backup(around, method, wanted) if method.from_backup else None


def _check_others(around: Surroundings, snapshot: Snapshot, server: str, force: bool) -> None:
    """Nobody may depend on the server that is to be emptied."""
    name = around.label(server)
    behind = [view.policy.name for view in snapshot.servers if view.seen.answered and view.seen.follows(server)]
    if behind:
        raise JobFailed(f"{', '.join(behind)} replicates from {name}: let it follow the writer first, then reseed.")
    healthy = [view.policy.address for view in snapshot.servers if view.state is ServerState.SLAVE]
    if healthy == [server] and not force and not around.cluster.test:
        raise JobFailed(
            f"{name} is the only healthy replica: while it is rebuilt, writes wait or are unprotected, and nothing could "
            "take over. Rebuild another one first, or ask again with force=true."
        )


def _backup(around: Surroundings, method: ReseedMethod, wanted: str) -> Backup:
    kind = BackupMethod.PHYSICAL if method.physical else BackupMethod.LOGICAL
    reader = around.catalogue.reader
    found = reader.get(around.name, wanted) if wanted else reader.latest(around.name, kind)
    if found is None or found.method is not kind:
        what = f"called {wanted!r} " if wanted else ""
        raise JobFailed(f"There is no {kind} backup {what}of {around.name}: make one first, or reseed from the writer.")
    return found


def _answers(snapshot: Snapshot, server: str) -> bool:
    view = snapshot.server(server)
    return view is not None and view.seen.answered


def reseed(job: Job, course: Course, around: Surroundings) -> dict[str, object]:
    """Rebuild the job's server.  Raises JobFailed."""
    return _Reseed(job, course, around, ReseedMethod(job.arguments["method"])).run()


@dataclass(slots=True)
class _Reseed:
    job: Job
    course: Course
    around: Surroundings
    method: ReseedMethod

    @property
    def server(self) -> str:
        return self.job.server

    @property
    def name(self) -> str:
        return self.around.label(self.server)

    def run(self) -> dict[str, object]:
        backup = check(self.around, self.server, self.method, self.job.arguments.get("backup", ""), _forced(self.job))
        if backup is None:
            return self._rebuild(None)
        with self.around.catalogue.using(backup):
            self._verify(backup)
            return self._rebuild(backup)

    def _rebuild(self, backup: Backup | None) -> dict[str, object]:
        began = time.monotonic()
        self.course.step(f"asking the monitor to hold {self.name}")
        self.around.wish(CommandKind.HOLD, self.server, self.job.user, reason=HOLD_REASON)
        place = self.around.places.find(self.server)
        try:
            position, complaints = self._fill(backup, place)
            self._follow(position)
        except BaseException:
            if not self.course.harm:
                self._give_back_untouched()
            raise
        if place is not None:
            self.course.step("removing the old data")
            place.forget_old()
        result: dict[str, object] = {
            "method": self.method.value,
            "gtid": position,
            "seconds": round(time.monotonic() - began, 1),
        }
        if backup is not None:
            result["backup"] = backup.id
        if complaints:
            result["accounts_not_taken_over"] = complaints
        return result

    def _verify(self, backup: Backup) -> None:
        """Nothing may be destroyed for a backup that is damaged, or from which replication cannot go on."""
        path = self.around.catalogue.file(backup)
        self.course.step(f"checking the backup {backup.id}", backup.size)
        found = mydumper.digest(self.course, path) if path.is_dir() else archive.digest(self.course, path)
        if found != backup.checksum:
            raise JobFailed(
                f"The backup {backup.id} is damaged: its checksum is not the one it was written with. Nothing was "
                "changed; choose another backup, or reseed from the writer"
            )
        require_restorable(backup, path)
        with session(self.around.account(writer_of(self.around))) as at:
            kept = oldest_kept(at)
            gap = missing(backup.gtid, kept)
            other = foreign(backup.gtid, at.value("@@gtid_current_pos"), at.value("@@gtid_binlog_state"), kept)
        if gap:
            raise JobFailed(
                f"The backup {backup.id} is too old: the writer's binary logs no longer hold {gap}. Nothing was "
                "changed; make a new backup, or reseed from the writer"
            )
        if other:
            raise JobFailed(
                f"The backup {backup.id} is of another history: the writer never had {other}. Nothing was changed; choose "
                "another backup, or reseed from the writer"
            )

    def _fill(self, backup: Backup | None, place: Place | None) -> tuple[str, list[str]]:
        """Give the server its data; returns their position, and what it did not accept."""
        if self.method.physical:
            assert place is not None
            return self._lay_out(backup, place), []
        accounts = fetch_accounts(self.course, self.around.account(writer_of(self.around))) if backup is None else None
        self._bring_up(place)
        self.course.step(f"emptying {self.name}")
        self._destroys()
        account = self.around.account(self.server)
        with interruptible(self.course, account, 3600.0) as at:
            empty(at)
        if backup is None:
            assert accounts is not None
            position, complaints = self._pour(accounts)
        else:
            compression = named(backup.compression)
            path = self.around.catalogue.file(backup)
            complaints = logical.load_accounts(self.course, account, path.with_name(logical.ACCOUNTS))
            if path.is_dir():
                mydumper.load(self.course, account, path, self.around.cluster.backups.load_threads)
            else:
                logical.load(self.course, account, compression, path)
            position = backup.gtid
        with interruptible(self.course, account, 600.0) as at:
            settle(at, position)
        return position, complaints

    def _bring_up(self, place: Place | None) -> None:
        """Have a server that answers, with or without data."""
        if place is not None and not place.running:
            if not place.usable:
                self.course.step(f"making an empty server in {place.datadir}")
                self._destroys()
                place.make_empty()
            place.start()
        self._await_answer()

    def _pour(self, accounts: Path) -> tuple[str, list[str]]:
        """Stream a dump of the writer into the server."""
        course, account = self.course, self.around.account(self.server)
        source = self.around.account(writer_of(self.around))
        with session(source) as at:
            there = logical.look(at)
        wishes = logical.DumpWishes(lock_ddl=False)
        complaints = logical.load_accounts(course, account, accounts)
        inspector = DumpInspector()
        with course.programs():
            course.step(f"streaming {len(there.databases)} databases of {source.address}", there.size)
            reader = course.start(logical.command(course, source, wishes, there.databases), stdout=subprocess.PIPE)
            writer = course.start(logical.client(course, account), stdin=subprocess.PIPE)
            assert reader.process.stdout is not None
            assert writer.process.stdin is not None
            archive.relay(course, reader.process.stdout, writer.process.stdin, inspector)
            course.finish(writer, reader)
        inspector.finish()
        return completed(inspector.gtid, there.position), complaints

    def _lay_out(self, backup: Backup | None, place: Place) -> str:
        """Make the files ready beside the old ones, then let them take their place."""
        course = self.course
        place.clear()
        try:
            if backup is None:
                writer = writer_of(self.around)
                source = self.around.places.get(writer)
                position = physical.stream(course, self.around.account(writer), source, place.fresh)
            else:
                path = self.around.catalogue.file(backup)
                physical.unpack(course, named(backup.compression), path, backup.data_bytes, place.fresh)
                position = backup.gtid
            stated = physical.prepare(course, place.fresh)
            if beyond(stated, position):
                raise JobFailed(f"The files are at {stated}, not at {position} as their backup says")
            undone = physical.resolve(course, place.fresh)
            course.step(f"stopping {self.name}")
            self._destroys()
            place.stop()
            place.take_fresh()
        finally:
            place.clear()
        course.step(f"starting {self.name} on its new data")
        place.start()
        self._await_answer()
        with interruptible(course, self.around.account(self.server), 600.0) as at:
            # Files of a replica hold the position up to which it had applied; those of a writer an old one.
            files = at.value("@@gtid_slave_pos")
            if more := beyond(files, position):
                raise JobFailed(f"The files hold {more}, which is more than {position}, as they should")
            if undone and (less := beyond(position, files)):
                raise JobFailed(f"The files were copied amid {undone} commits and lack {less}; use another backup")
            settle(at, position)
        return position

    def _destroys(self) -> None:
        """From here on the server is broken until the job ends well.  Raises JobFailed when that must not be."""
        self.course.check()
        if not self.course.harm:
            require_spare(self.around, self.server)
        self.course.harm = f"{self.name} is not complete and stays held: no traffic, no repair. Reseed it again; that ends the hold, too"

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _ANSWERS_SECONDS
        while True:
            try:
                with session(self.around.account(self.server)) as at:
                    at.value("1")
                return
            except JobFailed as reason:
                self.course.check()
                if time.monotonic() > deadline:
                    raise JobFailed(f"{self.name} does not answer after {_ANSWERS_SECONDS:.0f} s: {reason}") from reason
            self.course.wait(_POLL)

    def _follow(self, position: str) -> None:
        """Let the monitor make it follow, and wait until it has caught up."""
        course = self.course
        course.step(f"asking the monitor to let {self.name} follow")
        self._give_back()
        course.harm = f"{self.name} has its data (up to {position}); the monitor makes it follow"
        writer = writer_of(self.around)
        with session(self.around.account(writer)) as at:
            aim = at.value("@@gtid_binlog_pos")
        course.step(
            f"waiting until {self.name} follows {self.around.label(writer)} and has {aim}", stall=_CATCH_UP_SECONDS
        )
        follows_by = time.monotonic() + _FOLLOWS_SECONDS
        asked = False
        while True:
            with session(self.around.account(self.server)) as at:
                links = at.records("SHOW ALL SLAVES STATUS")
                here = at.value("@@gtid_slave_pos")
            runs = bool(links) and all(
                link["Slave_IO_Running"] == "Yes" and link["Slave_SQL_Running"] == "Yes" for link in links
            )
            if runs and not beyond(aim, here):
                break
            told = [str(link[key]) for link in links for key in ("Last_SQL_Error", "Last_IO_Error") if link[key]]
            if told and any(link["Slave_SQL_Running"] == "No" for link in links):
                raise JobFailed(f"{self.name} was rebuilt at {position} and does not replicate: {told[0]}")
            if not runs and time.monotonic() > follows_by:
                if asked:
                    why = told[0] if told else "the monitor has not made it follow"
                    raise JobFailed(f"{self.name} was rebuilt at {position} and does not replicate: {why}")
                # Servers are not made to follow by themselves here (autorejoin); an operator's word does it.
                self.around.wish(CommandKind.START_REPLICATION, self.server, self.job.user)
                asked, follows_by = True, time.monotonic() + _FOLLOWS_SECONDS
            course.wait(_POLL)
        course.harm = ""

    def _give_back_untouched(self) -> None:
        """Its data are as they were; when the monitor does not answer, that is told beside why the job ends."""
        try:
            self._give_back()
        except JobFailed as refusal:
            self.course.harm = (
                f"Its data are as they were, but {self.name} is still held, for the hold could not be ended: {refusal}. "
                "End it by cancelling the reseed with release=true"
            )

    def _give_back(self) -> None:
        self.around.wish(CommandKind.HOLD, self.server, self.job.user, on=False)


def _forced(job: Job) -> bool:
    return job.arguments.get("force") == "true"


def empty(at: Session) -> None:
    """No replication, no databases but the server's own; closed.  Raises JobFailed."""
    at.run("SET GLOBAL read_only=1")
    at.run("STOP ALL SLAVES")
    for link in at.records("SHOW ALL SLAVES STATUS"):
        at.run(f"RESET SLAVE '{link['Connection_name']}' ALL")
    at.run("SET GLOBAL rpl_semi_sync_master_enabled=0")
    logical.clear(at)


def settle(at: Session, position: str) -> None:
    """Say where the data stand, exactly, and that this server has written nothing itself.  Raises JobFailed."""
    at.run("SET GLOBAL read_only=1")
    # Events of the writer must not run on its replica; without a word on it, the definer would become ourselves.
    for schema, event, definer in at.rows(
        "SELECT event_schema, event_name, definer FROM information_schema.events WHERE status = 'ENABLED'"
    ):
        user, _, host = str(definer).rpartition("@")
        at.run(
            f"ALTER DEFINER={identifier(user)}@{identifier(host)} "
            f"EVENT {identifier(str(schema))}.{identifier(str(event))} DISABLE ON SLAVE"
        )
    at.run("RESET MASTER")
    at.run("SET GLOBAL gtid_slave_pos=%s", position)
    there = at.value("@@gtid_slave_pos")
    if MariadbGtid.parse(there) != MariadbGtid.parse(position) or at.value("@@gtid_binlog_pos"):
        raise JobFailed(f"its position reads back as {there}, not as {position}")
