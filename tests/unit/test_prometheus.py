"""What Prometheus and Grafana are given: well-formed, explained, and of names that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from repman.config.settings_link import LinkSettings
from repman.model.decision import ServerState
from repman.model.link import LinkSide, LinkView
from repman.model.plan import PlanKind
from repman.model.problem import Problem, Refusal, Severity
from repman.model.snapshot import Snapshot
from repman.state.links import FORMAT as LINK_FORMAT
from repman.state.tally import BOUNDS, Counted, Durations
from repman.web.render.exposition import Known, render_exposition
from tests.web import shop

ROOT = Path(__file__).parents[2]
RULES = ROOT / "etc" / "prometheus" / "rules.yaml"
CASES = Path(__file__).with_name("prometheus_rules.yaml")
DASHBOARD = ROOT / "etc" / "grafana" / "repman.json"
PAGE = (ROOT / "docs" / "metrics.md").read_text()
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian package prometheus)")
NAME = re.compile(r"\brepman_[a-z_]+")


def promtool(*words: str, given: bytes = b"") -> str:
    """Its words; fails when it complains about anything."""
    done = subprocess.run([PROMTOOL or "", *words], input=given, capture_output=True, timeout=30, check=False)
    told = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, told
    return told


def troubled() -> Snapshot:
    """A snapshot in which every kind of sample has something to tell."""
    return replace(
        shop.snapshot(),
        problems=(Problem("late", Severity.WARNING, "db2 is late", "127.0.0.1:3302"),),
        blocked_by=(Refusal("no-acker", "nobody acknowledges"), Refusal("no-acker", "nor here")),
    )


@cache
def everything() -> bytes:
    side = LinkSide("a", "127.0.0.1:27017")
    link = LinkView(LINK_FORMAT, "orders", time.time(), time.monotonic(), 1, "percona", "", side, side, "running")
    link = replace(link, lag_seconds=3, oplog_seconds_left=10.0)
    counted = Counted(
        {("shop", PlanKind.FAILOVER, "done"): 2},
        {("shop", "fence", "done"): 2},
        {("shop", "all"): Durations((*(0 for _ in BOUNDS[1:]), 1, 1), 90.0), ("gone", "all"): Durations((), 0.0)},
    )
    return render_exposition(
        Known(
            [(troubled(), 0.4)],
            [(LinkSettings("orders", "mongodb://a", "mongodb://b"), link, 0.1)],
            counted,
            {("shop", "physical"): 1.7e9},
            1.8e9,
            1.75e9,
        )
    )


def families(page: bytes) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(page.decode())}


@cache
def exposed() -> dict[str, str]:
    """The names as they are scraped, with their types."""
    return {
        f"{name}_total" if family.type == "counter" else name: family.type
        for name, family in families(everything()).items()
    }


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def used(expression: str) -> set[str]:
    known = exposed()
    found = set()
    for name in NAME.findall(expression):
        bare = re.sub(r"_(bucket|sum|count)$", "", name)
        found.add(bare if known.get(bare) == "histogram" else name)
    return found


def test_every_metric_is_explained_and_of_that_type() -> None:
    rows = re.findall(r"^\| `(repman_\w+)` \| (\w+) \| ([^|]*)\|", PAGE, re.M)
    assert {name: kind for name, kind, _ in rows} == exposed()
    page = families(everything())
    for name, _, labels in rows:
        family = page[name.removesuffix("_total")]
        told = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert told == set(filter(None, labels.strip().split(", "))), name


def test_values_come_from_what_was_seen() -> None:
    page = everything().decode().splitlines()
    for line in (
        'repman_cluster_failover_blocked{cluster="shop",reason="no-acker"} 1.0',
        'repman_cluster_problem{cluster="shop",code="late",server="127.0.0.1:3302",severity="warning"} 1.0',
        'repman_server_role{cluster="shop",repman_server_role="primary",server="127.0.0.1:3301"} 1.0',
        'repman_server_role{cluster="shop",repman_server_role="replica",server="127.0.0.1:3302"} 1.0',
        'repman_server_role{cluster="shop",repman_server_role="primary",server="127.0.0.1:3302"} 0.0',
        'repman_server_read_only{cluster="shop",server="127.0.0.1:3301"} 0.0',
        'repman_semisync_ackers{cluster="shop"} 2.0',
        'repman_semisync_required{cluster="shop"} 1.0',
        'repman_failovers_total{cluster="shop",result="done"} 2.0',
        'repman_failovers_total{cluster="shop",result="failed"} 0.0',
        'repman_failover_duration_seconds_bucket{cluster="shop",le="60.0",phase="all"} 1.0',
        'repman_failover_duration_seconds_bucket{cluster="shop",le="+Inf",phase="all"} 2.0',
        'repman_failover_duration_seconds_sum{cluster="shop",phase="all"} 90.0',
        'repman_transfer_lag_seconds{stream="orders"} 3.0',
        "repman_certificate_expiry_timestamp_seconds 1.8e+09",
    ):
        assert line in page
    assert not any('cluster="gone"' in line for line in page)


def test_each_server_has_one_role_and_one_state() -> None:
    for name in ("repman_server_role", "repman_server_state"):
        ones: dict[str, float] = {}
        for sample in families(everything())[name].samples:
            ones[sample.labels["server"]] = ones.get(sample.labels["server"], 0) + sample.value
        assert set(ones.values()) == {1.0}


def test_what_was_not_observed_is_left_out() -> None:
    silent = replace(shop.server_view(2), seen=replace(shop.server_seen(2), read_only=None, links=()))
    silent = replace(silent, state=ServerState.FAILED)
    page = render_exposition(Known([(replace(shop.snapshot(), servers=(silent,)), 1.0)])).decode()
    assert "repman_server_read_only{" not in page
    assert "repman_replication_lag_seconds{" not in page
    assert "repman_failovers_total" not in page
    assert "repman_certificate_expiry_timestamp_seconds 1" not in page
    assert 'repman_server_role="unknown",server="127.0.0.1:3302"} 1.0' in page
    never = replace(shop.snapshot(), generation=0)
    assert 'cluster="shop"' not in render_exposition(Known([(never, float("inf"))])).decode()


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_metrics() -> None:
    assert promtool("check", "metrics", given=everything()) == ""


@needs_promtool
def test_promtool_would_find_something() -> None:
    with pytest.raises(AssertionError, match="help"):
        promtool("check", "metrics", given=b"# TYPE repman_x_total counter\nrepman_x_total 1\n")


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules(tmp_path: Path) -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", str(RULES))
    config = (ROOT / "etc" / "prometheus" / "prometheus.yaml").read_text()
    (tmp_path / "prometheus.yaml").write_text(config.replace("/etc/prometheus/repman-rules.yaml", str(RULES)))
    promtool("check", "config", str(tmp_path / "prometheus.yaml"))


@needs_promtool
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    rules = yaml.safe_load(RULES.read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        del rule["annotations"]  # promtool would want their whole text in each case
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    (tmp_path / "cases.yaml").write_text(CASES.read_text().replace("RULES", str(tmp_path / "rules.yaml")))
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "cases.yaml"))


def test_every_alert_has_a_case_of_firing_and_one_of_silence() -> None:
    checks = [check for case in yaml.safe_load(CASES.read_text())["tests"] for check in case["alert_rule_test"]]
    names = {rule["alert"] for rule in alerts()}
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == names
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == names


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_reads_metrics_that_exist_and_is_explained(rule: dict[str, Any]) -> None:
    assert used(rule["expr"]) <= set(exposed())
    assert f"### {rule['alert']}\n" in PAGE
    assert rule["annotations"]["runbook"] == f"docs/metrics.md#{rule['alert'].lower()}"
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
    assert rule["labels"]["severity"] in ("info", "warning", "critical")


def test_the_dashboard_reads_metrics_that_exist() -> None:
    board = json.loads(DASHBOARD.read_text())
    shown = [panel for panel in board["panels"] if panel["type"] != "row"]
    expressions = [target["expr"] for panel in shown for target in panel["targets"]]
    assert set().union(*(used(each) for each in expressions)) <= set(exposed())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in shown:
        assert panel["description"].endswith(".")
        assert panel["targets"]
    cells = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)), "panels lie on each other"
    assert max(x for x, _ in cells) < 24


@needs_promtool
def test_prometheus_can_read_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    board = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    expressions += [note["expr"] for note in board["annotations"]["list"]]
    rules = [{"record": f"board:{number}", "expr": each} for number, each in enumerate(expressions)]
    page = tmp_path / "board.yaml"
    page.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    promtool("check", "rules", str(page))
