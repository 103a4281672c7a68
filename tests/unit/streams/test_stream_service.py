"""The service without databases: who may ask, what is stored, what is refused, and what it shows."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from repman.cli.streams import _Processes
from repman.cli.supervisor import Supervisor
from repman.config.secrets import make_key, read_key, seal, unseal
from repman.errors import StateError
from repman.state.keys import ApiKey, ApiKeys, Dialect, digest_of, new_bearer
from repman.streams import comparing, life
from repman.streams.api.admission import Keys
from repman.streams.api.app import application
from repman.streams.api.logs import EntryFormatter, Tail, log_handler, newest, progress_line, size, stat_line
from repman.streams.api.service import Service
from repman.streams.api.statistics import statistics
from repman.streams.api.view import LOG, StreamView, directory_of, publish, published
from repman.streams.configs import settings_of
from repman.streams.ids import SOURCE_NODE, STREAM, TARGET_NODE, new_id
from repman.streams.job import Count, Phase, Progress, TableProgress, TableState
from repman.streams.life import Life
from repman.streams.registry import Registry, Sealing, Stream
from repman.streams.states import LIVING, Event, State
from repman.streams.supervising import MOST_DEATHS, Wanted, Watch

FIRST = "first-key"
SECRET = "pass-word-1"
NODE_KEYS = [
    *("failedCounter", "counter", "prevDataSize", "sumDataSize", "reportingInterval", "start", "duration"),
    *("avgRate", "status"),
]
MOMENT = 1739572516


@dataclass
class Stand:
    data: Path
    registry: Registry
    keys: ApiKeys
    watch: Watch
    client: FlaskClient
    service: Service

    def call(self, method: str, path: str, body: object = None, key: str = FIRST) -> TestResponse:
        headers = {"X-API-Key": key} if key else {}
        return self.client.open(f"/api/v1{path}", method=method, json=body, headers=headers)

    def made(self, path: str, body: object) -> str:
        answer = self.call("POST", path, body)
        assert answer.status_code == 200, answer.text
        return str(answer.json["id"])

    def config(self) -> str:
        # Nobody listens there.
        source = self.made("/connections", connection("MySQL", "127.0.0.1", 1))
        target = self.made("/connections", connection("PostgreSQL", "127.0.0.1", 1))
        return self.made("/stream-configs", configuration(source, target))

    def stream(self, status: State, config: str = "", **also: Any) -> Stream:
        """A stream in the store, as a start has left it, in that state."""
        config = config or self.config()
        document = self.registry.config(config).document
        nodes = (new_id(SOURCE_NODE, MOMENT), new_id(TARGET_NODE, MOMENT))
        made = Stream(new_id(STREAM, MOMENT), config, MOMENT, status, document, *nodes, float(MOMENT), **also)
        self.registry.add_stream(made)
        return made


def connection(kind: str, host: str, port: int) -> dict[str, Any]:
    names = {"type": kind, "name": f"{kind} one", "host": host, "port": port}
    return {**names, "database": "d", "username": "user", "password": SECRET}


def configuration(source: str, target: str, **also: Any) -> dict[str, Any]:
    return {"name": "my-stream", "source": source, "target": target, "mode": "cdc", "tables": [{"name": "t"}], **also}


def sealing(directory: Path) -> Sealing:
    path = directory / "repman.key"
    make_key(path, overwrite=True)
    key = read_key(path)
    return Sealing(lambda clear: seal(clear, key), lambda text: unseal(text, key))


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with closing(Registry(tmp_path, sealing(tmp_path))) as registry, closing(ApiKeys.below(tmp_path)) as keys:
        watch = Watch(tmp_path, registry, lambda: 2_000_000_000.0)
        life = Life(tmp_path, registry, _Processes(Supervisor(lambda: [])), watch)
        service = Service(tmp_path, registry, life, Keys(keys, FIRST))
        yield Stand(tmp_path, registry, keys, watch, application(service).test_client(), service)


def test_every_call_needs_a_good_key(stand: Stand) -> None:
    for rule in list(application(stand.service).url_map.iter_rules()):
        path = rule.rule.replace("<identifier>", "x").replace("<database>", "x").replace("<run>", "x")
        method = sorted(rule.methods - {"OPTIONS", "HEAD"})[0]
        expected = 200 if path.endswith(("/health", "/ready", "/system/defaults")) else 403
        for key in ("", "wrong", "k" * 10_000):
            headers = {"X-API-Key": key} if key else {}
            answer = stand.client.open(path, method=method, headers=headers)
            assert answer.status_code == expected, (path, key)
            assert expected == 200 or answer.json["error"]


def test_keys_of_the_store_open_what_they_are_good_for(stand: Stand) -> None:
    reader, writer, other = new_bearer(), new_bearer(), new_bearer()
    stand.keys.add(ApiKey("reader", Dialect.STREAMS, digest_of(reader), roles=frozenset({"read"})))
    stand.keys.add(ApiKey("writer", Dialect.STREAMS, digest_of(writer), roles=frozenset({"read", "write"})))
    stand.keys.add(ApiKey("other", Dialect.CHECKPOINTS, digest_of(other), roles=frozenset({"read"})))
    body = connection("MySQL", "h", 1)
    assert stand.call("GET", "/connections", key=reader).status_code == 200
    assert stand.call("POST", "/connections", body, key=reader).status_code == 403
    assert stand.call("POST", "/connections", body, key=writer).status_code == 200
    assert stand.call("GET", "/connections", key=other).status_code == 403
    stand.keys.revoke(Dialect.STREAMS, "writer")
    assert stand.call("GET", "/connections", key=writer).status_code == 403


def test_a_key_can_be_refused_with_401(stand: Stand) -> None:
    client = application(replace(stand.service, refused_with=401)).test_client()
    assert client.get("/api/v1/streams").status_code == 401


def test_the_key_of_a_browser_and_of_prometheus(stand: Stand) -> None:
    assert stand.client.get("/metrics", headers={"Authorization": f"Bearer {FIRST}"}).status_code == 200
    assert stand.client.get(f"/api/v1/streams?api_key={FIRST}").status_code == 403
    # The log as it comes never ends: it is closed before its first look at the store.
    answer = stand.client.get(f"/api/v1/logs/stream?api_key={FIRST}", buffered=False)
    assert answer.status_code == 200
    assert next(answer.response).decode().startswith("event: connection\ndata: {")
    answer.close()


def test_a_connection_as_the_page_makes_it(stand: Stand) -> None:
    answer = stand.call("POST", "/connections", connection("MySQL", "mysql-host", 3306))
    assert list(answer.json) == ["created", "id"]
    shown = stand.call("GET", f"/connections/{answer.json['id']}").json
    assert shown["created"] == answer.json["created"]
    assert (shown["type"], shown["port"], shown["password"]) == ("MySQL", 3306, "********")
    assert stand.call("GET", "/connections").json == [shown]
    paged = stand.call("GET", "/connections?search=SQL&limit=1").json
    assert (paged["total"], paged["filtered"], len(paged["items"])) == (1, 1, 1)


def test_secrets_are_nowhere_in_clear(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    identifier = stand.made("/connections", connection("MySQL", "mysql-host", 3306))
    told = [stand.call("GET", path).text for path in (f"/connections/{identifier}", "/connections", "/user/configs")]
    told.append(stand.call("PUT", f"/connections/{identifier}", connection("MySQL", "other", 3306)).text)
    told.append(stand.call("PUT", f"/connections/{identifier}/clone").text)
    told.append(stand.call("POST", "/connections", {**connection("MySQL", "h", 0)}).text)
    assert all(SECRET not in text for text in [*told, caplog.text])
    files = [path.read_bytes() for path in stand.data.rglob("*") if path.is_file()]
    assert files
    assert all(SECRET.encode() not in content for content in files)
    # The control: it can be read again with the key, and with no other.
    assert stand.registry.connection(identifier).secrets.password == SECRET
    with (
        closing(Registry(stand.data, sealing(stand.data))) as stranger,
        pytest.raises(StateError, match="another key"),
    ):
        stranger.connection(identifier)


def test_a_connection_is_changed_cloned_and_deleted(stand: Stand) -> None:
    identifier = stand.made("/connections", connection("MySQL", "mysql-host", 3306))
    shown = stand.call("GET", f"/connections/{identifier}").json
    changed = stand.call("PUT", f"/connections/{identifier}", {**shown, "host": "other"}).json
    assert (changed["id"], changed["created"], changed["host"]) == (identifier, shown["created"], "other")
    assert stand.registry.connection(identifier).secrets.password == SECRET
    cloned = stand.call("PUT", f"/connections/{identifier}/clone").json
    assert cloned["id"] != identifier
    assert cloned["host"] == "other"
    assert stand.call("DELETE", f"/connections/{identifier}").status_code == 204
    assert stand.call("GET", f"/connections/{identifier}").status_code == 404
    assert stand.call("DELETE", "/connections").status_code == 204
    assert stand.call("GET", "/connections").json == []


def test_a_configuration_as_the_page_makes_it(stand: Stand) -> None:
    identifier = stand.config()
    shown = stand.call("GET", f"/stream-configs/{identifier}").json
    assert list(shown)[:2] == ["id", "name"]
    assert shown["name"] == f"my-stream_{identifier[-5:]}"
    again = stand.call("PUT", f"/stream-configs/{identifier}", {**shown, "dataBundleSize": 10}).json
    assert again == {**shown, "dataBundleSize": 10}
    cloned = stand.call("PUT", f"/stream-configs/{identifier}/clone").json
    assert cloned["name"] == f"my-stream_{cloned['id'][-5:]}"
    assert stand.call("GET", f"/stream-configs/{identifier}/history").json == []
    assert stand.call("DELETE", f"/stream-configs/{identifier}").status_code == 204
    assert stand.call("GET", f"/stream-configs/{identifier}").status_code == 404


@pytest.mark.parametrize(
    ("also", "status", "field"),
    [
        ({"dataBundleSize": 9}, 400, "dataBundleSize"),
        ({"mode": "CDC"}, 400, "mode"),
        ({"tables": []}, 400, "tables"),
        ({"name": None}, 400, "name"),
        ({"source": "conn_2t3EmXcvcg2J6I9mJ02UaiMVxfb"}, 404, "source"),
        ({"target": "conn_x'; DROP TABLE streams; --"}, 404, "target"),
    ],
)
def test_what_is_wrong_is_named_and_not_stored(stand: Stand, also: dict[str, Any], status: int, field: str) -> None:
    known = stand.config()
    good = stand.call("GET", f"/stream-configs/{known}").json
    for method, path in (("POST", "/stream-configs"), ("PUT", f"/stream-configs/{known}")):
        answer = stand.call(method, path, {**good, **also})
        assert answer.status_code == status
        assert field in answer.json["error"]
        assert status == 404 or answer.json["details"]["field"] == field
    assert stand.call("GET", "/stream-configs").json == [good]


@pytest.mark.parametrize("path", ["/connections", "/stream-configs", "/connections/test"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"name":"\\ud800"}', b"[" * 50_000])
def test_bodies_that_cannot_be_read(stand: Stand, path: str, body: bytes) -> None:
    answer = stand.client.post(f"/api/v1{path}", data=body, headers={"X-API-Key": FIRST})
    assert answer.status_code == 400
    assert answer.json["type"] == "validation"
    assert stand.call("GET", "/connections").json == stand.call("GET", "/stream-configs").json == []


def test_a_body_may_not_be_endless(stand: Stand) -> None:
    answer = stand.client.post("/api/v1/connections", data=b"x" * (9 << 20), headers={"X-API-Key": FIRST})
    assert answer.status_code == 413


def test_ids_that_there_are_not(stand: Stand) -> None:
    config = stand.config()
    stream = stand.stream(State.RUNNING, config).id
    for method, path in [
        *((method, f"/connections/nobody{rest}") for method, rest in (("GET", ""), ("PUT", "/clone"), ("DELETE", ""))),
        ("POST", "/connections/nobody/ping"),
        *((method, "/stream-configs/nobody") for method in ("GET", "DELETE")),
        # Each call takes one kind of id.
        *(("POST", f"/streams/{config}/{call}") for call in ("pause", "resume", "stop")),
        ("GET", f"/streams/{config}/stats"),
        ("POST", f"/streams/{stream}/start"),
        ("POST", "/streams/%00/start"),
        ("GET", "/nothing"),
    ]:
        answer = stand.call(method, path)
        assert answer.status_code == 404, path
        assert answer.json["type"] == "not_found"
    assert stand.call("POST", "/stream-configs", configuration("a", "b")).status_code == 404
    assert stand.call("PATCH", "/connections").status_code == 405


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("call", ["pause", "resume", "stop"])
def test_every_call_in_every_state(stand: Stand, state: State, call: str) -> None:
    stream = stand.stream(state)
    legal = {"pause": {State.READY, State.RUNNING}, "resume": {State.PAUSED}}
    legal["stop"] = legal["pause"] | {State.PAUSED}
    after = {"pause": "PAUSED", "resume": "RUNNING", "stop": "STOPPED"}[call]
    answer = stand.call("POST", f"/streams/{stream.id}/{call}")
    if state in legal[call]:
        assert (answer.status_code, answer.json) == (200, {"id": stream.id, "status": after})
    else:
        assert answer.status_code == 409
        assert answer.json["code"] == "ILLEGAL_STATE"
        assert stand.call("GET", f"/streams/{stream.id}").json["status"] == state


@pytest.mark.parametrize("state", list(State))
def test_a_start_in_every_state(stand: Stand, state: State) -> None:
    stream = stand.stream(state, holding=False)
    answer = stand.call("POST", f"/streams/{stream.config}/start")
    if state in LIVING:
        assert (answer.status_code, answer.json["details"]["value"]) == (409, [stream.id])
    else:
        # A new one is allowed, and its databases are asked first.
        assert (answer.status_code, answer.json["code"]) == (503, "UNREACHABLE")
    assert len(stand.call("GET", "/streams").json) == 1


@pytest.mark.parametrize("state", [State.STOPPED, State.FINISHED])
def test_a_start_waits_until_the_last_stream_holds_nothing(
    stand: Stand, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "PATIENCE", 0.0)
    stream = stand.stream(state)
    answer = stand.call("POST", f"/streams/{stream.config}/start")
    assert (answer.status_code, answer.json["details"]["value"]) == (409, [stream.id])
    publish(stand.data, StreamView(stream.id, released=True))
    assert stand.call("POST", f"/streams/{stream.config}/start").status_code == 503


def test_nothing_starts_while_a_stream_is_paused(stand: Stand) -> None:
    paused = stand.stream(State.PAUSED)
    answer = stand.call("POST", f"/streams/{stand.config()}/start")
    assert answer.status_code == 409
    assert answer.json["details"] == {"field": "stream_state", "value": [paused.id]}


def test_a_configuration_has_one_running_stream(stand: Stand) -> None:
    running = stand.stream(State.RUNNING)
    answer = stand.call("POST", f"/streams/{running.config}/start")
    assert answer.status_code == 409
    assert answer.json["details"] == {"field": "stream_state", "value": [running.id]}


@pytest.mark.parametrize("state", [State.READY, State.RUNNING])
def test_what_a_running_stream_uses_stays_as_it_is(stand: Stand, state: State) -> None:
    stream = stand.stream(state)
    config = stand.call("GET", f"/stream-configs/{stream.config}").json
    source = stand.call("GET", f"/connections/{config['source']}").json
    for method, path, body in (
        ("PUT", f"/stream-configs/{stream.config}", config),
        ("DELETE", f"/stream-configs/{stream.config}", None),
        ("PUT", f"/connections/{config['source']}", source),
        ("DELETE", f"/connections/{config['source']}", None),
        ("DELETE", "/connections", None),
        ("DELETE", f"/streams/{stream.id}", None),
    ):
        answer = stand.call(method, path, body)
        assert answer.status_code == 409, path
        assert answer.json["type"] == "conflict"


def test_a_stream_that_is_over_is_forgotten_with_its_files(stand: Stand) -> None:
    stream = stand.stream(State.FINISHED, holding=False)
    publish(stand.data, StreamView(stream.id))
    assert stand.call("DELETE", f"/streams/{stream.id}").status_code == 204
    assert stand.call("GET", f"/streams/{stream.id}").status_code == 404
    assert not directory_of(stand.data, stream.id).exists()


def test_statistics_have_the_page_s_shape(stand: Stand) -> None:
    stream = stand.stream(State.PAUSED)
    progress = Progress(
        Phase.DATA,
        (TableProgress("t", TableState.COPYING, 403_000, 1_282_792_782, estimated_rows=500_000),),
        Count(403_500, 1_283_000_000),
        Count(403_000, 1_282_792_782),
    )
    publish(stand.data, StreamView(stream.id, progress=progress, spent=10.0, reported_target=Count(1, 921_447_141)))
    told = stand.call("GET", f"/streams/{stream.id}/stats").json
    assert list(told)[:3] == ["configID", "streamID", "nodes"]
    assert [node["type"] for node in told["nodes"]] == ["source", "target"]
    target = told["nodes"][1]
    assert list(target) == ["id", "type", "stat"]
    assert target["id"].startswith("nodetarget_")
    assert list(target["stat"]) == NODE_KEYS
    assert target["stat"] == {
        "failedCounter": 0,
        "counter": 403_000,
        "prevDataSize": 921_447_141,
        "sumDataSize": 1_282_792_782,
        "reportingInterval": 0,
        "start": "2025-02-14T22:35:16.000000000Z",
        "duration": 0,
        "avgRate": 0,
        "status": "PAUSED",
    }
    assert stand.call("GET", "/streams/current/stats").json == told
    finished = statistics(replace(stream, status=State.FINISHED), published(stand.data, stream.id))
    assert finished["nodes"][1]["stat"]["duration"] == 10_000_000_000
    assert finished["nodes"][1]["stat"]["avgRate"] == 128_279_278


def test_metrics_tell_of_every_stream(stand: Stand) -> None:
    stream = stand.stream(State.RUNNING)
    publish(stand.data, StreamView(stream.id, progress=Progress(target=Count(7, 70), lag=0.25)))
    page = stand.call("GET", "/metrics").text
    assert f'target_events_out{{streamID="{stream.id}"}} 7.0' in page
    assert f'stream_lag_seconds{{streamID="{stream.id}"}} 0.25' in page
    assert f'stream_state{{state="RUNNING",streamID="{stream.id}"}} 1.0' in page


def test_what_processes_tell_becomes_a_state(stand: Stand) -> None:
    stream = stand.stream(State.READY)
    assert list(stand.watch.wanted()) == [Wanted(stream.id)]
    publish(stand.data, StreamView(stream.id, 7, event=Event.FLOWING))
    stand.watch.wanted()
    assert stand.registry.stream(stream.id).status is State.RUNNING
    failed = StreamView(stream.id, 0, event=Event.FAILED, error="the binlog was purged", code="POSITION_LOST")
    publish(stand.data, failed)
    assert list(stand.watch.wanted()) == []
    told = stand.call("GET", f"/streams/{stream.id}").json
    assert (told["status"], told["error"], told["reason"]) == ("FAILED", "the binlog was purged", "POSITION_LOST")


def test_a_stopped_stream_has_a_process_until_it_holds_nothing(stand: Stand) -> None:
    stream = stand.stream(State.STOPPED)
    assert list(stand.watch.wanted()) == [Wanted(stream.id, True)]
    publish(stand.data, StreamView(stream.id, released=True))
    assert list(stand.watch.wanted()) == []
    config = stand.config()
    shown = stand.call("GET", f"/stream-configs/{config}").json
    stand.call("PUT", f"/stream-configs/{config}", {**shown, "keepPosition": True})
    stand.stream(State.STOPPED, config)
    assert list(stand.watch.wanted()) == []


def test_a_comparison_waits_for_a_stream_that_rests(stand: Stand) -> None:
    running, paused = stand.stream(State.RUNNING), stand.stream(State.PAUSED)
    assert stand.call("POST", f"/streams/{running.id}/verify").status_code == 409
    assert stand.call("GET", f"/streams/{paused.id}/verification").status_code == 404
    assert stand.call("POST", f"/streams/{paused.id}/verify?repair=maybe").status_code == 400
    assert stand.call("POST", f"/streams/{paused.id}/verify?repair=true").json["status"] == "running"
    assert stand.call("POST", f"/streams/{paused.id}/verify").status_code == 409
    assert list(stand.watch.wanted()) == [Wanted(running.id), Wanted(paused.id, compares=True)]
    assert stand.call("GET", f"/streams/{paused.id}/verification").json["status"] == "running"
    # Who lets the stream go on wants its rows moved, not compared.
    stand.call("POST", f"/streams/{paused.id}/resume")
    assert {each.compares for each in stand.watch.wanted()} == {False}


def test_a_comparison_whose_process_keeps_dying_has_failed(stand: Stand) -> None:
    stream = stand.stream(State.PAUSED)
    wanted = comparing.ask(stand.data, stream.id, False)
    before = comparing.Result(wanted.asked, attempts=comparing.MOST_ATTEMPTS)
    (directory_of(stand.data, stream.id) / "verification.json").write_bytes(msgspec.json.encode(before))
    told = settings_of(stream, stand.data, stand.service.life.connection)
    comparing.carry_out(stand.data, told, wanted, threading.Event())
    shown = stand.call("GET", f"/streams/{stream.id}/verification").json
    assert (shown["status"], "died 3 times" in shown["error"]) == ("failed", True)
    assert list(stand.watch.wanted()) == []


def test_a_process_that_keeps_dying_is_a_failure(stand: Stand) -> None:
    stream = stand.stream(State.RUNNING)
    for number in range(MOST_DEATHS):
        assert stand.registry.stream(stream.id).status is State.RUNNING
        publish(stand.data, StreamView(stream.id, 100 + number, event=Event.FLOWING))
        stand.watch.died(stream.id, 100 + number)
    told = stand.registry.stream(stream.id)
    assert (told.status, told.code) == (State.FAILED, "CRASHED")


def test_a_process_that_ends_in_order_has_not_died(stand: Stand) -> None:
    stream = stand.stream(State.RUNNING)
    for _ in range(MOST_DEATHS + 1):
        publish(stand.data, StreamView(stream.id, 0, event=Event.FLOWING))
        stand.watch.died(stream.id, 100)
    assert stand.registry.stream(stream.id).status is State.RUNNING


def test_of_two_that_move_a_stream_one_wins(stand: Stand) -> None:
    stream = stand.stream(State.RUNNING)
    assert stand.registry.move(stream, State.PAUSED)
    assert not stand.registry.move(stream, State.STOPPED)
    assert stand.registry.stream(stream.id).status is State.PAUSED


def test_a_view_that_was_cut_off_says_nothing(stand: Stand) -> None:
    publish(stand.data, StreamView("stream_x", 5))
    path = directory_of(stand.data, "stream_x") / "view.json"
    path.write_bytes(path.read_bytes()[:20])
    assert published(stand.data, "stream_x") == StreamView("stream_x")


def test_the_log_of_a_stream(stand: Stand) -> None:
    stream = stand.stream(State.RUNNING)
    tail = Tail(directory_of(stand.data, stream.id) / LOG)
    with closing(log_handler(stand.data, stream)) as handler:
        for level, text in ((logging.INFO, "one"), (logging.ERROR, "two")):
            handler.handle(logging.LogRecord("x", level, "", 0, text, (), None))
    with (directory_of(stand.data, stream.id) / LOG).open("a") as file:
        file.write('{"cut": ')
    assert [entry["msg"] for entry in newest(stand.data, stream.id)] == ["one", "two"]
    assert [entry["message"] for entry in tail.new()] == ["one", "two"]
    assert tail.new() == []
    (entry,) = stand.call("GET", f"/streams/{stream.id}/logs?level=error").json
    assert (entry["level"], entry["streamId"], entry["type"]) == ("error", stream.id, "api")
    assert len(stand.call("GET", f"/streams/{stream.id}/logs?limit=1").json) == 1
    for query in ("level=loud", "limit=-1", "limit=x"):
        assert stand.call("GET", f"/streams/{stream.id}/logs?{query}").status_code == 400


def test_words_of_the_log_that_clients_take_apart(stand: Stand) -> None:
    assert progress_line("Moving data", Phase.DATA) == "[progress] Moving data | STAGE:3"
    line = stat_line("RUNNING", Count(403_000, 1_200_000_000), 108e6, 12.4, 0)
    assert line == "[stat] RUNNING | EVENTS:403,000 | SIZE:1.2 GB | RATE:108.0 MB/s | ELAPSED:12s | FAILED:0"
    assert [size(number) for number in (0, 999, 1000, 1e18)] == ["0 B", "999 B", "1.0 KB", "1000.0 PB"]
    record = logging.LogRecord("x", logging.INFO, "", 0, line, (), None)
    record.side, record.category = "target", "stat"
    stream = stand.stream(State.RUNNING)
    entry = json.loads(EntryFormatter(stream).format(record))
    assert (entry["nodeID"], entry["category"]) == (stream.target_node, "stat")


def test_clients_find_what_they_ask_first(stand: Stand) -> None:
    assert stand.call("GET", "/user").json["subscriptionStatus"] == "active"
    assert stand.call("GET", "/services/status").json["services"][0]["status"] == "passing"
    assert stand.call("GET", "/streams").json == []
    assert stand.call("GET", "/streams/stat").status_code == 404
    assert stand.call("POST", "/query/federated", {}).status_code == 501
    answer = stand.client.options("/api/v1/connections", headers={"Origin": "http://page"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert "X-API-Key" in answer.headers["Access-Control-Allow-Headers"]
