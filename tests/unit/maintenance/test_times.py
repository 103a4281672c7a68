"""When tasks run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from repman.config.options_backup import BACKUP_OPTIONS
from repman.maintenance.schedule import trigger
from repman.model.cron import parse_cron


def times(text: str, count: int = 3, since: str = "2026-11-20 00:00:00") -> list[str]:
    """The next times, Friday the 20th of November 2026 being today."""
    found = []
    made = trigger(text)
    now = datetime.fromisoformat(since).replace(tzinfo=UTC)
    last = None
    for _ in range(count):
        last = made.get_next_fire_time(last, now)
        found.append(last.strftime("%a %Y-%m-%d %H:%M:%S"))
        now = last + timedelta(microseconds=1)
    return found


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def test_weekdays_begin_with_sunday():
    assert times("0 0 1 * * 6", 1) == ["Sat 2026-11-21 01:00:00"]
    assert (
        times("0 0 1 * * 0", 1) == times("0 0 1 * * 7", 1) == times("0 0 1 * * sun", 1) == ["Sun 2026-11-22 01:00:00"]
    )
    assert [each[:3] for each in times("0 0 0 * * 0-4", 6)] == ["Sun", "Mon", "Tue", "Wed", "Thu", "Sun"]


def test_steps_and_seconds():
    assert [each[-8:] for each in times("0 0/10 * * * *", 3, "2026-11-20 00:05:00")] == [
        "00:10:00",
        "00:20:00",
        "00:30:00",
    ]
    assert [each[-8:] for each in times("*/20 * * * * *")] == ["00:00:00", "00:00:20", "00:00:40"]
    assert [each[-8:] for each in times("5,7 30 11 * * *")] == ["11:30:05", "11:30:07", "11:30:05"]


def test_either_day_fits_when_both_are_bounded():
    assert times("0 0 3 1 * 5", 3, "2026-11-20 04:00:00") == [
        "Fri 2026-11-27 03:00:00",
        "Tue 2026-12-01 03:00:00",
        "Fri 2026-12-04 03:00:00",
    ]
    assert times("0 0 3 1 jan,mar *", 2) == ["Fri 2027-01-01 03:00:00", "Mon 2027-03-01 03:00:00"]


@pytest.mark.parametrize(
    "option", [each for each in BACKUP_OPTIONS if each.name.endswith("-cron")], ids=lambda each: each.name
)
def test_every_default_can_be_read(option):
    assert times(str(option.default), 1)


@pytest.mark.parametrize(
    "text",
    ["", "* * * * *", "60 * * * * *", "* * 24 * * *", "* * * 0 * *", "* * * * 13 *", "* * * * * 8", "5-1 * * * * *",
     "*/0 * * * * *", "a * * * * *", "1,,2 * * * * *", "-1 * * * * *", "* * * * mon *", "1/ * * * * *"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match=r"field|cannot be read|not between"):
        parse_cron(text)
