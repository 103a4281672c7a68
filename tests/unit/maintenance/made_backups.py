"""Descriptions of backups, for tests."""

from __future__ import annotations

import calendar
import time

from repman.model.backup import FORMAT, Backup, BackupMethod


def backup(at: str, method: BackupMethod = BackupMethod.LOGICAL) -> Backup:
    started = float(calendar.timegm(time.strptime(at, "%Y-%m-%d %H:%M")))
    return Backup(
        format=FORMAT,
        id=f"{at}-{method}",
        cluster="shop",
        method=method,
        tool="mysqldump",
        source="db1:3306",
        started_at=started,
        ended_at=started + 60,
        file="dump.sql",
        size=1,
        data_bytes=1,
        compression="none",
        checksum="",
        gtid="0-1-1",
    )
