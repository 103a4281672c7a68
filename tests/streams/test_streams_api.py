"""The API of streams against a served process with real databases: each request and response of the page, in its order,
and what happens when the service or a database is away.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mariadb_source import PASSWORD as MARIADB_PASSWORD
from mariadb_source import Mariadb
from postgres_stand import PASSWORD as POSTGRES_PASSWORD
from postgres_stand import Postgres, free_port, wait_until
from streams_service import KEY, StreamsService

from repman.cli import main
from repman.streams.api.view import published

STAT_KEYS = [
    *("failedCounter", "counter", "prevDataSize", "sumDataSize", "reportingInterval", "start", "duration"),
    *("avgRate", "status"),
]


@pytest.fixture(scope="module")
def kept_service() -> Iterator[StreamsService]:
    made = StreamsService()
    yield made
    made.remove()


@pytest.fixture
def service(kept_service: StreamsService) -> Iterator[StreamsService]:
    """A service in which no stream runs; start it again if you stop it."""
    yield kept_service
    for stream in kept_service.call("GET", "/streams").json():
        if stream["status"] in ("READY", "RUNNING", "PAUSED"):
            kept_service.call("POST", f"/streams/{stream['id']}/stop")


def await_rows(service: StreamsService, stream: str, count: int) -> None:
    wait_until(lambda: service.rows(stream) == count, 60.0, f"{count} rows in the target")


def rows(postgres: Postgres, table: str = "t") -> Any:
    return postgres.value(f"SELECT count(*) FROM {table}")


def process_of(service: StreamsService, stream: str) -> int:
    return published(service.data, stream).pid


def test_the_page_from_the_first_request_to_the_last(
    service: StreamsService, mariadb: Mariadb, postgres: Postgres
) -> None:
    mariadb.run(
        "CREATE TABLE table_name (id int PRIMARY KEY, x varchar(20))",
        "INSERT INTO table_name SELECT seq, concat('r', seq) FROM seq_1_to_2000",
    )
    here, there = mariadb.endpoint(), postgres.endpoint()
    source = service.call(
        "POST",
        "/connections",
        {
            "type": "MySQL",
            "name": "mysql-source",
            "host": here.host,
            "port": here.port,
            "database": here.database,
            "username": here.user,
            "password": here.password,
        },
    ).json()
    target = service.call(
        "POST",
        "/connections",
        {
            "type": "PostgreSQL",
            "name": "postgres-target",
            "host": there.host,
            "port": there.port,
            "database": there.database,
            "username": there.user,
            "password": there.password,
        },
    ).json()
    for made in (source, target):
        assert list(made) == ["created", "id"]
        assert made["id"].startswith("conn_")
        assert service.call("POST", f"/connections/{made['id']}/ping").json() == {"ping": "ok"}
    assert service.call("GET", f"/connections/{source['id']}/databases").json() == [{"name": "d"}]
    assert service.call("GET", f"/connections/{source['id']}/tables").json() == ["table_name"]
    meta = service.call("GET", f"/connections/{source['id']}/meta").json()["tables"]["table_name"]
    assert [column["name"] for column in meta["columns"]] == ["id", "x"]
    assert meta["primaryKeys"] == ["id"]
    asked = {
        "name": "my-stream",
        "source": source["id"],
        "target": target["id"],
        "mode": "convert",
        "dataBundleSize": 500,
        "reportingIntervals": {"source": 3, "target": 3},
        "tables": [{"name": "table_name"}],
        "limits": {"numberOfEvents": 0, "elapsedTime": 0},
        "createStructure": True,
    }
    config = service.call("POST", "/stream-configs", asked).json()
    assert config["name"] == f"my-stream_{config['id'][-5:]}"
    assert {**config, "name": "my-stream"} == {**asked, "id": config["id"], "created": config["created"]}
    started = service.call("POST", f"/streams/{config['id']}/start")
    assert (started.status_code, list(started.json())) == (200, ["id"])
    stream = started.json()["id"]
    assert stream.startswith("stream_")
    told = service.await_status(stream, "FINISHED")
    assert list(told)[:3] == ["configID", "streamID", "nodes"]
    assert (told["configID"], told["streamID"]) == (config["id"], stream)
    for node, kind in zip(told["nodes"], ("source", "target"), strict=True):
        assert list(node) == ["id", "type", "stat"]
        assert (node["type"], list(node["stat"])) == (kind, STAT_KEYS)
        assert node["id"].startswith(f"node{kind}_")
        assert (node["stat"]["counter"], node["stat"]["status"]) == (2000, "FINISHED")
    assert rows(postgres, "table_name") == 2000
    for call in ("pause", "resume", "stop"):
        assert service.call("POST", f"/streams/{stream}/{call}").status_code == 409
    assert [run["rowsInserted"] for run in service.call("GET", f"/stream-configs/{config['id']}/history").json()] == [
        2000
    ]
    entries = service.call("GET", f"/streams/{stream}/logs").json()
    assert any("STAGE:" in entry["msg"] for entry in entries)


def test_a_stream_rests_goes_on_and_ends(service: StreamsService, mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (id int PRIMARY KEY, x varchar(20))")
    postgres.run("CREATE TABLE t (id int PRIMARY KEY, x varchar(20))")
    config = service.configure(service.connect(mariadb.endpoint()), service.connect(postgres.endpoint()), "cdc", "t")
    stream = service.made(f"/streams/{config}/start")
    assert service.call("POST", f"/streams/{config}/start").status_code == 409
    service.await_status(stream, "RUNNING")
    mariadb.run("INSERT INTO t SELECT seq, 'a' FROM seq_1_to_100")
    await_rows(service, stream, 100)
    assert service.call("POST", f"/streams/{stream}/pause").json() == {"id": stream, "status": "PAUSED"}
    assert process_of(service, stream) == 0
    mariadb.run("INSERT INTO t SELECT seq, 'b' FROM seq_101_to_200")
    assert service.call("POST", f"/streams/{stream}/pause").status_code == 409
    refused = service.call("POST", f"/streams/{config}/start")
    assert refused.status_code == 409
    assert refused.json()["details"] == {"field": "stream_state", "value": [stream]}
    paused = service.stats(stream)["nodes"][1]["stat"]
    assert {name: paused[name] for name in ("counter", "status", "duration", "avgRate", "reportingInterval")} == {
        "counter": 100,
        "status": "PAUSED",
        "duration": 0,
        "avgRate": 0,
        "reportingInterval": 0,
    }
    assert rows(postgres) == 100
    assert service.call("POST", f"/streams/{stream}/resume").json() == {"id": stream, "status": "RUNNING"}
    await_rows(service, stream, 200)
    assert service.call("POST", f"/streams/{stream}/stop").json() == {"id": stream, "status": "STOPPED"}
    for call in ("pause", "resume", "stop"):
        assert service.call("POST", f"/streams/{stream}/{call}").status_code == 409
    assert service.call("DELETE", f"/stream-configs/{config}").status_code == 204


def test_whoever_is_killed_the_stream_goes_on(service: StreamsService, mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (id int PRIMARY KEY, x varchar(20))")
    postgres.run("CREATE TABLE t (id int PRIMARY KEY, x varchar(20))")
    config = service.configure(service.connect(mariadb.endpoint()), service.connect(postgres.endpoint()), "cdc", "t")
    stream = service.made(f"/streams/{config}/start")
    service.await_status(stream, "RUNNING")
    mariadb.run("INSERT INTO t SELECT seq, 'a' FROM seq_1_to_100")
    await_rows(service, stream, 100)
    # Its process is killed: the next one goes on from what the target has.
    victim = process_of(service, stream)
    os.kill(victim, signal.SIGKILL)
    mariadb.run("UPDATE t SET x = 'c' WHERE id <= 50")
    await_rows(service, stream, 150)
    assert process_of(service, stream) != victim
    # So is the service itself: the stream ends in order, and runs again with its successor.
    service.kill()
    mariadb.run("DELETE FROM t WHERE id > 80")
    service.start()
    # What was applied is counted again by a process that does not know it; the rows themselves are what counts.
    expected = [(number, "c" if number <= 50 else "a") for number in range(1, 81)]
    wait_until(lambda: postgres.run("SELECT id, x FROM t ORDER BY id") == expected, 60.0, "the rows of the source")


def test_a_stopped_stream_leaves_no_slot(service: StreamsService, mariadb: Mariadb, postgres: Postgres) -> None:
    postgres.run("CREATE TABLE t (id int PRIMARY KEY, x text)")
    mariadb.run("CREATE TABLE t (id int PRIMARY KEY, x text)")
    config = service.configure(service.connect(postgres.endpoint()), service.connect(mariadb.endpoint()), "cdc", "t")
    stream = service.made(f"/streams/{config}/start")
    service.await_status(stream, "RUNNING")
    postgres.run("INSERT INTO t VALUES (1, 'a')")
    await_rows(service, stream, 1)
    service.call("POST", f"/streams/{stream}/pause")
    # While it rests, the source has to keep what was not read yet.
    assert postgres.value("SELECT count(*) FROM pg_replication_slots") == 1
    service.call("POST", f"/streams/{stream}/stop")
    wait_until(lambda: postgres.value("SELECT count(*) FROM pg_replication_slots") == 0, what="the slot to be dropped")
    assert postgres.value("SELECT count(*) FROM pg_publication") == 0


def test_a_limit_finishes_a_stream(service: StreamsService, mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_2000")
    source, target = service.connect(mariadb.endpoint()), service.connect(postgres.endpoint())
    limits = {"numberOfEvents": 501, "elapsedTime": 0}
    config = service.configure(source, target, "convert", "t", limits=limits)
    stream = service.made(f"/streams/{config}/start")
    assert service.await_status(stream, "FINISHED")["reason"] == "EVENT_LIMIT_REACHED"
    assert (service.rows(stream), rows(postgres)) == (501, 501)
    assert service.call("GET", f"/streams/{stream}/deadletters").json() == []


def test_a_row_that_is_not_taken_is_kept_with_its_reason(
    service: StreamsService, mariadb: Mariadb, postgres: Postgres
) -> None:
    mariadb.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2), (3)")
    postgres.run("CREATE TABLE t (id int PRIMARY KEY CHECK (id <> 2))")
    source, target = service.connect(mariadb.endpoint()), service.connect(postgres.endpoint())
    config = service.configure(source, target, "convert", "t", onError="skip")
    stream = service.made(f"/streams/{config}/start")
    told = service.await_status(stream, "FINISHED")
    assert told["nodes"][1]["stat"]["failedCounter"] == 1
    assert postgres.run("SELECT id FROM t ORDER BY id") == [(1,), (3,)]
    (letter,) = service.call("GET", f"/streams/{stream}/deadletters").json()
    assert (letter["table"], letter["operation"]) == ("t", "insert")
    assert "check" in letter["reason"]


def test_of_many_starts_one_wins(service: StreamsService, mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (id int PRIMARY KEY)")
    postgres.run("CREATE TABLE t (id int PRIMARY KEY)")
    config = service.configure(service.connect(mariadb.endpoint()), service.connect(postgres.endpoint()), "cdc", "t")
    codes: list[int] = []

    def start() -> None:
        answer = requests.post(
            f"{service.url}/api/v1/streams/{config}/start", headers=dict(service.http.headers), timeout=40
        )
        codes.append(answer.status_code)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] + [409] * 7


@pytest.mark.parametrize("mode", ["convert", "cdc"])
def test_what_stands_against_a_start_is_told_and_no_stream_is_made(
    service: StreamsService, mariadb: Mariadb, postgres: Postgres, mode: str
) -> None:
    before = service.call("GET", "/streams").json()
    source, target = service.connect(mariadb.endpoint()), service.connect(postgres.endpoint())
    absent = service.configure(source, target, mode, "nothing")
    answer = service.call("POST", f"/streams/{absent}/start")
    assert answer.status_code == 400
    assert "nothing" in answer.json()["error"]
    mariadb.run("CREATE TABLE t (id int PRIMARY KEY)")
    for also in ({"password": "wrong-one"}, {"port": free_port()}):
        closed = service.connect(mariadb.endpoint(), **also)
        ping = service.call("POST", f"/connections/{closed}/ping")
        assert (ping.status_code, ping.json()["ping"]) == (503, "failed")
        config = service.configure(closed, target, mode, "t")
        answer = service.call("POST", f"/streams/{config}/start")
        assert answer.status_code == 503
        assert "127.0.0.1" in answer.json()["error"]
        assert "wrong-one" not in answer.text + ping.text
    assert service.call("GET", "/streams").json() == before


def test_passwords_and_keys_are_nowhere(service: StreamsService) -> None:
    found = [path for path in service.data.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in found)
    for secret in (MARIADB_PASSWORD, POSTGRES_PASSWORD, KEY):
        assert [path for path in found if secret.encode() in path.read_bytes()] == []


def test_the_command_line(
    service: StreamsService,
    mariadb: Mariadb,
    postgres: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REPMAN_STREAMS_URL", service.url)
    monkeypatch.setenv("REPMAN_STREAMS_API_KEY", KEY)

    def ctl(*words: str) -> tuple[int, str]:
        code = main(["ctl", "streams", *words])
        return code, capsys.readouterr().out

    mariadb.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_500")
    source, target = service.connect(mariadb.endpoint()), service.connect(postgres.endpoint())
    file = tmp_path / "config.json"
    body = {"name": "by hand", "source": source, "target": target, "mode": "convert", "tables": [{"name": "t"}]}
    file.write_text(json.dumps(body))
    code, config = ctl("configs", "add", str(file))
    assert code == 0
    code, told = ctl("start", config.strip(), "--wait")
    assert (code, "500 rows" in told) == (0, True)
    assert rows(postgres) == 500
    assert ctl("show", "stream_nobody")[0] == 2
    assert ctl("list", "--key", "wrong")[0] == 5
    assert ctl("list", "--url", f"http://127.0.0.1:{free_port()}")[0] == 4
    code, listed = ctl("list", "--json")
    stream = next(each for each in json.loads(listed) if each["configID"] == config.strip())
    assert (code, stream["status"]) == (0, "FINISHED")
    assert ctl("pause", stream["id"])[0] == 3
    assert "STAGE:4" in ctl("logs", stream["id"])[1]
    # What differs is found, and copied once more where that is asked for.
    postgres.run("DELETE FROM t WHERE id = 7", "INSERT INTO t VALUES (1000)")
    code, told = ctl("verify", stream["id"])
    assert (code, "1 missing, 0 different, 1 too many" in told) == (1, True)
    assert ctl("verify", stream["id"], "--repair")[0] == 0
    assert ctl("verify", stream["id"])[0] == 0
    assert (rows(postgres), postgres.value("SELECT max(id) FROM t")) == (500, 500)
    assert ctl("remove", stream["id"])[0] == ctl("configs", "remove", config.strip())[0] == 0
