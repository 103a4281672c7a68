"""``repman ctl`` against the real application, over HTTP."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from repman.cli.screens import tree
from repman.cli.tokens import token_file
from repman.model.command import Command, CommandKind, Receipt
from repman.model.decision import Decision, Routes
from repman.model.memory import Memory
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.problem import Refusal
from repman.monitor.receipts import preview

from . import shop
from .conftest import Ctl, Installation, Monitor


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_status_of_a_healthy_cluster(ctl: Ctl, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("status") == 0
    told = capsys.readouterr().out
    for part in ("shop", "writer db1", "protected", "db3 is late.", "proxy front", "switchover done"):
        assert part in told
    assert "\x1b" not in told


def test_status_says_why_nobody_may_take_over(
    ctl: Ctl, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.publish(shop.unprotected())
    assert ctl("status") == 0
    told = capsys.readouterr().out
    for part in ("NOT PROTECTED", "No server can become the writer.", "no-candidate", "db1 is dead."):
        assert part in told


def test_topology_is_a_tree_with_the_facts_of_each_server(ctl: Ctl, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("topology") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if " 127.0.0.1:330" in line and "proxy" not in line]
    rows = [line for line in rows if not line.startswith("shop")]
    assert [row.split()[0] for row in rows] == ["db1", "├─", "└─"]
    for part in ("Master", "writable", "0-1-99", "waits, 2 acknowledging", "write"):
        assert part in rows[0]
    for part in ("Slave", "read-only", "0-1-98", "0 s", "acknowledges", "read"):
        assert part in rows[1]


def test_a_ring_of_servers_is_shown_once_each() -> None:
    ring = []
    for number, source in ((1, 2), (2, 1), (3, 1)):
        view = shop.server_view(number)
        link = shop.server_view(2).seen.links[0]
        seen = replace(view.seen, links=(replace(link, source=f"127.0.0.1:330{source}"),))
        ring.append(replace(view, seen=seen))
    names = [view.policy.name for _, view in tree(shop.snapshot(servers=tuple(ring)))]
    assert sorted(names) == ["db1", "db2", "db3"]


@pytest.mark.parametrize("command", [("status",), ("topology",)])
def test_json_is_the_published_document(ctl: Ctl, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(*command, "--cluster", "shop", "--json") == 0
    document = printed(capsys)
    assert document["cluster"] == "shop"
    assert len(document["servers"]) == 3


def test_events(ctl: Ctl, installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("events", "--json", "--limit", "1") == 0
    assert isinstance(printed(capsys), list)
    assert ctl("events") == 0


def test_switchover_sends_the_wish_and_shows_the_end(
    ctl: Ctl, monitor: Monitor, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor.receipt = Receipt("done", "db2 is the writer.", plan="plan-1", new_writer="127.0.0.1:3302")
    assert ctl("switchover", "--to", "db2") == 0
    told = capsys.readouterr().out
    assert "db2 is the writer." in told
    assert "promote db1" in told
    (command,) = monitor.commands
    assert (command.kind, command.server, command.user) == (CommandKind.SWITCHOVER, "127.0.0.1:3302", "admin")


def test_failover_and_bootstrap_pass_their_flags(ctl: Ctl, monitor: Monitor) -> None:
    assert ctl("failover", "--force") == 0
    assert ctl("bootstrap", "--clean") == 0
    assert ctl("bootstrap") == 0
    assert [(each.kind, each.force, each.clean) for each in monitor.commands] == [
        (CommandKind.FAILOVER, True, False),
        (CommandKind.BOOTSTRAP, False, True),
        (CommandKind.BOOTSTRAP, False, False),
    ]


REFUSAL = Receipt("refused", "No.", (("late", "db2 is late."), ("filters", "db3 filters.")))


def test_every_reason_of_a_refusal_is_listed(ctl: Ctl, monitor: Monitor, capsys: pytest.CaptureFixture[str]) -> None:
    monitor.receipt = REFUSAL
    assert ctl("switchover") == 3
    told = capsys.readouterr().out
    assert "- db2 is late.  [late]" in told
    assert "- db3 filters.  [filters]" in told


def test_a_refusal_as_json(ctl: Ctl, monitor: Monitor, capsys: pytest.CaptureFixture[str]) -> None:
    monitor.receipt = REFUSAL
    assert ctl("failover", "--json") == 3
    assert [reason["code"] for reason in printed(capsys)["reasons"]] == ["late", "filters"]


def test_a_plan_that_failed_is_exit_code_1(ctl: Ctl, monitor: Monitor, capsys: pytest.CaptureFixture[str]) -> None:
    monitor.receipt = Receipt("failed", "The step fence failed: db1 kept a session.")
    assert ctl("switchover") == 1
    assert "db1 kept a session" in capsys.readouterr().err


POLICY = shop.cluster_settings("shop").policy


def decision(plan: Plan | None, refusals: tuple[Refusal, ...] = ()) -> Decision:
    return Decision(Memory("shop"), shop.WRITER, True, (), (), (), Routes(), "master-slave", plan, refusals)


def test_plan_preview(ctl: Ctl, monitor: Monitor, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(command: Command) -> Receipt:
        assert (command.kind, command.preview_of) == (CommandKind.PREVIEW, "switchover")
        plan = Plan(
            PlanKind.SWITCHOVER,
            "shop",
            (Step(StepKind.FENCE, "db1:1"), Step(StepKind.FOLLOW, "db1:1", "db2:1", essential=False)),
            "db2 takes over.",
            new_writer=shop.server_policy(2).address,
            undo=(Step(StepKind.OPEN, "db1:1"),),
        )
        return Receipt("preview", "nothing was changed", preview=preview(POLICY, decision(plan)))

    monitor.receipt = answer
    assert ctl("plan", "switchover", "--to", "db2") == 0
    told = capsys.readouterr().out
    for part in ("db2 takes over.", "new writer: db2 (", "1. fence db1:1", "2. follow db1:1 <- db2:1", "1. open db1:1"):
        assert part in told


def test_a_plan_that_would_be_refused_is_exit_code_3(
    ctl: Ctl, monitor: Monitor, capsys: pytest.CaptureFixture[str]
) -> None:
    refusals = (Refusal("late", "db2 is late."),)
    monitor.receipt = Receipt("preview", "nothing was changed", preview=preview(POLICY, decision(None, refusals)))
    assert ctl("plan", "failover") == 3
    assert "db2 is late." in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [False, True])
def test_watch_tells_each_change_and_ends_on_ctrl_c(ctl: Ctl, installation: Installation, as_json: bool) -> None:
    argv = [sys.executable, "-m", "repman", "ctl", "watch", "--every", "0.05", *(["--json"] if as_json else [])]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            installation.publish(shop.unprotected())
            if not as_json:
                assert "protected=yes" in first
                assert "protected=no" in process.stdout.readline()
            else:
                assert first == "{\n"
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_wrong_password_is_exit_code_5(ctl: Ctl, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("status", "--password", "wrong") == 5
    assert "does not accept the user 'admin'" in capsys.readouterr().err


def test_a_missing_grant_is_named(ctl: Ctl, monitor: Monitor, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("switchover", "--cluster", "shop", "--user", "guest", "--password", shop.GUEST.password) == 5
    assert "cluster-switchover" in capsys.readouterr().err
    assert monitor.commands == []


def test_no_monitor_is_exit_code_4(ctl: Ctl) -> None:
    assert ctl("switchover") == 4


def test_no_api_is_exit_code_4(ctl: Ctl, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("status", "--url", "http://127.0.0.1:9") == 4
    assert "no API at http://127.0.0.1:9" in capsys.readouterr().err


def test_an_unknown_cluster_is_exit_code_2(ctl: Ctl) -> None:
    assert ctl("topology", "--cluster", "nowhere") == 2


@pytest.mark.parametrize("words", [("switchover", "--to", "db9"), ("bootstrap", "--topology", "ring")])
def test_what_does_not_exist_is_exit_code_2(ctl: Ctl, words: tuple[str, ...]) -> None:
    assert ctl(*words, "--cluster", "shop") == 2


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://"])
def test_an_url_that_is_none_is_exit_code_2(ctl: Ctl, url: str) -> None:
    assert ctl("status", "--url", url) == 2


def test_login_keeps_a_token_that_later_commands_use(
    ctl: Ctl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ctl("login") == 0
    assert token_file().stat().st_mode & 0o777 == 0o600
    monkeypatch.delenv("REPMAN_USER")
    monkeypatch.delenv("REPMAN_PASSWORD")
    assert ctl("topology", "--cluster", "shop") == 0
    token_file().unlink()
    capsys.readouterr()
    assert ctl("topology", "--cluster", "shop") == 5
    assert "repman ctl login" in capsys.readouterr().err


def test_the_demo_is_found_in_a_directory_above(
    ctl: Ctl, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("REPMAN_URL", "REPMAN_USER", "REPMAN_PASSWORD"):
        monkeypatch.delenv(name)
    place = tmp_path / "var" / "demo"
    place.mkdir(parents=True)
    account = {"username": shop.ADMIN.user, "password": shop.ADMIN.password}
    (place / "demo.json").write_text(json.dumps({"api_url": url, "cluster": "shop", **account}))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert ctl("topology") == 0
    assert ctl("topology", "--demo", str(place)) == 0
    capsys.readouterr()
    assert ctl("topology", "--url", url) != 0, "the demo's password goes to nobody who is not asked for by its file"
