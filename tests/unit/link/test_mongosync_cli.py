from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repman import __version__
from repman.cli import link as link_commands
from repman.cli import main as repman
from repman.cli import mongosync
from repman.cli.mongosync import Instance, main, tuned
from repman.cli.mongosync_log import JsonFormatter, start_logging
from repman.errors import ConfigError
from repman.link.options import LinkOptions
from repman.link.serving import Listener

URIS = ["--cluster0", "mongodb://a", "--cluster1", "mongodb://b"]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    names = ("pymongo", "waitress", "werkzeug")
    before = root.handlers[:], root.level, signal.getsignal(signal.SIGUSR1), [logging.getLogger(n).level for n in names]
    yield
    for handler in root.handlers:
        if handler not in before[0]:
            handler.close()
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    signal.signal(signal.SIGUSR1, before[2])
    for name, level in zip(names, before[3], strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What `serve` was called with."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(mongosync, "serve", lambda *given: calls.append(given))
    return calls


def test_defaults(served: list[Any]) -> None:
    assert main(URIS) == 0
    assert served == [("mongodb://a", "mongodb://b", Listener(port=27182), Instance("coordinator", 3, True))]


def test_every_flag(served: list[Any], tmp_path: Path) -> None:
    flags = ["--id", "one", "--port", "27999", "--loadLevel", "4", "--logPath", str(tmp_path), "--verbosity", "warn"]
    switches = ["--disableTelemetry", "--disableVerification", "--acceptDisclaimer"]
    assert main([*URIS, *flags, *switches]) == 0
    assert served == [("mongodb://a", "mongodb://b", Listener(port=27999), Instance("one", 4, False))]
    assert logging.getLogger().level == logging.WARNING
    assert (tmp_path / "mongosync.log").exists()


def test_a_file_gives_what_the_command_line_does_not(served: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "mongosync.conf"
    file.write_text(
        'cluster0: "mongodb://user:pw@x"\ncluster1: "mongodb://y"\nport: 28000\nloadLevel: 2\nid: two\n'
        f"logPath: {tmp_path}\nverbosity: INFO\ndisableVerification: true\ndisableTelemetry: true\n"
    )
    assert main(["--config", str(file), "--cluster1", "mongodb://b", "--id=mine"]) == 0
    assert served == [("mongodb://user:pw@x", "mongodb://b", Listener(port=28000), Instance("mine", 2, False))]


MISUSED = [
    ([], "--cluster0"),
    (["--cluster0", "a"], "--cluster1"),
    ([*URIS, "--port", "0"], "--port"),
    ([*URIS, "--loadLevel", "5"], "--loadLevel"),
    ([*URIS, "--verbosity", "LOUD"], "--verbosity"),
    ([*URIS, "--unheard"], "--unheard"),
    ([*URIS, "--hotDocIDs", "x"], "--hotDocIDs is not supported: "),
    ([*URIS, "--migrationName=x"], "--migrationName is not supported: "),
    ([*URIS, "--enableCappedCollectionHandling"], "--enableCappedCollectionHandling is not supported: "),
    ([*URIS, "--metricsLoggingFilepath", "x"], "--metricsLoggingFilepath is not supported: "),
    ([*URIS, "--disableMetricsLogging"], "--disableMetricsLogging is not supported: "),
    ([*URIS, "--oplogRolloverResilienceIntervalSeconds", "3"], "ResilienceIntervalSeconds is not supported: "),
    (["--config", "/nowhere/mongosync.conf"], "/nowhere/mongosync.conf cannot be read"),
]


@pytest.mark.parametrize(("words", "told"), MISUSED, ids=[" ".join(row[0][4:]) or str(row[0]) for row in MISUSED])
def test_a_wrong_command_line_is_told(
    words: list[str], told: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cluster0: [", "is not YAML"),
        ("- a", "must have lines like"),
        ("", "must have lines like"),
        ("cluster2: a", "cluster2 is not known"),
        ("cluster0: [a, b]", "cluster0 must be one value"),
        ("disableVerification: sometimes", "disableVerification must be true or false"),
        ("hotDocIDs: x", "hotDocIDs is not supported"),
        ("cluster0: a\ncluster1: b\nport: x", "--port"),
    ],
)
def test_a_wrong_file_is_told(
    text: str, told: str, served: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mongosync.conf"
    file.write_text(text)
    assert main(["--config", str(file)]) == 2
    assert told in capsys.readouterr().err
    assert served == []


def test_one_cluster_is_not_a_pair(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cluster0", "mongodb://a", "--cluster1", "mongodb://a"]) == 2
    assert "give two" in capsys.readouterr().err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main(["-v"]) == 0
    assert main(["-h"]) == 0
    told = capsys.readouterr().out
    assert told.count(__version__) == 2
    assert "--cluster0 URI" in told


def test_load_levels_take_more_and_more() -> None:
    levels = [tuned(level, 4, True) for level in (1, 2, 4)]
    for name in ("parallel_collections", "read_workers", "insert_workers", "apply_workers"):
        values = [getattr(level, name) for level in levels]
        assert values == sorted(values)
        assert values[0] == 1
    assert tuned(3, 4, True) == LinkOptions(verify=True)
    assert tuned(3, 4, False) == LinkOptions(verify=False)


def test_a_record_is_one_json_object() -> None:
    record = logging.LogRecord("repman.link.clone", logging.WARNING, __file__, 1, "copied %s", ('"a"\nb',), None)
    record.created, record.msecs = 0.0, 7.0
    line = JsonFormatter("mine").format(record)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.007Z",
        "level": "warn",
        "mongosyncID": "mine",
        "componentName": "clone",
        "message": 'copied "a"\nb',
    }


def test_the_log_is_set_aside_on_sigusr1(tmp_path: Path) -> None:
    start_logging("mine", "INFO", tmp_path / "logs")
    logging.getLogger("repman.link").info("before")
    signal.raise_signal(signal.SIGUSR1)
    logging.getLogger("repman.link").info("after")
    kept, new = sorted((tmp_path / "logs").iterdir())
    assert new.name == "mongosync.log"
    assert [json.loads(line)["message"] for line in kept.read_text().splitlines()] == ["before"]
    assert [json.loads(line)["message"] for line in new.read_text().splitlines()] == ["after"]


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="change --logPath"):
        start_logging("mine", "INFO", tmp_path / "file")


def test_repman_link_serve_speaks_mongosync(served: list[Any], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    given = ["--port", "3000", "--host", "192.0.2.1", "--name", "here", "--token-file", str(token)]
    assert repman(["link", "serve", *URIS, *given]) == 0
    listener = Listener("192.0.2.1", 3000, "secret", ("here",))
    assert served == [("mongodb://a", "mongodb://b", listener, Instance())]


def test_repman_link_serve_speaks_percona(monkeypatch: pytest.MonkeyPatch) -> None:
    from repman.link.percona import process

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    calls: list[process.Server] = []
    monkeypatch.setattr(process, "run", calls.append)
    try:
        assert repman(["link", "serve", "--dialect", "percona", *URIS]) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    [server] = calls
    assert (server.source_uri, server.target_uri) == ("mongodb://a", "mongodb://b")
    assert server.listener == Listener(port=2242)


@pytest.mark.parametrize("text", [None, "\n"])
def test_a_token_file_must_have_a_token(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match="token"):
        link_commands._token(file)
