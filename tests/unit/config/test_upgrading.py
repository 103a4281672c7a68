"""Files of replication-manager load, and are told line by line what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from repman.cli.config import app
from repman.config import load
from repman.config.upgrading import Fate, upgrade_report

SAMPLES = Path(__file__).parent / "samples"


def fates(name):
    report = upgrade_report(SAMPLES / name, {})
    return {(line.cluster, line.written): line.fate for line in report.lines}


def test_several_clusters_with_a_directory_of_their_own_load():
    settings, warnings = load(SAMPLES / "several.toml", (), {})
    shop, stock = settings.clusters
    assert (shop.policy.name, len(shop.policy.servers), shop.policy.automatic_failover) == ("shop", 3, True)
    assert (stock.policy.name, len(stock.policy.servers), stock.policy.automatic_failover) == ("stock", 2, False)
    assert settings.service.http_port == 10001
    assert [haproxy.write_port for haproxy in shop.haproxies] == [3306]
    assert {account.user for account in settings.service.api_users} == {"admin", "dba"}
    assert any("haproxy-binary-path is known to replication-manager" in warning for warning in warnings)


def test_names_of_the_first_releases_load():
    settings, _ = load(SAMPLES / "old-names.toml", (), {})
    policy = settings.clusters[0].policy
    assert (policy.automatic_failover, policy.max_lag, policy.multi_tier) == (False, 20.0, False)
    assert [server.electable for server in policy.servers] == [True, False]
    assert policy.servers[0].preferred == 0
    assert settings.clusters[0].database.user == "root"
    assert settings.service.datadir == Path("/var/lib/replication-manager")


def test_each_line_is_told():
    told = fates("several.toml")
    assert told["", "failover-limit"] is Fate.USED
    assert told["", "failover-falsepositive-ping-counter"] is Fate.INERT
    assert told["", "mail-smtp-addr"] is Fate.IGNORED
    assert told["shop", "db-servers-hosts"] is Fate.USED
    assert told["stock", "log-level"] is Fate.IGNORED, "it is one for the whole installation"
    assert Fate.UNKNOWN not in told.values()
    assert set(fates("old-names.toml").values()) <= {Fate.USED, Fate.INERT, Fate.IGNORED}


def test_a_line_that_nobody_knows_is_told_with_what_it_may_mean(configured):
    configured.cluster("failovr-mode = 'manual'\n")
    report = upgrade_report(configured.main, {})
    (line,) = report.of(Fate.UNKNOWN)
    assert (line.written, line.cluster) == ("failovr-mode", "c1")
    assert line.where.endswith("main.toml:7")
    assert "did you mean failover-mode?" in line.remark
    assert len(report.mistakes) == 1


def test_defaults_that_differ_are_told_unless_they_are_given():
    differing = {difference.option for difference in upgrade_report(SAMPLES / "several.toml", {}).differences}
    assert "failover-semisync-state" in differing
    assert "failover-mode" not in differing


@pytest.mark.parametrize("name", ["several.toml", "old-names.toml"])
def test_the_command_shows_no_secret(name):
    for form in ([], ["--json"]):
        result = CliRunner().invoke(app, ["upgrade-report", str(SAMPLES / name), *form])
        assert result.exit_code == 0, result.stderr
        assert "of-r" not in result.output
        assert "of-the-admin" not in result.output


def test_the_command_tells_and_exits_2_when_repman_would_not_start(configured):
    configured.cluster("failovr-mode = 'manual'\nhosts = 'db1'\n")
    result = CliRunner().invoke(app, ["upgrade-report", str(configured.main)])
    assert result.exit_code == 2
    assert "unknown: 1\n  c1.failovr-mode" in result.stdout
    assert "c1.hosts: is called db-servers-hosts now" in result.stdout
    assert "did you mean failover-mode?" in result.stderr
    document = json.loads(CliRunner().invoke(app, ["upgrade-report", str(configured.main), "--json"]).stdout)
    assert {line["fate"] for line in document["lines"]} == {"used", "unknown"}
