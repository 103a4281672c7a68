from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from repman import __version__, cli
from repman.cli import root
from repman.cli.exits import AlreadyRunning, ApiUnreachable, ExitCode, NotAuthorised, UsageFailure, exit_code
from repman.cli.logs import LineFormatter
from repman.errors import ConfigError, MonitorDown, Refused, RepmanError, UnknownCluster
from repman.model.problem import Refusal


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"repman {__version__}\n"


def test_help_names_every_command_and_loads_none_of_them() -> None:
    script = (
        "import sys\n"
        "from repman.cli import main, root\n"
        "assert main(['--help']) == 0\n"
        "loaded = [m.module for m in root.MOUNTS if m.module in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for mount in root.MOUNTS:
        if root.present(mount):
            assert f" {mount.name} " in done.stdout


@pytest.mark.parametrize("mount", [mount for mount in root.MOUNTS if root.present(mount)], ids=lambda m: m.name)
def test_every_mounted_command_shows_its_help(mount: root.Mount, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([mount.name, "--help"]) == 0
    assert f"repman {mount.name}" in capsys.readouterr().out


def test_a_missing_library_breaks_one_command_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "needs_more.py").write_text("import a_library_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(root, "MOUNTS", (root.Mount("more", "needs_more", "Needs more."), *root.MOUNTS))
    assert cli.main(["more"]) == ExitCode.FAILED
    assert "a_library_that_nobody_has" in capsys.readouterr().err
    assert cli.main(["--help"]) == 0


def test_an_unknown_command_is_a_usage_error() -> None:
    assert cli.main(["no-such-command"]) == ExitCode.USAGE


CODES = [
    (RepmanError("x"), 1),
    (ConfigError(["x"]), 2),
    (UnknownCluster("x"), 2),
    (UsageFailure("x"), 2),
    (Refused([Refusal("paused", "x")]), 3),
    (AlreadyRunning("x"), 3),
    (MonitorDown("x"), 4),
    (ApiUnreachable("x"), 4),
    (NotAuthorised("x"), 5),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda value: type(value).__name__)
def test_errors_become_lines_and_codes(
    error: RepmanError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(words: object) -> int:
        raise error

    monkeypatch.setattr(root, "run", failing)
    assert cli.main([]) == code == exit_code(error)
    assert capsys.readouterr().err == "repman: x\n"


def test_an_unexpected_error_is_one_line_unless_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(words: object) -> int:
        raise ValueError("odd")

    monkeypatch.setattr(root, "run", failing)
    assert cli.main([]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "ValueError: odd" in told
    with pytest.raises(ValueError, match="odd"):
        cli.main(["--debug"])


def test_a_log_record_is_one_line_with_its_process_and_cluster() -> None:
    record = logging.LogRecord("repman", logging.INFO, __file__, 1, "step=%s\ndone", ("fence",), None)
    record.created = 0.0
    record.msecs = 7.0
    line = LineFormatter("monitor").format(record)
    assert line == "1970-01-01T00:00:00.007Z INFO monitor - step=fence | done"
    record.cluster = "c1"
    assert " monitor c1 " in LineFormatter("monitor").format(record)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("cluster=c1 server=db1 closed", "c1 server=db1 closed"),
        ("plan cluster=c1 kind=failover", "c1 plan kind=failover"),
        ("publish cluster=c1: no space", "c1 publish : no space"),
        ("watching clusters=c1,c2", "- watching clusters=c1,c2"),
    ],
)
def test_the_cluster_is_taken_out_of_the_message(message: str, line: str) -> None:
    record = logging.LogRecord("repman", logging.INFO, __file__, 1, message, (), None)
    assert LineFormatter("monitor").format(record).endswith(f" monitor {line}")
