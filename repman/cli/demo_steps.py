"""The steps of the demo, each of which finds what is there and repairs what is not."""

from __future__ import annotations

import fcntl
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from repman.cli.api import Api
from repman.cli.demo_health import complaints
from repman.cli.demo_place import (
    CLUSTER,
    PROCESSES,
    USER,
    Place,
    api_account,
    api_url,
    haproxy_of,
    read_config,
    write_config,
    write_description,
)
from repman.cli.exits import AlreadyRunning, ApiUnreachable
from repman.cli.target import Target
from repman.config.settings import Settings
from repman.errors import MonitorDown, Refused, RepmanError, SandboxError
from repman.orchestrators import description, network, process
from repman.orchestrators.builder import new_password
from repman.orchestrators.description import FILE
from repman.orchestrators.sandbox import Sandbox

Tell = Callable[[str], None]
"""Tells the person who waits what is waited for."""

SERVERS = 3
HEALTHY_WITHIN = 60.0
_HUNG = 5.0
_API_WITHIN = 20.0
_STOP_WITHIN = 55.0
_BOOTSTRAP_EVERY = 1.0


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """One demo command at a time.  Raises AlreadyRunning."""
    place.lock.parent.mkdir(parents=True, exist_ok=True)
    with open(place.lock, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunning("another scripts/demo is at work here; wait until it is done") from error
        yield


def exists(place: Place) -> bool:
    """Whether somebody has started the demo here, and not reset it since."""
    return (place.root / FILE).exists()


def make_sandbox(place: Place) -> Sandbox:
    """The sandbox, made when there is none or when its making was interrupted.  Raises SandboxError."""
    if exists(place):
        if description.read(place.root).complete:
            return Sandbox.load(place.root)
        wipe(place)
    return Sandbox.create(place.root, SERVERS, haproxy=True, cluster=CLUSTER)


def start_servers(sandbox: Sandbox) -> None:
    """Start what is dead, and start again what hangs or has lost its socket.  Raises SandboxError."""
    old = {server.name for server in sandbox.servers if sandbox.pid(server.name) is not None}
    haproxy = haproxy_of(sandbox)
    if process.frozen(haproxy.mark):
        sandbox.kill(haproxy.name)
    for name in sandbox.names:
        sandbox.start(name)
    if not Path(haproxy.stats_socket).exists():
        sandbox.kill(haproxy.name)
        sandbox.start(haproxy.name)
    for server in sandbox.servers:
        if server.name in old and not (network.greets(server.port, _HUNG) and Path(server.socket).exists()):
            sandbox.kill(server.name)
            sandbox.start(server.name)
        sandbox.wait_ready(server.name)
    for entry in sandbox.entries:
        pid, pid_file = sandbox.pid(entry.name), Path(entry.pid_file)
        if pid is not None and process.read_pid(pid_file) != pid:
            pid_file.write_text(f"{pid}\n")


def configure(place: Place, sandbox: Sandbox) -> Settings:
    """repman's configuration, written when there is none, and ``demo.json``.  Raises ConfigError."""
    for directory in (place.datadir, place.rundir):
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    if not place.config.exists():
        (http_port,) = network.free_ports(1)
        write_config(place, sandbox, http_port, new_password())
    settings = read_config(place)
    write_description(place, sandbox, settings)
    return settings


def api_of(settings: Settings) -> Api:
    """A session with the demo's API."""
    account = api_account(settings)
    return Api(Target(api_url(settings), USER, account.password, CLUSTER))


def start_repman(place: Place, settings: Settings) -> Api:
    """Start repman unless it runs and answers.  Raises SandboxError."""
    api = api_of(settings)
    mark = place.mark("serve")
    if process.find_all(mark):
        frozen = any(process.frozen(place.mark(name)) for name in PROCESSES)
        if not frozen and _all_run(place, _HUNG) and _answers(api, _HUNG):
            return api
        stop_repman(place)
    for port in (settings.service.http_port, settings.service.probes_port):
        if not network.port_is_free(port):
            raise SandboxError(f"port {port} is taken by another program; end it, or change {place.config}")
    argv = (sys.executable, "-P", "-m", "repman", "serve", "--config", str(place.config))
    process.spawn(argv, mark, place.pid_file("serve"), place.output)
    if not (_answers(api, _API_WITHIN, lambda: bool(process.find_all(mark))) and _all_run(place, _API_WITHIN)):
        raise SandboxError(
            f"repman does not answer at {api.target.url}; {place.output} ends with: {process.tail(place.output)}; "
            f"{place.log} ends with: {process.tail(place.log)}"
        )
    return api


def stop_repman(place: Place) -> None:
    """End repman's processes, by force when they do not end by themselves.  Raises SandboxError."""
    for name in PROCESSES:
        mark = place.mark(name)
        if process.frozen(mark):
            process.end(mark, signal.SIGKILL, _HUNG)
    for name in PROCESSES:
        mark = place.mark(name)
        if not process.end(mark, signal.SIGTERM, _STOP_WITHIN):
            process.end(mark, signal.SIGKILL, _HUNG)


def become_healthy(api: Api, sandbox: Sandbox, told: Tell) -> tuple[str, ...]:
    """Bootstrap when nothing was set up yet, and wait; returns what is still wrong, empty when all is well."""
    deadline, since = time.monotonic() + HEALTHY_WITHIN, time.time()
    settled = False
    next_try = 0.0
    while wrong := complaints(api, sandbox, since):
        now = time.monotonic()
        if now > deadline:
            return wrong
        told(wrong[0])
        if not settled and now >= next_try:
            settled = _bootstrap(api)
            next_try = now + _BOOTSTRAP_EVERY
        time.sleep(0.2)
    return ()


def wipe(place: Place) -> None:
    """End everything and remove what the demo made; other files are left alone.  Raises SandboxError."""
    stop_repman(place)
    if exists(place):
        Sandbox.destroy_at(place.root)
    for file in (place.config, place.description):
        file.unlink(missing_ok=True)
    shutil.rmtree(place.log.parent, ignore_errors=True)
    if place.root.is_dir() and not any(place.root.iterdir()):
        place.root.rmdir()


def _bootstrap(api: Api) -> bool:
    """Ask repman to set replication up; True when it did, or has nothing to set up."""
    try:
        api.act(f"/api/clusters/{CLUSTER}/actions/replication/bootstrap/master-slave")
    except Refused:
        return True
    except (MonitorDown, ApiUnreachable, RepmanError):
        return False
    return True


def _all_run(place: Place, seconds: float) -> bool:
    """Whether within that time every process of repman lives and is the one that its pid file names."""
    deadline = time.monotonic() + seconds
    while not all(place.runs(name) for name in PROCESSES):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _answers(api: Api, seconds: float, alive: Callable[[], bool] = lambda: True) -> bool:
    deadline = time.monotonic() + seconds
    while alive():
        try:
            api.login()
            return True
        except ApiUnreachable:
            if time.monotonic() > deadline:
                return False
        time.sleep(0.05)
    return False
