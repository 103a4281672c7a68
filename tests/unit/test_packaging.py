"""What is handed out is complete: a wheel, built from the source distribution, works in an environment of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "etc" / "systemd").iterdir())
ANALYZE = shutil.which("systemd-analyze")
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
STARTERS = {"repman.service", "repman-monitor.service", "repman-worker.service"}
"""Units from which database servers are started."""
BUILT_FROM = ("repman", "share", "etc", "docs", "tests", "bench", "scripts")


def settings_of(unit: Path) -> set[str]:
    return {line for line in unit.read_text().splitlines() if line and not line.startswith(("#", "["))}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the source distribution, and the wheel that was made from that."""
    place = tmp_path_factory.mktemp("built")
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    for name in BUILT_FROM:
        shutil.copytree(ROOT / name, place / "source" / name, ignore=leave)
    for path in (*ROOT.glob("*.md"), *map(ROOT.joinpath, ("LICENSE", "MANIFEST.in", "pyproject.toml", "setup.cfg"))):
        shutil.copy(path, place / "source")
    # Not isolated: with the setuptools that is here, so that nothing is fetched.
    command = [sys.executable, "-m", "build", "-n", "--outdir", str(place), str(place / "source")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; its libraries are those that the tests use, so that nothing is fetched."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, symlinks=True)
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python")]
    install = [*pip, "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (packages,) = (place / "lib").glob("python*/site-packages")
    libraries = [path for path in sys.path if path.endswith("-packages")]
    # Only a path: files that would lead to this checkout (.pth) are not looked at there.
    (packages / "libraries.pth").write_text("\n".join(libraries))
    return place


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def fetched(url: str) -> str:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())
    return ""


def wait_until(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def serving(installed: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`repman serve` of the installed package, and where its API is."""
    http, probes, nobody = free_ports(3)
    config = tmp_path / "config.toml"
    config.write_text(
        f'[Default]\nmonitoring-datadir = "{tmp_path}/data"\nmonitoring-rundir = "{tmp_path}/run"\n'
        f"http-port = {http}\nprobes-port = {probes}\napi-server = false\n"
        f'[shop]\ndb-servers-hosts = "127.0.0.1:{nobody}"\ndb-servers-credential = "repman:x"\n'
        'replication-credential = "replication:x"\n'
    )
    with (tmp_path / "log").open("wb") as log:
        command = [str(installed / "bin" / "repman"), "serve", "--config", str(config)]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        yield process, f"http://127.0.0.1:{http}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@pytest.mark.slow
def test_the_wheel_has_all_that_the_checkout_has(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "repman").rglob("*") if path.is_file()}
    assert {path for path in package if "__pycache__" not in path} <= held
    given = {name.partition(".data/data/")[2] for name in held if ".data/data/" in name}
    etc = {f"share/repman/{path.relative_to(ROOT)}" for path in (ROOT / "etc").rglob("*") if path.is_file()}
    dashboard = {f"share/repman/dashboard/{path.name}" for path in (ROOT / "share" / "dashboard").iterdir()}
    docs = {f"share/doc/repman/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert etc | dashboard | docs <= given


@pytest.mark.slow
def test_the_source_distribution_has_the_tests_and_the_scripts(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"scripts/test", "scripts/check", "tests/unit/test_packaging.py", "CHANGELOG.md", "bench/link.py"} <= held


@pytest.mark.slow
def test_the_installed_program_serves_page_metrics_and_stores(
    serving: tuple[subprocess.Popen[bytes], str], installed: Path, tmp_path: Path
) -> None:
    process, url = serving
    wait_until(lambda: 'repman_server_up{cluster="shop"' in fetched(f"{url}/metrics"), process)
    assert "<html" in fetched(f"{url}/")
    assert fetched(f"{url}/static/page.js") == (ROOT / "share" / "dashboard" / "page.js").read_text()
    assert {"journal.db", "accounts.db"} <= {path.name for path in (tmp_path / "data").iterdir()}
    question = "import repman; print(repman.__file__)"
    python = str(installed / "bin" / "python")
    told = subprocess.run([python, "-P", "-c", question], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.startswith(str(installed))


@pytest.mark.slow
def test_the_installed_program_can_migrate(installed: Path, tmp_path: Path) -> None:
    program = (
        "from sqlalchemy import create_engine\n"
        "from repman.state.schema import _locked, _take_steps\n"
        "from repman.state.accounts import SCHEMA\n"
        "engine = create_engine('sqlite:///x.db')\n"
        "with _locked(engine) as connection: _take_steps(connection, SCHEMA)\n"
    )
    python = str(installed / "bin" / "python")
    subprocess.run([python, "-P", "-c", program], cwd=tmp_path, check=True, capture_output=True, timeout=60)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    places = []
    for unit in UNITS:
        # The program need not be installed where the units expect it.
        text = unit.read_text().replace("/opt/repman/bin/repman", "/bin/true")
        places.append(tmp_path / unit.name.replace("@.", "@orders."))
        places[-1].write_text(text)
    command = [ANALYZE or "", "verify", "--man=no", *map(str, places)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_would_find_a_mistake(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.service"
    wrong.write_text("[Service]\nExecStart=/bin/true\nKillMod=process\n")
    done = subprocess.run(
        [ANALYZE or "", "verify", "--man=no", str(wrong)], capture_output=True, text=True, check=False
    )
    assert "KillMod" in done.stderr


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_a_unit_is_hardened_and_spares_database_servers(unit: Path) -> None:
    settings = settings_of(unit)
    assert {"User=repman", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "Restart=always"} <= settings
    assert {"StartLimitIntervalSec=0", "RuntimeDirectoryPreserve=yes"} <= settings
    if unit.name in STARTERS:
        # What is private to a unit is taken away from the servers that outlive it.
        assert {"KillMode=process", "OOMPolicy=continue", "TasksMax=infinity"} <= settings
        assert not [each for each in settings if each.startswith(("PrivateTmp", "SystemCallFilter"))]
    else:
        assert {
            "KillMode=mixed",
            "ProtectSystem=strict",
            "PrivateTmp=yes",
            "SystemCallFilter=@system-service",
        } <= settings


@pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
@pytest.mark.parametrize("name", ["haproxy-agent.cfg", "haproxy-httpchk.cfg"])
def test_haproxy_understands_the_examples(name: str) -> None:
    command = [HAPROXY or "", "-c", "-f", str(ROOT / "etc" / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
