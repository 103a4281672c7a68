"""A cluster to measure: three servers, HAProxy and repman in a directory of their own, as the demo makes them."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from repman.cli import demo_steps
from repman.cli.api import Api
from repman.cli.demo_health import complaints
from repman.cli.demo_place import CLUSTER, Place, haproxy_of, read_config, write_config, write_description
from repman.model.snapshot import PlanView, Snapshot
from repman.orchestrators import network, process
from repman.orchestrators.builder import new_password
from repman.orchestrators.description import ServerEntry
from repman.orchestrators.sandbox import Sandbox

HEALTHY_WITHIN = 90.0
_SABOTAGE = Path(__file__).with_name("sabotage.py")

Options = Mapping[str, str | int | float | bool | list[str]]


@dataclass
class Rig:
    """A running cluster."""

    place: Place
    sandbox: Sandbox
    api: Api

    def snapshot(self) -> Snapshot:
        return self.api.snapshot(CLUSTER)[0]

    def writer(self) -> ServerEntry:
        address = self.snapshot().writer
        return next(server for server in self.sandbox.servers if server.address == address)

    def replicas(self) -> tuple[ServerEntry, ...]:
        writer = self.writer()
        return tuple(server for server in self.sandbox.servers if server.name != writer.name)

    def through_proxy(self, **more: Any) -> pymysql.Connection[Any]:
        haproxy, account = haproxy_of(self.sandbox), self.sandbox.description.application
        return _connect(haproxy.host, haproxy.write_port, account.user, account.password, **more)

    def directly(self, server: ServerEntry, as_monitor: bool = False) -> pymysql.Connection[Any]:
        found = self.sandbox.description
        account = found.monitor if as_monitor else found.application
        return _connect(server.host, server.port, account.user, account.password)

    def heal(self) -> None:
        """Start what is dead and wait until the cluster is healthy and protected; raises TimeoutError."""
        began, end = time.time(), time.monotonic() + HEALTHY_WITHIN
        for server in self.sandbox.servers:
            if self.sandbox.pid(server.name) is None:
                self.sandbox.start(server.name)
        while wrong := complaints(self.api, self.sandbox, since=began):
            if time.monotonic() > end:
                raise TimeoutError(f"not healthy within {HEALTHY_WITHIN:.0f} s: {'; '.join(wrong)}")
            time.sleep(0.1)

    def plan_since(self, wall: float, kind: str, seconds: float = 60.0) -> PlanView:
        """The plan of that kind that began after `wall`, when it has ended; raises TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            plan = self.snapshot().plan
            if plan and plan.kind == kind and plan.started_at >= wall - 0.01 and plan.state != "running":
                return plan
            time.sleep(0.05)
        raise TimeoutError(f"no {kind} ended within {seconds:.0f} s")


@contextlib.contextmanager
def running(options: Options | None = None, sabotage: bool = False) -> Iterator[Rig]:
    """A healthy cluster with these options beside the defaults; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="repman-bench-") as directory, in_memory() as run:
        Path(directory).chmod(0o755)  # the servers' account must reach its files
        place = Place(Path(directory) / "c")
        sandbox = demo_steps.make_sandbox(place)
        place.rundir.parent.mkdir(parents=True)
        place.rundir.symlink_to(run)
        try:
            demo_steps.start_servers(sandbox)
            yield _started(place, sandbox, options or {}, sabotage)
        finally:
            demo_steps.wipe(place)


def in_memory() -> tempfile.TemporaryDirectory[str]:
    """A run directory as ``/run`` is on an installed system: in memory."""
    return tempfile.TemporaryDirectory(prefix="repman-bench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)


def _started(place: Place, sandbox: Sandbox, options: Options, sabotage: bool) -> Rig:
    place.datadir.mkdir(parents=True, exist_ok=True)
    (port,) = network.free_ports(1)
    write_config(place, sandbox, port, new_password())
    with open(place.config, "a") as file:  # the cluster's section is the last one
        file.writelines(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    settings = read_config(place)
    write_description(place, sandbox, settings)
    command = (str(_SABOTAGE),) if sabotage else ("-P", "-m", "repman")
    argv = (sys.executable, *command, "serve", "--config", str(place.config))
    process.spawn(argv, place.mark("serve"), place.pid_file("serve"), place.output)
    rig = Rig(place, sandbox, demo_steps.api_of(settings))
    if wrong := demo_steps.become_healthy(rig.api, sandbox, lambda words: None):
        raise TimeoutError("; ".join(wrong))
    return rig


def _connect(host: str, port: int, user: str, password: str, **more: Any) -> pymysql.Connection[Any]:
    return pymysql.connect(
        host=host, port=port, user=user, password=password, autocommit=True, connect_timeout=2, **more
    )
