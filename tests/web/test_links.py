"""Links in the API, in the metrics and in ``repman ctl link``: published documents in, commands out to a socket."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from repman import cli
from repman.cli import link_watching
from repman.config.settings_link import LinkSettings
from repman.errors import LinkDown
from repman.model.command import Receipt
from repman.model.link import FORMAT, LinkAction, LinkCommand, LinkSide, LinkView, UnsuccessfulIndex
from repman.state.bus import link_server
from repman.state.history import History
from repman.state.links import STALE, LinkPublisher
from repman.state.snapshots import Publisher
from repman.web.app import create_app
from repman.web.shapes.links import LINK, TOLD

from . import shop
from .conftest import Installation, serving

SETTINGS = (
    LinkSettings("orders", "mongodb://u:tops3cret@a:1", "mongodb://u:tops3cret@b:2", token="tops3cret", automatic=True),
    LinkSettings("idle", "mongodb://u:tops3cret@c:1", "mongodb://d:2", dialect="mongosync", port=27182, enabled=False),
)
ACTIONS = [action.value for action in LinkAction]


def view(**changes: object) -> LinkView:
    """A link that copies, published a moment ago."""
    made = LinkView(
        FORMAT,
        "orders",
        time.time(),
        time.monotonic(),
        4711,
        "percona",
        "127.0.0.1:2242",
        LinkSide("source", "a:1", 3),
        LinkSide("target", "b:2"),
        "running",
        phase="cloning",
        lag_seconds=5,
        events_read=9,
        events_applied=7,
        total_bytes=1000,
        copied_bytes=250,
        unsuccessful=(UnsuccessfulIndex("shop.orders", "by_day", "failed", "too many"),),
        oplog_seconds_left=3600.5,
        warnings=("the oplog is short",),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


REPLICATING = {
    "phase": "replicating",
    "clone_completed": True,
    "initial_sync_completed": True,
    "copied_bytes": 1000,
}


@dataclass
class Link:
    """The process of the link: it publishes, and answers commands as the test says."""

    publisher: LinkPublisher
    receipt: Receipt = field(default_factory=lambda: Receipt("done", "The link is being paused."))
    becomes: list[LinkView] = field(default_factory=list)
    """What is published after each command."""
    commands: list[LinkCommand] = field(default_factory=list)

    def __call__(self, command: LinkCommand) -> Receipt:
        self.commands.append(command)
        if self.becomes:
            self.publisher.publish(self.becomes.pop(0))
        return self.receipt


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    settings = replace(shop.settings(tmp_path), links=SETTINGS)
    history = History(settings.service.history_url)
    made = Installation(settings, Publisher(settings.service.rundir), history, create_app(settings))
    made.publish(shop.snapshot())
    yield made
    history.close()
    house = made.app.extensions["repman"]
    for store in (house.history, house.audit, house.directory.store):
        store.close()


@pytest.fixture
def link(installation: Installation) -> Iterator[Link]:
    service = installation.settings.service
    script = Link(LinkPublisher(service.rundir, "orders"))
    script.publisher.publish(view())
    server = link_server(service.link_socket("orders"), script)
    server.start()
    yield script
    server.close()


def conforms(document: dict[str, Any], shape: Any) -> None:
    assert document.keys() == shape["properties"].keys()
    for name, schema in shape["properties"].items():
        if "enum" in schema:
            assert document[name] in schema["enum"], name


def test_links_are_listed_with_what_they_published(client: FlaskClient, admin: dict[str, str], link: Link) -> None:
    answer = client.get("/api/links", headers=admin)
    orders, idle = answer.json
    for document in (orders, idle):
        conforms(document, LINK)
    assert (orders["state"], orders["phase"], orders["progress"], orders["up"]) == ("running", "cloning", 0.25, True)
    assert orders["source"] == {"name": "source", "address": "a:1", "ping_ms": 3}
    assert orders["unsuccessful_indexes"][0]["name"] == "by_day"
    assert 0.0 <= orders["age"] < STALE
    assert (idle["state"], idle["last_state"], idle["up"], idle["age"]) == ("disabled", "unknown", False, None)
    assert (idle["source"]["address"], idle["progress"]) == ("c:1", None)
    assert "tops3cret" not in answer.text
    assert client.get("/api/links/orders", headers=admin).json["run"] == orders["run"]


def test_of_a_process_that_is_gone_the_last_that_is_known_is_shown(
    client: FlaskClient, admin: dict[str, str], link: Link
) -> None:
    for gone in (view(monotonic=time.monotonic() - STALE - 1), view(pid=0)):
        link.publisher.publish(gone)
        document = client.get("/api/links/orders", headers=admin).json
        assert (document["state"], document["last_state"], document["up"], document["pid"]) == (
            "down",
            "running",
            False,
            0,
        )
        assert document["copied_bytes"] == 250


def test_a_link_that_is_not_configured(client: FlaskClient, admin: dict[str, str]) -> None:
    for path in ("/api/links/none", "/api/links/none/actions/start"):
        answer = client.post(path, headers=admin)
        assert (answer.status_code, answer.json["error"]) == (
            404,
            "No link is called 'none'; GET /api/links lists those there are.",
        )


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_reaches_the_link_and_is_in_the_audit_trail(
    client: FlaskClient, admin: dict[str, str], link: Link, installation: Installation, action: str
) -> None:
    link.becomes = [view(state="paused")]
    answer = client.post(f"/api/links/orders/actions/{action}", headers=admin)
    assert answer.status_code == 200
    conforms(answer.json, TOLD)
    assert (answer.json["sentence"], answer.json["link"]["state"]) == ("The link is being paused.", "paused")
    (command,) = link.commands
    assert command == LinkCommand(LinkAction(action), "orders", "admin")
    ((_, noted), *_) = installation.app.extensions["repman"].audit.entries(limit=1)
    assert (noted.user, noted.path, noted.status) == ("admin", f"/api/links/orders/actions/{action}", 200)


def test_the_arguments_of_actions(client: FlaskClient, admin: dict[str, str], link: Link) -> None:
    client.post("/api/links/orders/actions/start?again=true", headers=admin)
    client.post("/api/links/orders/actions/resume", json={"fromFailure": True}, headers=admin)
    assert [(each.again, each.from_failure) for each in link.commands] == [(True, False), (False, True)]
    assert client.post("/api/links/orders/actions/start?again=perhaps", headers=admin).status_code == 400
    assert len(link.commands) == 2


def test_refusals_failures_and_a_process_that_is_down(client: FlaskClient, admin: dict[str, str], link: Link) -> None:
    path = "/api/links/orders/actions/start"
    link.receipt = Receipt("refused", "the link is paused", (("is-paused", "the link is paused"),))
    answer = client.post(path, headers=admin)
    assert (answer.status_code, answer.json["reasons"][0]["code"]) == (409, "is-paused")
    link.receipt = Receipt("failed", "start: the target does not answer")
    answer = client.post(path, headers=admin)
    assert (answer.status_code, answer.json) == (500, {"error": "start: the target does not answer"})
    answer = client.post("/api/links/idle/actions/start", headers=admin)
    assert (answer.status_code, answer.json["code"]) == (503, "link-down")
    assert "`repman link run idle`" in answer.json["error"]


def test_a_link_asks_for_grants_of_its_own(client: FlaskClient, guest: dict[str, str], link: Link) -> None:
    for path, grant in (("", "show"), ("/orders", "show"), *((f"/orders/actions/{each}", each) for each in ACTIONS)):
        answer = client.post(f"/api/links{path}", headers=guest)
        assert (answer.status_code, answer.headers["X-Repman-Missing-Grant"]) == (403, f"cluster-link-{grant}")
    assert link.commands == []


def test_links_are_in_the_metrics(client: FlaskClient, link: Link) -> None:
    told = client.get("/api/prometheus").text
    for line in (
        'repman_link_up{link="orders"} 1.0',
        'repman_link_up{link="idle"} 0.0',
        'repman_link_state{link="orders",state="running"} 1.0',
        'repman_link_state{link="idle",state="disabled"} 1.0',
        'repman_link_lag_seconds{link="orders"} 5.0',
        'repman_link_events_applied_total{link="orders"} 7.0',
        'repman_link_bytes_copied{link="orders"} 250.0',
        'repman_link_bytes_to_copy{link="orders"} 1000.0',
        'repman_link_oplog_seconds_left{link="orders"} 3600.5',
        'repman_link_can_write{link="orders"} 0.0',
    ):
        assert line in told.splitlines()
    assert 'repman_cluster_active{cluster="shop"}' in told


def test_what_is_not_known_is_not_among_the_metrics(client: FlaskClient, link: Link) -> None:
    link.publisher.publish(view(lag_seconds=None, oplog_seconds_left=None))
    told = client.get("/api/prometheus").text
    assert "repman_link_lag_seconds{" not in told
    assert "repman_link_oplog_seconds_left{" not in told
    link.publisher.publish(view(pid=0))
    told = client.get("/api/prometheus").text
    assert 'repman_link_state{link="orders",state="down"} 1.0' in told
    assert "repman_link_bytes_copied{" not in told


# repman ctl link


@pytest.fixture
def ctl(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("REPMAN_USER", shop.ADMIN.user)
    monkeypatch.setenv("REPMAN_PASSWORD", shop.ADMIN.password)
    monkeypatch.setattr(link_watching, "EVERY", 0.01)
    with serving(installation) as port:
        monkeypatch.setenv("REPMAN_URL", f"http://127.0.0.1:{port}")
        yield lambda *words: cli.main(["ctl", "link", *words])


def test_list_and_show(ctl: Callable[..., int], link: Link, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("list") == 0
    told = capsys.readouterr().out
    for part in ("orders", "running, cloning", "25%", "disabled", "c:1"):
        assert part in told
    assert ctl("show", "orders") == 0
    assert "warning: the oplog is short" in capsys.readouterr().out
    assert ctl("list", "--json") == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == ["orders", "idle"]


def test_actions_and_their_arguments(ctl: Callable[..., int], link: Link, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("pause", "orders") == 0
    assert "The link is being paused." in capsys.readouterr().out
    for words in (("start", "orders", "--again"), ("resume", "orders", "--from-failure"), ("reverse", "orders")):
        assert ctl(*words) == 0
    assert [(each.action.value, each.again, each.from_failure) for each in link.commands] == [
        ("pause", False, False),
        ("start", True, False),
        ("resume", False, True),
        ("reverse", False, False),
    ]


def test_refused_down_and_unknown(ctl: Callable[..., int], link: Link, capsys: pytest.CaptureFixture[str]) -> None:
    link.receipt = Receipt("refused", "the link is paused", (("is-paused", "the link is paused"),))
    assert ctl("start", "orders") == 3
    assert "- the link is paused  [is-paused]" in capsys.readouterr().out
    assert ctl("start", "idle") == 4
    assert "process of the link idle is not running" in capsys.readouterr().err
    assert ctl("show", "none") == 2
    assert "No link is called 'none'" in capsys.readouterr().err


def test_a_start_is_watched_until_the_target_is_consistent(
    ctl: Callable[..., int], link: Link, capsys: pytest.CaptureFixture[str]
) -> None:
    link.becomes = [view(**REPLICATING)]
    assert ctl("start", "orders", "--wait") == 0
    told = capsys.readouterr()
    assert "orders: running, replicating; 1.0 kB copied, lag 5 s" in told.err
    assert "link orders: running, replicating" in told.out
    link.becomes = [view(state="failed", error="clone: no space left")]
    assert ctl("start", "orders", "--wait", "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"] == "clone: no space left"


def test_a_finalize_is_watched_to_its_end(ctl: Callable[..., int], link: Link) -> None:
    link.becomes = [view(**REPLICATING, state="finalized", finalize_completed=True, can_write=True)]
    assert ctl("finalize", "orders", "--wait") == 0


def test_watching_tells_each_step_until_the_end(
    ctl: Callable[..., int], link: Link, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        view(copied_bytes=251),
        view(copied_bytes=750),
        view(**REPLICATING),
        view(**REPLICATING, state="finalized", finalize_completed=True),
    ]

    def next_step(seconds: float) -> None:
        link.publisher.publish(steps.pop(0))

    monkeypatch.setattr(link_watching, "sleep", next_step)
    assert ctl("watch", "orders") == 0
    told = re.findall(r"^[0-9:]{8} (.+)$", capsys.readouterr().err, re.MULTILINE)
    assert len(told) == 4, "one that copied a byte more is no step"
    assert told[0] == "orders: running, cloning; 250 bytes of 1.0 kB"
    assert told[1].startswith("orders: running, cloning; 750 bytes of 1.0 kB")
    assert told[2].startswith("orders: running, replicating; 1.0 kB copied, lag 5 s")
    assert told[3] == "orders: finalized; 1.0 kB copied, lag 5 s"
    assert steps == []


def test_watching_as_documents(ctl: Callable[..., int], link: Link, capsys: pytest.CaptureFixture[str]) -> None:
    link.publisher.publish(view(state="failed", error="clone: gone"))
    assert ctl("watch", "orders", "--json") == 1
    assert json.loads(capsys.readouterr().out)["state"] == "failed"


def test_on_a_terminal_there_is_a_bar(installation: Installation, link: Link) -> None:
    from io import StringIO

    from rich.console import Console

    from repman.cli.api import Api
    from repman.cli.session import Session
    from repman.cli.target import Target

    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=160)
    with serving(installation) as port:
        target = Target(f"http://127.0.0.1:{port}", shop.ADMIN.user, shop.ADMIN.password)
        session = Session(Api(target), as_json=False, console=console)
        link.publisher.publish(view(state="failed", error="clone: gone"))
        found = link_watching.watch(session, "orders", link_watching.over)
    assert found["state"] == "failed"
    told = screen.getvalue()
    for part in ("orders: failed", "━", "25%", "250 bytes of 1.0 kB", "clone: gone"):
        assert part in told


def test_a_link_that_is_down_says_so_to_python_callers(installation: Installation) -> None:
    house = installation.app.extensions["repman"]
    with pytest.raises(LinkDown):
        house.ask_link(LinkCommand(LinkAction.PAUSE, "orders"), 1.0)
