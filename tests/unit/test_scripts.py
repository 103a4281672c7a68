"""The shell scripts, with a stand-in for apt-get: nothing is installed here."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"]


def shell(words: str, *tools: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    path = ":".join([*map(str, tools), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'root="{root}"; . "{ROOT}/scripts/_install"; {words}'],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": path},
        timeout=30,
    )


def tool(directory: Path, name: str, script: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{script}\n")
    (directory / name).chmod(0o755)
    return directory


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_well_formed(script: Path) -> None:
    first = script.read_text().splitlines()[0]
    reader = "sh" if first == "#!/bin/sh" else "bash"
    assert subprocess.run([reader, "-n", script], check=False).returncode == 0
    assert os.access(script, os.X_OK) == first.startswith("#!")


def test_what_is_there_is_not_installed(tmp_path: Path) -> None:
    tools = tool(tmp_path / "bin", "some-tool", "")
    tool(tools, "apt-get", "echo installed; exit 1")
    ran = shell("need_packages some-tool", tools)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_what_is_missing_is_installed_and_said(tmp_path: Path) -> None:
    tools = tool(tmp_path / "bin", "apt-get", f'echo "$@" >>{tmp_path}/calls')
    tool(tools, "id", "echo 0")
    ran = shell("need_packages no-such-tool", tools)
    assert ran.returncode == 0, ran.stderr
    assert "installing the Debian packages no-such-tool" in ran.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0].startswith("update")
    assert calls[1].startswith("install")
    assert calls[1].endswith("no-such-tool")


def test_every_package_of_the_tests_is_found_when_it_is_there(tmp_path: Path) -> None:
    packages = re.findall(r"packages=\(([^)]*)\)", (ROOT / "scripts" / "test").read_text())
    tools = tool(tmp_path / "bin", "apt-get", "true")
    tool(tools, "id", "echo 0")
    for name in sorted({name for line in packages for name in line.split()}):
        installed = shell(f"need_packages {name}", tools).stderr == ""
        found = subprocess.run(["dpkg", "-s", name], capture_output=True, check=False).returncode == 0
        assert installed or not found, f"{name} is installed and not found"


def test_an_ordinary_user_installs_by_sudo(tmp_path: Path) -> None:
    tools = tool(tmp_path / "bin", "apt-get", f'echo "$@" >>{tmp_path}/calls')
    tool(tools, "id", "echo 1000")
    tool(tools, "sudo", f'echo sudo >>{tmp_path}/calls; exec "$@"')
    assert shell("need_packages no-such-tool", tools).returncode == 0
    assert (tmp_path / "calls").read_text().count("sudo") == 2


def test_a_python_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    tools = tool(tmp_path / "bin", "python3", "exit 1")
    ran = shell('find_python && echo "$python"', tools)
    assert ran.stdout.strip() != "python3"


@pytest.mark.parametrize(("made_in", "anew"), [("elsewhere", True), ("here", False)])
def test_an_environment_that_was_moved_is_made_anew(tmp_path: Path, made_in: str, anew: bool) -> None:
    root, calls = tmp_path / "here", tmp_path / "calls"
    programs = root / ".venv" / "bin"
    programs.mkdir(parents=True)
    (root / "setup.cfg").touch()
    (programs / "pip").write_text(f"#!{tmp_path}/{made_in}/.venv/bin/python\n")
    tool(programs, "python", 'case "$*" in *import*) exit 1;; esac')
    tools = tool(tmp_path / "bin", "python3", f'echo "$@" >>{calls}')
    assert shell('need_repman ""', tools, root=root).returncode == 0
    assert ("-m venv --clear" in (calls.read_text() if calls.exists() else "")) == anew


def test_test_scripts_explain_themselves() -> None:
    ran = subprocess.run([ROOT / "scripts" / "test", "--help"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0
    assert "scripts/test fast" in ran.stdout
