"""CPU that looking at servers costs the monitor's process: microseconds per server and look, as one JSON object.

    python bench/observe.py [--looks 300] [--rounds 5]

Measured on a real three-server cluster: servers without replication, replicating and idle, and replicating
under writes (where positions change with every look and nothing can be kept from the previous one).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pymysql

from repman.engines.mariadb import MariadbCluster
from repman.model.plan import Step, StepKind
from repman.orchestrators.sandbox import Sandbox

PERIOD = 0.005


def measure(driver: MariadbCluster, looks: int, rounds: int) -> dict[str, object]:
    """Process time of `looks` looks, `rounds` times over; the pause between two looks is not idle-free."""
    samples, durations = [], []
    for _ in range(rounds):
        used = 0
        for _ in range(looks):
            before, start = time.thread_time_ns(), time.perf_counter_ns()
            seen = driver.observe(1.0)
            used += time.thread_time_ns() - before
            durations.append((time.perf_counter_ns() - start) / 1e6)
            assert all(one.answered for one in seen), seen
            time.sleep(PERIOD)
        samples.append(round(used / 1000 / looks / len(seen), 1))
    return {
        "cpu_us_per_server_and_look": {"median": statistics.median(samples), "samples": samples},
        "look_ms": {
            "p50": round(statistics.median(durations), 2),
            "p99": round(statistics.quantiles(durations, n=100)[98], 2),
        },
    }


def bootstrap(driver: MariadbCluster, addresses: Sequence[str]) -> None:
    """One writer, the others its replicas."""
    steps = [Step(StepKind.PROMOTE, addresses[0])]
    steps += [Step(StepKind.FOLLOW, address, addresses[0]) for address in addresses[1:]]
    for step in [*steps, Step(StepKind.OPEN, addresses[0])]:
        outcome = driver.perform(step, 5.0, lambda: None)
        if not outcome.ok:
            raise SystemExit(outcome.detail)


def write(sandbox: Sandbox, until: threading.Event) -> None:
    """Commit small transactions on the first server."""
    account = sandbox.description.application
    connection = pymysql.connect(
        host=sandbox.servers[0].host,
        port=sandbox.servers[0].port,
        user=account.user,
        password=account.password,
        autocommit=True,
        ssl_disabled=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE bench")
        cursor.execute("CREATE TABLE bench.t (id INT PRIMARY KEY AUTO_INCREMENT)")
        while not until.is_set():
            cursor.execute("INSERT INTO bench.t VALUES ()")


def main() -> None:
    """Make a sandbox, measure, print, destroy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="repman-bench-") as directory:
        Path(directory).chmod(0o755)
        place = Path(directory) / "s"
        sandbox = Sandbox.create(place, 3, haproxy=False, cluster="bench")
        try:
            sandbox.start_all()
            print(json.dumps(run(sandbox, arguments.looks, arguments.rounds)))
        finally:
            Sandbox.destroy_at(place)


def run(sandbox: Sandbox, looks: int, rounds: int) -> dict[str, object]:
    """All three situations, one after the other."""
    found = sandbox.description
    addresses = [server.address for server in sandbox.servers]
    driver = MariadbCluster(
        "bench",
        addresses,
        (found.monitor.user, found.monitor.password),
        (found.replication.user, found.replication.password),
        heartbeat_period=0.5,
        connect_timeout=1.0,
    )
    try:
        result: dict[str, object] = {"bench": "observe", "servers": len(addresses), "version": found.version}
        driver.observe(2.0)
        result["no_replication"] = measure(driver, looks, rounds)
        bootstrap(driver, addresses)
        result["replicating_idle"] = measure(driver, looks, rounds)
        end = threading.Event()
        writer = threading.Thread(target=write, args=(sandbox, end))
        writer.start()
        try:
            result["replicating_under_writes"] = measure(driver, looks, rounds)
        finally:
            end.set()
            writer.join()
        return result
    finally:
        driver.close()


if __name__ == "__main__":
    main()
