"""``pcsm`` and ``plm`` from their start to their end, between two real clusters."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mongo_stand import ReplicaSet, free_port, wait_until
from percona_program import Program, command

from repman.link.percona.flavour import Flavour

OWN = "percona_clustersync_mongodb"
Launch = Callable[..., Program]


@pytest.fixture
def launch(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> Iterator[Launch]:
    """Start one between the two clusters; what is left of them is removed after the test."""
    made: list[Program] = []

    def launched(*words: str, **more: Any) -> Program:
        both = ("--source", source.uri, "--target", target.uri)
        made.append(Program(tmp_path / str(len(made)), *both, *words, **more))
        return made[-1]

    yield launched
    for program in made:
        program.remove()


def numbers(cluster: ReplicaSet, name: str = "db.c") -> list[int]:
    database, collection = name.split(".")
    return sorted(found["_id"] for found in cluster.client[database][collection].find())


def insert(cluster: ReplicaSet, first: int, last: int, name: str = "db.c") -> None:
    database, collection = name.split(".")
    cluster.client[database][collection].insert_many({"_id": number, "n": -number} for number in range(first, last))


def arrived(target: ReplicaSet, last: int) -> None:
    wait_until(lambda: numbers(target) == list(range(last)), what=f"{last} documents on the target")


def test_a_whole_life(launch: Launch, source: ReplicaSet, target: ReplicaSet) -> None:
    insert(source, 0, 100)
    source.client.db.c.create_index("n", unique=True, name="n_unique")
    program = launch().ready()
    assert set(program.status()) == {
        *("ok", "state", "lagTime", "lagTimeSeconds", "eventsProcessed", "eventsRead", "eventsApplied")
    }
    refused = program.command("pause")
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", "Error: cannot pause: not running\n")

    begun = program.command("start")
    assert (begun.returncode, begun.stdout, begun.stderr) == (0, '{\n  "ok": true\n}\n', "")
    assert "initialSync" in program.status()
    assert program.post("start") == {"ok": False, "error": "already running", "code": "already-running"}
    found = program.in_sync()
    assert (found["ok"], found["state"], found["initialSync"]["cloneCompleted"]) == (True, "running", True)
    assert found["initialSync"]["clonedSize"] == found["initialSync"]["estimatedCloneSizeBytes"] > 0
    assert "unique" not in target.client.db.c.index_information()["n_unique"]
    insert(source, 100, 150)
    arrived(target, 150)
    program.until(lambda status: status["eventsApplied"] >= 50)

    assert program.command("pause").returncode == 0
    assert program.status()["state"] == "paused"
    assert "info" not in program.status()
    assert program.post("pause")["error"] == "cannot pause: not running"
    assert program.post("start")["error"] == "paused"
    insert(source, 150, 200)
    assert program.command("resume").returncode == 0
    assert program.post("resume")["error"] == "cannot resume: not paused or not resuming from failure"
    arrived(target, 200)

    assert program.command("finalize").returncode == 0
    found = program.ready("finalized").status()
    assert found["info"] == "Finalized"
    assert found["finalization"]["completed"] is True
    assert set(found["finalization"]) == {"completed", "startedAt", "completedAt"}
    assert target.client.db.c.index_information() == source.client.db.c.index_information()
    for line in (
        'Checking Recovery Data for "pcsm"',
        f"Starting HTTP server at http://localhost:{program.port}",
        "POST /start",
        "Initial Sync completed in ",
        "Change Replication paused",
        "Change Replication resumed",
        "Starting Finalization",
        "Finalization is completed",
    ):
        program.logs(line)
    assert program.end() == 0
    assert program.errors.read_text() == ""


def test_the_operation_time_moves_on_while_nothing_happens(launch: Launch, source: ReplicaSet) -> None:
    program = launch("--start").ready("running")
    program.in_sync()
    note = source.client.admin.command("appendOplogNote", 1, data={"msg": "here"})["$clusterTime"]["clusterTime"]

    def after(status: dict[str, Any]) -> bool:
        seconds, number = status["lastReplicatedOpTime"]["ts"].split(".")
        return (int(seconds), int(number)) >= (note.time, note.inc)

    program.until(after, "the note's time")


def test_it_goes_on_after_it_was_ended(launch: Launch, source: ReplicaSet, target: ReplicaSet) -> None:
    insert(source, 0, 10)
    program = launch().ready()
    program.post("start")
    program.in_sync()
    arrived(target, 10)
    assert program.end() == 0
    insert(source, 10, 20)
    program.again().ready("running")
    arrived(target, 20)
    program.logs("Found Recovery Data. Recovering...")
    program.logs("Successfully recovered")

    assert program.post("pause") == {"ok": True}
    assert program.end(signal.SIGINT) == 0
    insert(source, 20, 30)
    program.again().ready("paused")
    assert numbers(target) == list(range(20))
    assert program.post("resume") == {"ok": True}
    arrived(target, 30)


def test_it_goes_on_after_it_was_killed(launch: Launch, source: ReplicaSet, target: ReplicaSet) -> None:
    insert(source, 0, 10)
    program = launch("--start").ready("running")
    program.in_sync()
    program.end(signal.SIGKILL)
    insert(source, 10, 20)
    program.again().ready("running")
    arrived(target, 20)


def test_a_selection(launch: Launch, source: ReplicaSet, target: ReplicaSet) -> None:
    for name in ("a.one", "a.two", "b.one", "b.two", "c.one"):
        insert(source, 0, 3, name)
    program = launch().ready()
    given = ("--include-namespaces", "a.*,b.one,b.two", "--exclude-namespaces", "a.two,b.one")
    assert program.command("start", *given).returncode == 0
    program.in_sync()
    assert program.end() == 0
    # It is kept over a restart.
    program.again().ready("running")
    for name in ("a.one", "a.two", "b.one", "b.two", "c.one", "a.three"):
        insert(source, 3, 6, name)
    wait_until(lambda: numbers(target, "a.three") == [3, 4, 5], what="the last of the selected collections")
    carried = {name: numbers(target, name) for name in ("a.one", "a.two", "b.one", "b.two", "c.one")}
    assert carried == {"a.one": [*range(6)], "a.two": [], "b.one": [], "b.two": [*range(6)], "c.one": []}


def test_a_pause_when_the_initial_sync_is_complete(launch: Launch, source: ReplicaSet, target: ReplicaSet) -> None:
    insert(source, 0, 10)
    program = launch("--start", "--pause-on-initial-sync").ready("paused")
    assert program.status()["initialSync"]["completed"] is True
    insert(source, 10, 20)
    assert program.post("resume") == {"ok": True}
    arrived(target, 20)


def test_indexes_that_cannot_be_made_are_told_and_tried_again(
    launch: Launch, source: ReplicaSet, target: ReplicaSet
) -> None:
    insert(source, 0, 10)
    source.client.db.c.create_index([("n", 1), ("_id", -1)], name="plain")
    source.client.db.c.create_index("n", unique=True, name="n_unique")
    program = launch("--start").ready("running")
    program.in_sync()
    target.client.db.c.insert_one({"_id": 50, "n": 0})
    assert program.post("finalize") == {"ok": True}
    (found,) = program.ready("finalized").status()["finalization"]["unsuccessfulIndexes"]
    assert "n_unique" in found.pop("reason")
    assert found == {"namespace": "db.c", "indexName": "n_unique", "type": "failed", "keys": {"n": 1}}
    target.client.db.c.delete_one({"_id": 50})
    assert program.post("finalize") == {"ok": True}
    found = program.until(lambda status: status["finalization"]["completed"], "the second end")
    assert "unsuccessfulIndexes" not in found["finalization"]
    assert target.client.db.c.index_information() == source.client.db.c.index_information()


def test_a_new_run_after_the_end(launch: Launch, source: ReplicaSet, target: ReplicaSet) -> None:
    insert(source, 0, 10)
    program = launch("--start").ready("running")
    program.in_sync()
    assert program.post("finalize") == {"ok": True}
    program.ready("finalized")
    target.client.db.c.delete_many({})
    insert(target, 50, 60)
    assert program.post("start") == {"ok": True}
    assert "finalization" not in program.in_sync()
    arrived(target, 10)


def test_what_is_known_can_be_forgotten(launch: Launch, target: ReplicaSet) -> None:
    program = launch().ready()
    program.post("start")
    program.in_sync()
    program.post("pause")
    assert program.end() == 0
    missing = command("reset")
    assert (missing.returncode, missing.stderr) == (1, "Error: required flag --target not set\n")
    done = command("reset", "--target", target.uri)
    assert (done.returncode, done.stdout) == (0, "")
    assert "OK: reset all" in done.stderr
    program.again().ready("idle")
    program.post("start")
    program.in_sync()
    assert program.end() == 0
    assert "OK: reset recovery" in command("reset", "recovery", PCSM_TARGET_URI=target.uri).stderr
    assert "OK: reset heartbeat" in command("reset", "heartbeat", PLM_TARGET_URI=target.uri).stderr
    program.again().ready("idle")


def test_a_start_of_the_program_can_forget(launch: Launch, target: ReplicaSet) -> None:
    program = launch("--start").ready("running")
    assert program.end() == 0
    assert target.client[OWN].checkpoints.count_documents({}) == 1
    launch("--reset-state", "--log-level=trace").ready("idle")


def test_the_older_flavour(launch: Launch, source: ReplicaSet, target: ReplicaSet) -> None:
    insert(source, 0, 10)
    program = launch("--start", flavour=Flavour.PLM)
    moment = program.in_sync()["lastReplicatedOpTime"]
    assert isinstance(moment, str)
    assert (
        "percona_link_mongodb_events_read_total"
        in requests.get(f"http://127.0.0.1:{program.port}/metrics", timeout=5).text
    )
    assert program.end() == 0
    newer = launch("--api-flavor", "pcsm", flavour=Flavour.PLM).ready("running")
    assert set(newer.status()["lastReplicatedOpTime"]) == {"ts", "isoDate"}
    shown = newer.command("status")
    assert (shown.returncode, json.loads(shown.stdout)["state"]) == (0, "running")


def test_the_log_in_json(launch: Launch) -> None:
    program = launch("--log-json").ready()
    program.logs("GET /status")
    lines = [json.loads(line) for line in program.told().splitlines()]
    assert {"level", "s", "time", "message"} <= set(lines[-1])
    assert ("http", "GET /status") in {(line["s"], line["message"]) for line in lines}


def test_one_works_and_the_other_waits(launch: Launch) -> None:
    first = launch("--start").ready("running")
    second, third = launch(), launch()
    for each in (second, third):
        each.logs("detected concurrent process")
        with pytest.raises(requests.ConnectionError):
            each.status()
    assert third.end() == 0
    assert first.end() == 0
    second.ready("running")


def test_what_cannot_be_used_at_the_start(source: ReplicaSet, target: ReplicaSet) -> None:
    nobody = f"mongodb://127.0.0.1:{free_port()}"
    port = ("--port", str(free_port()))
    done = command("--source", nobody, "--target", target.uri, *port)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: connect to source cluster: ")
    done = command("--source", source.uri, "--target", nobody, *port)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: connect to target cluster: ")
    # The same cluster behind two spellings.
    done = command("--source", source.uri, "--target", f"{source.uri}&w=1", *port)
    assert done.returncode == 1
    assert "source" in done.stderr
    assert "target" in done.stderr


def test_a_port_that_is_in_use_costs_nothing(source: ReplicaSet, target: ReplicaSet) -> None:
    target.client[OWN].checkpoints.insert_one({"_id": "pcsm", "kept": True})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = command("--source", source.uri, "--target", target.uri, "--reset-state", "--port", port)
    told = f"Error: cannot listen on localhost:{port}: Address already in use; give another --port or --host\n"
    assert (done.returncode, done.stderr) == (1, told)
    assert target.client[OWN].checkpoints.find_one() == {"_id": "pcsm", "kept": True}


def test_settings_of_the_environment(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> None:
    variables = {"PLM_SOURCE_URI": source.uri, "PCSM_TARGET_URI": target.uri, "PCSM_TOKEN": "a-word"}
    program = Program(tmp_path, "--host", "0.0.0.0", PCSM_REPL_NUM_WORKERS="2", **variables)
    try:
        program.logs("Starting HTTP server at ")
        wait_until(lambda: _answers(program.port) == 401, what="a request without a token to be refused")
        shown = command("start", "--port", str(program.port), PCSM_TOKEN="a-word")
        assert (shown.returncode, shown.stderr) == (0, "")
        program.logs("Config: NumWorkers: 2")
        assert program.end() == 0
    finally:
        program.remove()


def _answers(port: int) -> int:
    try:
        return requests.get(f"http://127.0.0.1:{port}/status", timeout=5).status_code
    except requests.ConnectionError:
        return 0
