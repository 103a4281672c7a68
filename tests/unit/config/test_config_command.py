from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from repman.cli.config import app


@pytest.fixture
def run(configured):
    configured.cluster(default='api-credentials = "admin:pw-of-admin"\n')

    def call(command, *arguments):
        return CliRunner().invoke(app, [command, "--config", str(configured.main), *arguments])

    return call


def test_check_of_a_good_file(run):
    result = run("check")
    assert result.exit_code == 0
    assert "good; clusters: 1, servers: 3, warnings: 0" in result.stdout


def test_check_tells_all_mistakes_and_exits_2(run, configured):
    configured.cluster("failover-limit = 'x'\nfailovr-mode = 'manual'\n")
    result = run("check")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"error: {configured.main}:7: failover-limit: 'x' is not a number" in result.stderr
    assert "did you mean failover-mode?" in result.stderr


def test_check_takes_flags(run):
    assert run("check", "--set", "c1.monitoring-ticker=0").exit_code == 2


def test_check_without_any_file(monkeypatch, tmp_path):
    monkeypatch.setattr("repman.config.DEFAULT_PATHS", (tmp_path / "none.toml",))
    monkeypatch.delenv("REPMAN_CONFIG", raising=False)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 2
    assert "there is no configuration file" in result.stderr


def test_show_says_where_values_come_from(run, configured):
    result = run("show", "--origin", "--set", "c1.monitoring-ticker=0.25")
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if " monitoring-ticker " in line]
    assert "0.25" in line
    assert "--set c1.monitoring-ticker" in line
    assert f"{configured.main}:6" in result.stdout


def test_show_as_json(run):
    document = json.loads(run("show", "--json", "--origin").stdout)
    assert document["service"]["http-port"] == {"value": 10001, "origin": "default"}
    assert document["clusters"]["c1"]["db-servers-hosts"]["value"] == "db1,db2,db3"
    plain = json.loads(run("show", "--json", "--cluster", "c1").stdout)
    assert plain["clusters"]["c1"]["failover-mode"] == "automatic"
    assert "service" not in plain


@pytest.mark.parametrize("arguments", [["show"], ["show", "--json", "--origin"], ["check"]])
def test_secrets_are_never_printed(run, arguments):
    result = run(*arguments)
    assert "pw-of" not in result.output
    assert ("*:*" in result.output) == (arguments[0] == "show")


def test_show_of_an_unknown_cluster(run):
    result = run("show", "--cluster", "c9")
    assert result.exit_code == 2
    assert "there is no cluster c9; configured: c1" in result.stderr


def test_show_works_with_mistakes_and_exits_2(run, configured):
    configured.cluster("failover-limit = 'x'\n")
    result = run("show")
    assert result.exit_code == 2
    assert "failover-limit" in result.stdout
    assert "is not a number" in result.stderr
