"""`/metrics` gathers what is there, and leaves out what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from repman.model.backup import FORMAT, Backup, BackupMethod
from repman.model.plan import Plan, PlanKind
from repman.model.probe import probe_table
from repman.state.backups import DESCRIPTION, place_of
from repman.state.codec import encode
from repman.state.journal import Journal
from repman.state.snapshots import Publisher
from repman.web.app import create_app
from repman.web.certificate import tls_context

from . import shop
from .conftest import Installation


def test_without_a_journal_the_rest_is_told(installation: Installation) -> None:
    answer = installation.client().get("/metrics")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'repman_cluster_protected{cluster="shop"} 1.0' in answer.text
    assert "repman_failovers_total" not in answer.text
    assert "repman_certificate_expiry_timestamp_seconds 1" not in answer.text


def test_journal_backups_and_certificate_are_told(tmp_path: Path) -> None:
    settings = shop.settings(tmp_path, api_server=True)
    service = settings.service
    service.datadir.mkdir(parents=True)
    tls_context(service)
    journal = Journal(service.journal_url)
    journal.close_plan(journal.open_plan(Plan(PlanKind.FAILOVER, "shop", (), "dead"), "e", 1.7e9), "done", "")
    journal.close()
    for number, ended in (("1", 1.6e9), ("2", 1.7e9)):
        made = Backup(FORMAT, number, "shop", BackupMethod.LOGICAL, "", "", 0.0, ended, "", 1, 1, "none", "", "")
        (place_of(service.datadir, "shop") / number).mkdir(parents=True)
        (place_of(service.datadir, "shop") / number / DESCRIPTION).write_bytes(encode(made))

    Publisher(service.rundir).publish(shop.snapshot(), probe_table(shop.snapshot(), "keep", 60.0))
    app = create_app(replace(settings, read_at=1_750_000_000_000_000_000))
    told = app.test_client().get("/metrics").text.splitlines()
    assert 'repman_failovers_total{cluster="shop",result="done"} 1.0' in told
    assert f'repman_backup_success_timestamp_seconds{{cluster="shop",method="{BackupMethod.LOGICAL}"}} 1.7e+09' in told
    assert "repman_config_reload_success_timestamp_seconds 1.75e+09" in told
    (expiry,) = [line for line in told if line.startswith("repman_certificate_expiry_timestamp_seconds ")]
    assert float(expiry.split()[1]) > 2e9
    house = app.extensions["repman"]
    for store in (house.history, house.audit, house.directory.store):
        store.close()
