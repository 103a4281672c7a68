"""A link of the configuration under ``repman serve``: its process, the API, ``repman ctl``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from mongo_stand import ReplicaSet, free_port, wait_until

from repman.model.link import CONNECTING, LinkAction, LinkCommand, LinkView
from repman.state.bus import ask_link
from repman.state.links import LinkReader

ACCOUNT = "admin:only-for-this-test"
LIVE_SECONDS = 60.0


@dataclass
class Installation:
    """A ``repman serve`` that has one link and no cluster."""

    root: Path
    source: ReplicaSet
    target: ReplicaSet
    http: int = field(default_factory=free_port)
    probes: int = field(default_factory=free_port)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def main(self) -> Path:
        return self.root / "repman.toml"

    def configure(self, *lines: str) -> None:
        self.main.write_text(
            f"""[Default]
monitoring-datadir = "{self.root}/data"
monitoring-rundir = "{self.root}/run"
log-file = "{self.root}/repman.log"
http-port = {self.http}
http-workers = 1
api-server = false
probes-port = {self.probes}
api-credentials = "{ACCOUNT}"

[links.shop]
link-source = "{self.source.uri}"
link-target = "{self.target.uri}"
link-port = {self.port}
"""
            + "\n".join(lines)
        )

    def run(self, *words: str) -> None:
        argv = [sys.executable, "-P", "-m", "repman", *words, "--config", str(self.main)]
        self.process = subprocess.Popen(argv, start_new_session=True)

    def start(self) -> None:
        self.run("serve")
        self.until(lambda link: link["up"] and link["state"] != "connecting", "the link's process to be connected")

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def pid(self) -> int:
        return int((self.root / "run" / "link-shop.pid").read_text())

    def log(self) -> str:
        return (self.root / "repman.log").read_text()

    def ctl(self, *words: str, expected: int = 0) -> str:
        user, password = ACCOUNT.split(":")
        done = subprocess.run(
            [sys.executable, "-P", "-m", "repman", "ctl", *words],
            env={
                **os.environ,
                "REPMAN_URL": f"http://127.0.0.1:{self.http}",
                "REPMAN_USER": user,
                "REPMAN_PASSWORD": password,
            },
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done.stdout

    def link(self) -> dict[str, Any] | None:
        """What the API says of the link; None while there is no API."""
        root = f"http://127.0.0.1:{self.http}/api"
        user, password = ACCOUNT.split(":")
        try:
            token = requests.post(f"{root}/login", json={"username": user, "password": password}, timeout=10).json()
            answer = requests.get(
                f"{root}/links", headers={"Authorization": f"Bearer {token['token']}"}, timeout=10
            ).json()
        except requests.RequestException:
            return None
        return answer[0] if answer else None

    def published(self, true: Callable[[LinkView], object], what: str) -> LinkView:
        """What the link's process tells, with no web to ask."""
        reader = LinkReader(self.root / "run")

        def look() -> LinkView | None:
            view = reader.get("shop")
            return view if view is not None and true(view) else None

        found: LinkView = wait_until(look, LIVE_SECONDS, what)
        return found

    def ask(self, action: LinkAction) -> str:
        return ask_link(self.root / "run" / "link-shop.sock", LinkCommand(action, "shop"), 60.0).status

    def until(self, true: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.link()
            return found if found is not None and true(found) else None

        found: dict[str, Any] = wait_until(look, LIVE_SECONDS, what)
        return found


@pytest.fixture
def installation(tmp_path: Path, source: ReplicaSet, target: ReplicaSet) -> Iterator[Installation]:
    made = Installation(tmp_path, source, target)
    made.configure()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


def status_of(installation: Installation, **headers: str) -> requests.Response:
    """What the link's own API answers, as soon as it listens."""

    def asked() -> list[requests.Response]:
        try:
            return [requests.get(f"http://127.0.0.1:{installation.port}/status", headers=headers, timeout=10)]
        except requests.ConnectionError:
            return []

    answer: requests.Response = wait_until(asked, what="the link's own API")[0]
    return answer


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


def numbers(cluster: ReplicaSet) -> list[int]:
    return sorted(document["_id"] for document in cluster.client.shop.orders.find())


def test_a_link_copies_comes_back_after_a_kill_and_ends_in_order(installation: Installation) -> None:
    source, target = installation.source, installation.target
    source.client.shop.orders.insert_many([{"_id": number} for number in range(1000)])
    installation.start()
    assert "idle" in installation.ctl("link", "list")
    told = json.loads(installation.ctl("link", "start", "shop", "--wait", "--json"))
    assert told["initial_sync_completed"]
    assert numbers(target) == list(range(1000))
    assert "Refused; nothing was changed" in installation.ctl("link", "start", "shop", expected=3)

    old = installation.pid()
    os.kill(old, signal.SIGKILL)
    source.client.shop.orders.insert_one({"_id": 1000})
    wait_until(lambda: numbers(target) == list(range(1001)), LIVE_SECONDS, "a document that was written meanwhile")
    link = installation.until(lambda link: link["state"] == "running", "the link to run again")
    assert link["pid"] == installation.pid() != old

    # Clients of the dialect find what they know at the link's own port.
    status = status_of(installation).json()
    assert (status["ok"], status["state"]) == (True, "running")
    metrics = requests.get(f"http://127.0.0.1:{installation.http}/api/prometheus", timeout=10).text
    assert 'repman_link_state{link="shop",state="running"} 1.0' in metrics

    done = json.loads(installation.ctl("link", "finalize", "shop", "--wait", "--json"))
    assert (done["state"], done["can_write"]) == ("finalized", True)
    pid = installation.pid()
    assert installation.stop() == 0
    assert not Path(f"/proc/{pid}").exists()
    assert not (installation.root / "run" / "link-shop.pid").exists()
    assert "killed child" not in installation.log()


def test_a_link_follows_the_configuration(installation: Installation) -> None:
    installation.configure("link-enabled = false")
    installation.run("serve")
    installation.until(lambda link: link["state"] == "disabled", "the API")

    def reload(*lines: str) -> None:
        assert installation.process is not None
        installation.configure(*lines)
        installation.process.send_signal(signal.SIGHUP)

    source = installation.source
    source.client.shop.orders.insert_one({"_id": 1})
    source.client.shop.secrets.insert_one({"_id": 1})
    reload('link-start = "automatic"', 'link-exclude-namespaces = "shop.secrets"')
    first = installation.until(lambda link: link["initial_sync_completed"], "a link that starts by itself")
    assert numbers(installation.target) == [1]
    assert installation.target.client.shop.list_collection_names() == ["orders"]

    reload('link-start = "automatic"', 'link-exclude-namespaces = "shop.secrets"', 'link-token = "a-token"')
    installation.until(
        lambda link: link["up"] and link["state"] == "running" and link["pid"] != first["pid"], "a process anew"
    )
    assert status_of(installation).status_code == 401
    assert status_of(installation, Authorization="Bearer a-token").json()["state"] == "running"

    reload("link-enabled = false")
    ended = installation.until(lambda link: not link["up"], "its end")
    assert (ended["state"], ended["last_state"]) == ("disabled", "running")
    assert not (installation.root / "run" / "link-shop.pid").exists()


def test_a_link_of_the_other_dialect_is_run_apart(installation: Installation) -> None:
    installation.configure('link-dialect = "mongosync"')
    installation.source.client.shop.orders.insert_many([{"_id": number} for number in range(100)])
    installation.run("link", "run", "shop")
    installation.published(lambda view: view.state == "idle", "the link to be connected")
    progress = f"http://127.0.0.1:{installation.port}/api/v1/progress"

    def state() -> str:
        return str(requests.get(progress, timeout=10).json()["progress"]["state"])

    wait_until(lambda: answers(progress), what="the link's own API")
    assert state() == "IDLE"
    assert installation.ask(LinkAction.FINALIZE) == "refused"
    assert installation.ask(LinkAction.START) == "done"
    installation.published(lambda view: view.initial_sync_completed, "a consistent target")
    assert state() == "RUNNING"
    assert numbers(installation.target) == list(range(100))
    assert installation.ask(LinkAction.FINALIZE) == "done"
    done = installation.published(lambda view: view.finalize_completed, "the end")
    assert (done.source.name, done.target.name) == ("cluster0", "cluster1")
    assert state() == "COMMITTED"
    assert installation.stop() == 0
    assert installation.published(lambda view: view.pid == 0, "that it has ended").state == "finalized"


def test_a_cluster_that_does_not_answer_is_waited_for_and_the_reason_is_told(installation: Installation) -> None:
    nobody = f"mongodb://copier:tops3cret@127.0.0.1:{free_port()}/?replicaSet=none"
    installation.main.write_text(installation.main.read_text().replace(installation.target.uri, nobody))
    installation.run("link", "run", "shop")
    view = installation.published(lambda view: view.error, "the reason")
    assert view.state == CONNECTING
    assert "target" in view.error
    assert installation.ask(LinkAction.START) == "refused"
    assert installation.stop() == 0
    assert "tops3cret" not in installation.log() + view.error
