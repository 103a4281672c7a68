"""Which backups stay."""

from __future__ import annotations

from made_backups import backup

from repman.maintenance.retention import Retention, outdated
from repman.model.backup import Backup, BackupMethod

NONE = Retention(0, 0, 0, 0, 0)


def kept(backups: list[Backup], rules: Retention) -> list[str]:
    gone = {each.id for each in outdated(backups, rules)}
    return [each.id.rpartition("-")[0] for each in backups if each.id not in gone]


def test_the_latest_of_each_method_stays_without_any_rule():
    old, new = backup("2026-01-01 01:00"), backup("2026-01-02 01:00")
    copy = backup("2025-01-01 01:00", BackupMethod.PHYSICAL)
    assert outdated([new, copy, old], NONE) == (old,)


def test_of_each_period_the_latest_stays():
    days = [backup(f"2026-03-{day:02} {hour:02}:00") for day in (1, 2, 3) for hour in (1, 13)]
    assert kept(days, Retention(0, 2, 0, 0, 0)) == ["2026-03-02 13:00", "2026-03-03 13:00"]
    assert kept(days, Retention(3, 0, 0, 0, 0)) == ["2026-03-02 13:00", "2026-03-03 01:00", "2026-03-03 13:00"]


def test_periods_without_a_backup_do_not_count():
    rare = [backup("2024-05-05 01:00"), backup("2025-05-05 01:00"), backup("2026-05-05 01:00")]
    assert kept(rare, Retention(0, 3, 0, 0, 0)) == [each.id.rpartition("-")[0] for each in rare]
    assert kept(rare, Retention(0, 0, 0, 0, 2)) == ["2025-05-05 01:00", "2026-05-05 01:00"]


def test_weeks_and_months_by_the_default_rules():
    daily = [backup(f"2026-{month:02}-{day:02} 01:00") for month in (1, 2) for day in range(1, 29)]
    # The 28th of February is a Saturday; weeks end on Sundays.
    assert kept(daily, Retention()) == [
        "2026-01-28 01:00",
        "2026-02-08 01:00",
        "2026-02-15 01:00",
        "2026-02-22 01:00",
        "2026-02-28 01:00",
    ]


def test_nothing_is_outdated_where_there_is_nothing():
    assert outdated([], Retention()) == ()


def test_the_one_just_made_stays_though_the_clock_was_set_back():
    earlier = backup("2026-03-01 15:00")
    made = backup("2026-03-01 12:00")
    assert outdated([earlier, made], Retention(), newest=made.id) == ()
    assert outdated([earlier, made], Retention(), newest=earlier.id) == (made,)
