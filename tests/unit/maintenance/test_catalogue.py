"""Backups appear whole and disappear whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_backups import backup

from repman.errors import JobFailed
from repman.maintenance.catalogue import Catalogue
from repman.model.backup import Backup, BackupMethod


def made(catalogue: Catalogue, job: str) -> Backup:
    name, partial = catalogue.begin("shop", "logical", job)
    (partial / "dump.sql").write_text("x")
    assert catalogue.reader.get("shop", name) is None
    found = replace(backup("2026-01-01 01:00"), id=name)
    catalogue.publish(partial, found)
    return found


def test_a_backup_is_listed_when_it_is_whole(tmp_path: Path):
    catalogue = Catalogue(tmp_path)
    assert catalogue.reader.backups("shop") == ()
    one, two = made(catalogue, "aaaaaa"), made(catalogue, "bbbbbb")
    assert catalogue.reader.backups("shop") == (one, two)
    assert catalogue.reader.backups("other") == ()
    assert catalogue.reader.latest("shop", BackupMethod.LOGICAL) == two
    assert catalogue.reader.latest("shop", BackupMethod.PHYSICAL) is None
    assert catalogue.file(one).read_text() == "x"
    assert catalogue.remove(one)
    assert catalogue.reader.backups("shop") == (two,)


def test_what_a_dead_worker_left_is_removed(tmp_path: Path):
    catalogue = Catalogue(tmp_path)
    whole = made(catalogue, "aaaaaa")
    _, partial = catalogue.begin("shop", "physical", "cccccc")
    (partial / "backup.mbstream").write_text("half")
    assert catalogue.drop_partials() == 1
    assert not partial.exists()
    assert catalogue.reader.backups("shop") == (whole,)


def test_a_backup_in_use_stays(tmp_path: Path):
    catalogue = Catalogue(tmp_path)
    one = made(catalogue, "aaaaaa")
    with catalogue.using(one):
        assert not catalogue.remove(one)
    assert catalogue.remove(one)
    with pytest.raises(JobFailed, match="is gone"), catalogue.using(one):
        pass


def test_a_description_that_cannot_be_read_is_not_listed(tmp_path: Path):
    catalogue = Catalogue(tmp_path)
    one = made(catalogue, "aaaaaa")
    (tmp_path / "backups" / "shop" / one.id / "backup.json").write_text("{}")
    assert Catalogue(tmp_path).reader.backups("shop") == ()
