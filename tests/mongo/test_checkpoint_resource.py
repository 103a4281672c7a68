"""The resource as a user meets it: a configuration, a key, `repman checkpoints serve`, curl."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests
from bson import ObjectId
from checkpoint_stand import Sharded
from mongo_stand import free_port, wait_until
from requests.auth import HTTPDigestAuth

from repman.checkpoints.catalogue import Catalogue
from repman.checkpoints.desk import Desk
from repman.checkpoints.model import RestoreJob, RestoreRequest, RestoreStatus
from repman.checkpoints.schedule import TASKS
from repman.cli.checkpoints_work import chosen, opened

GROUP, CLUSTER, COPY = "5c8100bcf2a30b12ff88258f", "5db9c8b1ff7a25dfad1ea7d1", "5db9c8b1ff7a25dfad1ea7d2"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def run(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "repman", *words], capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + (done.stderr if code else "")


@dataclass
class Site:
    """A data directory with its configuration and a key."""

    directory: Path
    public: str
    private: str
    base: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        return "--config", str(self.directory / "site.toml"), "--data-dir", str(self.directory / "data")

    @property
    def url(self) -> str:
        return f"{self.base}/api/public/v1.0/groups/{GROUP}/clusters/{CLUSTER}"

    @property
    def auth(self) -> HTTPDigestAuth:
        return HTTPDigestAuth(self.public, self.private)

    def catalogue(self) -> Catalogue:
        return Catalogue.below(self.directory / "data")

    def curl(self, url: str, *words: str) -> str:
        """As on the page."""
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--noproxy", "*", "--user", f"{self.public}:{self.private}", "--digest",
             "--header", "Accept: application/json", *words, url],
            capture_output=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()  # with its line ends

    def ask(self, method: str, rest: str, **given: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + rest, auth=self.auth, timeout=60, **given)

    @contextmanager
    def serving(self) -> Iterator[None]:
        port, log = free_port(), self.directory / f"{ObjectId()}.log"
        with log.open("w") as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "repman", "checkpoints", "serve", *self.words, "--port", str(port)],
                stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=os.environ,
            )  # fmt: skip
        with process:
            try:
                wait_until(lambda: "answers at" in log.read_text() or process.poll() is not None, 60, "the service")
                assert process.poll() is None, log.read_text()
                self.base = f"http://127.0.0.1:{port}"
                yield
                process.terminate()
                assert process.wait(30) == 0, log.read_text()
            finally:
                process.kill()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, kept_cluster: Sharded, kept_copy: Sharded) -> Site:
    directory = tmp_path_factory.mktemp("site")
    parts = "\n".join(f'{name} = "{each.uri}"' for name, each in kept_copy.sets.items())
    (directory / "site.toml").write_text(
        f"""
[groups]
{GROUP} = "Production"
[clusters.orders]
group = "{GROUP}"
id = "{CLUSTER}"
uri = "{kept_cluster.uri}"
[clusters.copy]
group = "{GROUP}"
id = "{COPY}"
uri = "{kept_copy.config.uri}"
[clusters.copy.parts]
{parts}
"""
    )
    data = str(directory / "data")
    key = json.loads(run("ctl", "api-keys", "create", "--for", "checkpoints", "--data-dir", data, "--json"))
    return Site(directory, key["publicKey"], key["privateKey"])


@pytest.fixture(scope="module")
def served(site: Site, kept_cluster: Sharded) -> Iterator[Site]:
    kept_cluster.empty()
    for number, shard in enumerate(kept_cluster.shards.values()):
        shard.client.shop.orders.insert_many([{"_id": each, "shard": number} for each in range(100)])
    with site.serving():
        yield site


@pytest.fixture(scope="module")
def made(served: Site) -> dict[str, Any]:
    """A checkpoint that was asked for."""
    answer = served.ask("POST", "/checkpoints")
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"{served.url}/checkpoints/{found['id']}"
    return found


def headers_of(block: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in block.splitlines()[1:])


def check_entity(found: dict[str, Any]) -> None:
    """Every field of the page, of its type, and no other."""
    assert set(found) == {
        *("clusterId", "completed", "groupId", "id", "links", "parts", "restorable", "started", "timestamp")
    }
    assert (found["clusterId"], found["groupId"], found["links"]) == (CLUSTER, GROUP, [])
    assert found["restorable"] is True
    assert re.fullmatch("[0-9a-f]{24}", found["id"])
    assert all(TIME.fullmatch(found[name]) for name in ("started", "completed", "timestamp"))
    assert sorted(part["shardName"] for part in found["parts"][:-1]) == ["shard_0", "shard_1"]
    for part in found["parts"]:
        token = part["tokenTimestamp"]
        assert part["tokenDiscovered"] is True
        assert set(token) == {"date", "increment"}
        assert TIME.fullmatch(token["date"])
        assert isinstance(token["increment"], int)
    for part in found["parts"][:-1]:
        assert set(part) == {"replicaSetName", "shardName", "tokenDiscovered", "tokenTimestamp", "typeName"}
        assert (part["replicaSetName"], part["typeName"]) == (f"set_{part['shardName']}", "REPLICA_SET")
    config = found["parts"][-1]
    assert set(config) == {"hostId", "tokenDiscovered", "tokenTimestamp", "typeName"}
    assert config["typeName"] == "CONFIG_SERVER"


def test_all_checkpoints_as_on_the_page(served: Site, made: dict[str, Any]) -> None:
    said = served.curl(f"{served.url}/checkpoints", "--include", "--request", "GET")
    challenge, answer, body = re.split(r"\r\n\r\n", said, maxsplit=2)
    assert challenge.startswith("HTTP/1.1 401 Unauthorized\r\n")
    first = headers_of(challenge)
    assert first["Content-Type"] == "application/json;charset=ISO-8859-1"
    assert re.fullmatch(
        r'Digest realm="MMS Public API", domain="", nonce="[\w-]+", algorithm=MD5, op="auth", stale=false',
        first["WWW-Authenticate"],
    )
    assert first["Connection"] == "keep-alive"
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    second = headers_of(answer)
    assert second["Vary"] == "Accept-Encoding"
    assert second["Content-Type"] == "application/json"
    assert second["Strict-Transport-Security"] == "max-age=300"
    assert second["Connection"] == "keep-alive"
    assert second["Content-Length"] == str(len(body))
    assert re.fullmatch("gitHash=[0-9a-f]{40}; versionString=.+", second["X-MongoDB-Service-Version"])
    assert {"Date"} <= set(first) & set(second)
    found = json.loads(body)
    assert (found["links"], found["totalCount"], found["results"]) == ([], 1, [made])
    check_entity(made)


def test_one_checkpoint_as_on_the_page(served: Site, made: dict[str, Any]) -> None:
    url = f"{served.url}/checkpoints/{made['id']}?pretty=true"
    body = served.curl(url, "--request", "GET")
    assert json.loads(body) == made
    assert body.startswith(f'{{\n  "clusterId" : "{CLUSTER}",\n  "completed" : "')
    assert body.index('"parts" : [ {\n    "replicaSetName" : "') > 0
    assert served.ask("GET", f"/checkpoints/{made['id']}").json() == made


def another(site: Site, name: str) -> Site:
    """The same clusters and another data directory."""
    own = replace(site, directory=site.directory.with_name(name))
    own.directory.mkdir()
    (own.directory / "site.toml").write_text((site.directory / "site.toml").read_text())
    return own


def until_ended(site: Site, job: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = site.ask("GET", f"/restoreJobs/{job}").json()
        return found if found["statusName"] != "IN_PROGRESS" else None

    found: dict[str, Any] = wait_until(ended, 60, "the end of the restore")
    return found


def into_copy(checkpoint: str, overwrite: bool = True) -> dict[str, Any]:
    delivery = {"methodName": "AUTOMATED_RESTORE", "targetClusterId": COPY, "overwrite": overwrite}
    return {"checkPointId": checkpoint, "delivery": delivery}


def test_a_checkpoint_is_restored_to_another_cluster(
    served: Site, made: dict[str, Any], kept_cluster: Sharded, copy: Sharded
) -> None:
    for shard in kept_cluster.shards.values():
        shard.client.shop.orders.delete_many({"_id": {"$gte": 50}})
    answer = served.ask("POST", "/restoreJobs", json=into_copy(made["id"]))
    assert (answer.status_code, answer.json()["totalCount"]) == (200, 1)
    job = until_ended(served, answer.json()["results"][0]["id"])
    assert (job["statusName"], job.get("reason")) == ("FINISHED", None)
    assert job["delivery"] == {
        "methodName": "AUTOMATED_RESTORE", "targetClusterId": COPY, "targetGroupId": GROUP
    }  # fmt: skip
    for shard in copy.shards.values():
        assert shard.client.shop.orders.count_documents({}) == 100
    again = served.ask("POST", "/restoreJobs", json=into_copy(made["id"], overwrite=False)).json()["results"][0]
    refused = until_ended(served, again["id"])
    assert refused["statusName"] == "BROKEN"
    assert "not empty" in refused["reason"]


def test_a_checkpoint_is_downloaded_by_an_address_that_needs_no_key(served: Site, made: dict[str, Any]) -> None:
    body = {"checkpointId": made["id"], "delivery": {"methodName": "HTTP", "maxDownloads": 1, "expirationHours": 1}}
    job = until_ended(served, served.ask("POST", "/restoreJobs", json=body).json()["results"][0]["id"])
    assert (job["statusName"], job["delivery"]["statusName"]) == ("FINISHED", "READY")
    url = job["delivery"]["url"]
    assert url.startswith(f"{served.base}/backup/restores/")
    with requests.Session() as session:
        session.trust_env = False
        listed = [each["fileName"] for each in session.get(url, timeout=30).json()["results"]]
        assert sorted(listed) == ["config.tar", "shard_0.tar", "shard_1.tar"]
        for each in job["hashes"]:
            content = session.get(f"{url}/{each['fileName']}", timeout=30).content
            assert (each["typeName"], each["hash"]) == ("SHA256", sha256(content).hexdigest())
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                assert "snapshot.json" in archive.getnames()
        assert session.get(f"{url}/config.tar", timeout=30).status_code == 404, "once was allowed"


def test_a_snapshot_on_request(served: Site, made: dict[str, Any]) -> None:
    before = served.ask("GET", "/snapshots").json()["totalCount"]
    begun = served.ask("POST", "/snapshots")
    assert (begun.status_code, begun.json()["statusName"]) == (202, "IN_PROGRESS")

    def taken() -> Any:
        found = served.ask("GET", "/snapshots").json()
        return found["results"][0] if found["totalCount"] > before and found["results"][0]["complete"] else None

    newest = wait_until(taken, 60, "the snapshot")
    assert {part["typeName"] for part in newest["parts"]} == {"REPLICA_SET", "CONFIG_SERVER"}
    kept = served.ask("PATCH", f"/snapshots/{newest['id']}", json={"doNotDelete": True})
    assert (kept.status_code, kept.json()["doNotDelete"]) == (200, True)
    assert served.ask("DELETE", f"/snapshots/{newest['id']}").status_code == 409
    served.ask("PATCH", f"/snapshots/{newest['id']}", json={"doNotDelete": False})
    assert served.ask("DELETE", f"/snapshots/{newest['id']}").status_code == 204
    wait_until(lambda: served.ask("GET", f"/snapshots/{newest['id']}").status_code == 404, 30, "it to be gone")
    assert served.ask("GET", f"/checkpoints/{made['id']}").json()["restorable"] is True


def test_commands_work_beside_the_service(served: Site, made: dict[str, Any]) -> None:
    assert "runs already" in run("checkpoints", "serve", *served.words, code=3)
    created = run("checkpoints", "create", *served.words, "--cluster", "orders")
    assert created.endswith(": can be restored\n")
    shown = json.loads(run("checkpoints", "list", *served.words, "--cluster", "orders", "--json"))
    assert made in shown
    assert served.ask("GET", "/checkpoints").json()["results"] == shown
    words = ("checkpoints", "restore", *served.words, "--cluster", "orders")
    # Nothing was there before that moment, and a script has to learn that nothing was restored.
    assert "BROKEN" in run(*words, "--at", "2020-01-01T00:00:00Z", code=1)
    served.ask("DELETE", f"/checkpoints/{shown[0]['id']}")


def test_what_a_process_that_died_left_is_taken_up(
    site: Site, made: dict[str, Any], kept_cluster: Sharded, copy: Sharded
) -> None:
    own = another(site, "left")
    run("checkpoints", "create", *own.words, "--cluster", "orders")
    targets = tuple((name, each.uri) for name, each in copy.sets.items())
    with closing(own.catalogue()) as catalogue:
        wanted = catalogue.checkpoints.list(GROUP, CLUSTER)[0]
        request = RestoreRequest(
            GROUP, CLUSTER, checkpoint=wanted.id, targets=targets, overwrite=True,
            target_group=GROUP, target_cluster=COPY,
        )  # fmt: skip
        job = RestoreJob(ObjectId(), request, datetime.now(UTC))
        catalogue.restores.save(job)
        for shard in copy.shards.values():
            shard.empty()
        with own.serving():
            wait_until(
                lambda: catalogue.restores.get(GROUP, CLUSTER, job.id).status is RestoreStatus.FINISHED,  # type: ignore[union-attr]
                60,
                "the restore to be taken up",
            )
    for name, shard in copy.shards.items():
        left = kept_cluster.shards[name].client.shop.orders.count_documents({})
        assert shard.client.shop.orders.count_documents({}) == left


def test_who_does_not_wait_finds_the_checkpoint_later(site: Site, cluster: Sharded) -> None:
    own = another(site, "later")
    with opened(own.directory / "site.toml", own.directory / "data", None) as work:
        mine = chosen(work, "orders")
        assert work.desk.checkpoint_within(mine, 0.0) is None
        shelf = work.desk.catalogue.checkpoints
        wait_until(lambda: [each for each in shelf.list(GROUP, CLUSTER) if each.restorable], 60, "the checkpoint")
        wait_until(lambda: idle(work.desk), 60, "the end of it")
        work.desk.close()


def idle(desk: Desk) -> bool:
    return not any(thread.is_alive() for thread in desk._threads)


def test_what_the_clock_asks_for_is_done(site: Site, cluster: Sharded, caplog: pytest.LogCaptureFixture) -> None:
    own = another(site, "clock")
    caplog.set_level(logging.INFO, "repman.checkpoints.desk")
    with opened(own.directory / "site.toml", own.directory / "data", None) as work:
        mine = chosen(work, "orders")
        for task in TASKS:
            work.desk._scheduled(mine, task)
            wait_until(lambda: idle(work.desk), 60, task)
        assert [message for message in caplog.messages if "was" in message] == []
        assert sum("scheduled" in message and message.endswith("done") for message in caplog.messages) == len(TASKS)
        assert len(work.desk.catalogue.snapshots.list(GROUP, CLUSTER)) == 2, (
            "the checkpoint's base, and one by the clock"
        )
        assert work.desk.catalogue.checkpoints.list(GROUP, CLUSTER)[0].restorable


def test_a_service_lets_the_balancer_run_again_once_the_servers_answer(site: Site, cluster: Sharded) -> None:
    own = another(site, "balancer")
    runner = [sys.executable, str(Path(__file__).with_name("checkpoint_runner.py")), str(own.directory), cluster.uri]
    steps = subprocess.run([*runner, "10000", "checkpoint"], capture_output=True, text=True, timeout=60).stdout
    last = str(steps.splitlines().index("balancer: restart"))
    killed = subprocess.run([*runner, last, "checkpoint"], capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert cluster.balancer() == "off"
    member = cluster.config.members[0]
    member.send(signal.SIGSTOP)
    try:
        with own.serving():
            member.send(signal.SIGCONT)
            wait_until(lambda: cluster.balancer() == "full", 30, "the balancer to run again")
    finally:
        member.send(signal.SIGCONT)
