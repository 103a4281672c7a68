"""The command lines of ``pcsm`` and ``plm``, up to where a server or a cluster is needed."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, request

from repman import __version__
from repman.cli.percona import main
from repman.link.percona.connecting import with_options
from repman.link.percona.flavour import Flavour
from repman.link.serving import Listener, server

TWO = ("--source", "mongodb://a.invalid", "--target", "mongodb://b.invalid")


class Heard:
    """An HTTP server that remembers what it was asked, and answers what it was told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.answer: str = '{"ok": true}'
        app = Flask(__name__)
        app.add_url_rule("/<path>", "any", self._hear, methods=["GET", "POST"])
        self._server = server(app, Listener())
        self.port = str(self._server.effective_port)  # type: ignore[union-attr]
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def _hear(self, path: str) -> Response:
        self.requests.append((request.method, path, request.get_json(silent=True)))
        return Response(self.answer, content_type="application/json")

    def forget(self) -> None:
        self.requests.clear()
        self.answer = '{"ok": true}'

    def end(self) -> None:
        self._server.task_dispatcher.shutdown()
        self._server.close()
        self._thread.join()


@pytest.fixture(scope="module")
def listening() -> Iterator[Heard]:
    made = Heard()
    yield made
    made.end()


@pytest.fixture
def heard(listening: Heard) -> Heard:
    listening.forget()
    return listening


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


MISTAKES = {
    (): "source URI and target URI are empty",
    TWO[2:]: "source URI is empty",
    TWO[:2]: "target URI is empty",
    ("--source", "mongodb://a", "--target", "mongodb://a"): "source URI and target URI are identical",
    (*TWO, "--port", "1023"): "port value is outside the supported range [1024 - 65535]",
    (*TWO, "--port=65536"): "port value is outside the supported range [1024 - 65535]",
    (*TWO, "--port=x"): 'invalid argument "x" for "--port" flag: strconv.ParseInt: parsing "x": invalid syntax',
    (*TWO, "--port=99999999999"): (
        'invalid argument "99999999999" for "--port" flag: strconv.ParseInt: parsing "99999999999": value out of range'
    ),
    (*TWO, "--what"): "unknown flag: --what",
    (*TWO, "-x"): "unknown shorthand flag: 'x' in -x",
    ("--source",): "flag needs an argument: --source",
    (*TWO, "--log-json=maybe"): (
        'invalid argument "maybe" for "--log-json" flag: strconv.ParseBool: parsing "maybe": invalid syntax'
    ),
    (*TWO, "--log-level", "loud"): (
        'invalid argument "loud" for "--log-level" flag: must be one of trace, debug, info, warn, error, fatal'
    ),
    (*TWO, "--mongodb-operation-timeout", "5"): (
        'invalid argument "5" for "--mongodb-operation-timeout" flag: time: missing unit in duration "5"'
    ),
    (*TWO, "--source-client-compressors", "zlib,lzma"): (
        'invalid argument "zlib,lzma" for "--source-client-compressors" flag: lzma is none of zstd, zlib, snappy'
    ),
    (*TWO, "--clone-segment-size", "1MB"): (
        "invalid clone segment size: cloneSegmentSize must be at least 458 MiB, got 977 KiB"
    ),
    (*TWO, "--host", "0.0.0.0"): "0.0.0.0 can be reached from other machines: give a token, or bind to localhost",
    ("nonsense",): 'unknown command "nonsense" for "pcsm"',
    ("reset", "nonsense"): 'unknown command "nonsense" for "pcsm reset"',
    ("start", "--clone-num-read-workers", "true"): (
        'invalid argument "true" for "--clone-num-read-workers" flag: strconv.ParseInt: parsing "true": invalid syntax'
    ),
    ("start", "--include-namespaces"): "flag needs an argument: --include-namespaces",
    ("start", "--clone-segment-size", "x"): (
        'invalid clone segment size: invalid cloneSegmentSize value: x: strconv.ParseFloat: parsing "": invalid syntax'
    ),
    ("pause", "--from-failure"): "unknown flag: --from-failure",
    ("reset",): "required flag --target not set",
    ("reset", "recovery"): "required flag --target not set",
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_mistakes(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Flavour.PCSM, words) == 1
    assert capsys.readouterr() == ("", f"Error: {MISTAKES[words]}\n")


@pytest.mark.parametrize(
    ("words", "method", "path", "body"),
    [
        (["pause"], "POST", "pause", None),
        (["finalize"], "POST", "finalize", None),
        (["finalize", "--ignore-history-lost"], "POST", "finalize", None),
        (["resume"], "POST", "resume", None),
        (["resume", "--from-failure"], "POST", "resume", {"fromFailure": True}),
        (["resume", "--from-failure=false"], "POST", "resume", None),
        (["start"], "POST", "start", None),
        (
            ["start", "--include-namespaces", "a.b,c.*", "--include-namespaces=d.*", "--exclude-namespaces", '"c.x,y"'],
            "POST",
            "start",
            {"includeNamespaces": ["a.b", "c.*", "d.*"], "excludeNamespaces": ["c.x,y"]},
        ),
        (
            ["start", "--pause-on-initial-sync", "--use-collection-bulk-write=false", "--clone-num-read-workers=0"],
            "POST",
            "start",
            {"pauseOnInitialSync": True, "useCollectionBulkWrite": False, "cloneNumReadWorkers": 0},
        ),
        (
            ["start", "--clone-segment-size", "1GiB", "--repl-num-workers", "4", "--repl-worker-flush-interval", "1s"],
            "POST",
            "start",
            {"cloneSegmentSize": "1GiB", "replNumWorkers": 4, "replWorkerFlushInterval": "1s"},
        ),
    ],
)
def test_commands(
    heard: Heard,
    words: list[str],
    method: str,
    path: str,
    body: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(Flavour.PCSM, [*words, "--port", heard.port]) == 0
    assert heard.requests == [(method, path, body)]
    assert capsys.readouterr() == ('{\n  "ok": true\n}\n', "")


def test_the_port_comes_from_the_flag_or_else_from_before_the_command_or_else_from_the_environment(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLM_PORT", "1")
    monkeypatch.setenv("PCSM_PORT", heard.port)
    assert main(Flavour.PCSM, ["pause"]) == 0
    assert main(Flavour.PLM, ["pause"]) == 1
    assert main(Flavour.PLM, ["pause", "--port", heard.port]) == 0
    monkeypatch.delenv("PCSM_PORT")
    assert main(Flavour.PCSM, ["pause"]) == 1
    monkeypatch.delenv("PLM_PORT")
    assert main(Flavour.PLM, ["--port", heard.port, "pause"]) == 0
    assert len(heard.requests) == 3


def test_the_environment_of_a_client_does_not_tune_a_start(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PCSM_REPL_NUM_WORKERS", "4")
    assert main(Flavour.PCSM, ["start", "--port", heard.port]) == 0
    assert heard.requests == [("POST", "start", None)]


def test_a_refusal_is_an_error_and_nothing_else(heard: Heard, capsys: pytest.CaptureFixture[str]) -> None:
    heard.answer = '{"ok": false, "error": "cannot pause: not running"}'
    assert main(Flavour.PCSM, ["pause", "--port", heard.port]) == 1
    assert capsys.readouterr() == ("", "Error: cannot pause: not running\n")


def test_a_status_is_shown_whatever_it_is(heard: Heard, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Flavour.PCSM, ["status", "--port", heard.port]) == 0
    assert heard.requests == [("GET", "status", None)]
    capsys.readouterr()
    heard.answer = json.dumps({"ok": False, "error": "clone: no space", "state": "failed"})
    assert main(Flavour.PCSM, ["status", "--port", heard.port]) == 1
    assert capsys.readouterr() == (
        '{\n  "ok": false,\n  "error": "clone: no space",\n  "state": "failed"\n}\n',
        "Error: clone: no space\n",
    )


def test_another_program_answers(heard: Heard, capsys: pytest.CaptureFixture[str]) -> None:
    heard.answer = "[]"
    assert main(Flavour.PCSM, ["status", "--port", heard.port]) == 1
    assert "another program" in capsys.readouterr().err
    heard.answer = "<html>"
    assert main(Flavour.PCSM, ["status", "--port", heard.port]) == 1
    assert capsys.readouterr().err.startswith("Error: ")


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Flavour.PCSM, ["status", "--port", "1"]) == 1
    assert capsys.readouterr() == (
        "",
        "Error: no server answers at http://localhost:1: start it, or give its --port\n",
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Flavour.PLM, ["version"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(":")[0] for line in err.splitlines()] == [
        *("Version", "Platform", "GitCommit", "GitBranch", "BuildTime", "GoVersion"),
    ]
    assert err.splitlines()[0].split() == ["Version:", __version__]


@pytest.mark.parametrize("flavour", Flavour)
def test_help_names_what_is_not_hidden(flavour: Flavour, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(flavour, ["--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: {flavour.value} " in shown
    for word in ("--source", "--target", "--port", "--log-json", "status", "finalize", "reset"):
        assert word in shown
    assert "--reset-state" not in shown
    assert main(flavour, ["start", "--help"]) == 0
    assert "--clone-segment-size" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("uri", "compressors", "timeout", "made"),
    [
        ("mongodb://a", (), None, "mongodb://a"),
        ("mongodb://a", ("zlib",), None, "mongodb://a/?compressors=zlib"),
        ("mongodb://u:p@a,b/", (), 1.5, "mongodb://u:p@a,b/?timeoutMS=1500"),
        ("mongodb://a/?replicaSet=r", ("zlib",), 300.0, "mongodb://a/?replicaSet=r&compressors=zlib&timeoutMS=300000"),
        ("mongodb://a/db?Compressors=snappy", ("zlib",), None, "mongodb://a/db?Compressors=snappy"),
        ("mongodb://a?w=1", ("zlib",), None, "mongodb://a/?w=1&compressors=zlib"),
    ],
)
def test_options_of_the_connection(uri: str, compressors: tuple[str, ...], timeout: float | None, made: str) -> None:
    assert with_options(uri, compressors, timeout) == made
