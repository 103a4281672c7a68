"""Every flag of ``pcsm`` and ``plm``, and every variable of the environment, has the meaning that scripts count on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from repman.cli import percona
from repman.cli.percona import main
from repman.link.percona import process
from repman.link.percona.flavour import Flavour
from repman.link.percona.starting import StartRequest

URIS = ("mongodb://a.invalid", "mongodb://b.invalid")
TUNING: dict[str, tuple[str, str, Any]] = {
    "clone-num-parallel-collections": ("3", "cloneNumParallelCollections", 3),
    "clone-num-read-workers": ("4", "cloneNumReadWorkers", 4),
    "clone-num-insert-workers": ("5", "cloneNumInsertWorkers", 5),
    "clone-segment-size": ("1GiB", "cloneSegmentSize", "1GiB"),
    "clone-read-batch-size": ("32MiB", "cloneReadBatchSize", "32MiB"),
    "repl-num-workers": ("6", "replNumWorkers", 6),
    "repl-change-stream-batch-size": ("7", "replChangeStreamBatchSize", 7),
    "repl-event-queue-size": ("8", "replEventQueueSize", 8),
    "repl-worker-queue-size": ("9", "replWorkerQueueSize", 9),
    "repl-bulk-ops-size": ("10", "replBulkOpsSize", 10),
    "repl-worker-flush-interval": ("500ms", "replWorkerFlushInterval", "500ms"),
    "repl-worker-bulk-queue-size": ("11", "replWorkerBulkQueueSize", 11),
    "use-collection-bulk-write": ("true", "useCollectionBulkWrite", True),
}
"""Value, name in a request's body, and value there; by flag."""
ASKED = {key: value for _, key, value in TUNING.values()}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable of this environment counts, and signals do afterwards what they did before."""
    for name in os.environ:
        if name.startswith(("PCSM_", "PLM_")):
            monkeypatch.delenv(name)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[process.Server]:
    """The servers that would be run."""
    found: list[process.Server] = []
    monkeypatch.setattr(process, "run", found.append)
    monkeypatch.setattr(percona, "start_logging", lambda *given: None)
    return found


def only(served: list[process.Server]) -> process.Server:
    [server] = served
    return server


def said(request: StartRequest) -> dict[str, Any]:
    """By its names in a body."""
    return dict(msgspec.to_builtins(request))


def test_every_flag_of_a_start_is_in_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(percona, "_asked", lambda given, *call: asked.append(call) or {"ok": True})
    words = [word for flag, (value, _, _) in TUNING.items() for word in (f"--{flag}={value}",)]
    names = ["--include-namespaces", "a.*", "--exclude-namespaces", "a.b", "--pause-on-initial-sync"]
    assert main(Flavour.PCSM, ["start", *words, *names]) == 0
    body = ASKED | {"includeNamespaces": ["a.*"], "excludeNamespaces": ["a.b"], "pauseOnInitialSync": True}
    assert asked == [("POST", "start", body)]


def test_every_flag_of_the_server_counts(served: list[process.Server]) -> None:
    tuning = [f"--{flag}={value}" for flag, (value, _, _) in TUNING.items()]
    more = ["--port", "3000", "--mongodb-operation-timeout", "90s", "--source-client-compressors", "zlib"]
    switches = ["--start", "--reset-state", "--pause-on-initial-sync", "--log-no-color", "--no-color", "--log-json"]
    assert main(Flavour.PCSM, ["--source", URIS[0], "--target", URIS[1], *tuning, *more, *switches]) == 0
    server = only(served)
    assert server.source_uri == f"{URIS[0]}/?compressors=zlib&timeoutMS=90000"
    assert server.target_uri == f"{URIS[1]}/?timeoutMS=90000"
    assert (server.listener.port, server.start, server.reset) == (3000, True, True)
    assert said(server.defaults) == ASKED | {"pauseOnInitialSync": True}


@pytest.mark.parametrize(
    ("flavour", "prefix"), [(Flavour.PCSM, "PCSM_"), (Flavour.PCSM, "PLM_"), (Flavour.PLM, "PLM_")]
)
def test_every_flag_may_be_in_the_environment(
    flavour: Flavour, prefix: str, served: list[process.Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {flag.upper().replace("-", "_"): value for flag, (value, _, _) in TUNING.items()}
    variables |= {
        "SOURCE_URI": URIS[0],
        "TARGET_URI": URIS[1],
        "PORT": "3001",
        "LOG_LEVEL": "debug",
        "LOG_JSON": "true",
        "LOG_NO_COLOR": "1",
        "TARGET_CLIENT_COMPRESSORS": "zlib",
        "MONGODB_CLI_OPERATION_TIMEOUT" if prefix == "PLM_" else "MONGODB_OPERATION_TIMEOUT": "2m",
    }
    for name, value in variables.items():
        monkeypatch.setenv(prefix + name, value)
    assert main(flavour, []) == 0
    server = only(served)
    assert server.flavour is flavour
    assert server.source_uri == f"{URIS[0]}/?timeoutMS=120000"
    assert server.target_uri == f"{URIS[1]}/?compressors=zlib&timeoutMS=120000"
    assert server.listener.port == 3001
    assert said(server.defaults) == ASKED


def test_a_flag_is_more_than_the_environment(served: list[process.Server], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SOURCE_URI", "mongodb://other.invalid"), ("PORT", "3001"), ("REPL_NUM_WORKERS", "5")):
        monkeypatch.setenv(f"PCSM_{name}", value)
    given = ["--source", URIS[0], "--target", URIS[1], "--port=3002", "--repl-num-workers=0"]
    assert main(Flavour.PCSM, given) == 0
    server = only(served)
    assert (server.source_uri, server.listener.port) == (URIS[0], 3002)
    assert said(server.defaults) == {"replNumWorkers": 0}


def test_a_wrong_value_in_the_environment_is_told_like_one_of_a_flag(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PCSM_CLONE_NUM_READ_WORKERS", "true")
    assert main(Flavour.PCSM, ["--source", URIS[0], "--target", URIS[1]]) == 1
    assert capsys.readouterr() == (
        "",
        'Error: invalid argument "true" for "--clone-num-read-workers" flag: strconv.ParseInt: parsing "true": invalid '
        "syntax\n",
    )
