"""Jobs that keep tables in order, compare them, and fetch logs: on real servers, through API and worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import World
from jobs_of_worker import SCHEMA, Jobs, jobs_at
from mariadb_stand import Server


@pytest.fixture
def jobs(served: World) -> Iterator[Jobs]:
    with jobs_at(served) as made:
        yield made


def test_logs_are_fetched(served: World, jobs: Jobs) -> None:
    server = served.replicas[0]
    job = jobs.done("backup-error-log", server)
    fetched = Path(str(job.result["file"]))
    assert fetched.is_relative_to(jobs.data)
    assert fetched.read_bytes() in Path(server.entry.log).read_bytes()
    assert b"ready for connections" in fetched.read_bytes()
    assert "slow_query_log on" in jobs.failed("backup-slow-query-log", server).error
    marks = [_slow(server, output) for output in ("FILE", "TABLE")]
    for output, mark in zip(("FILE", "TABLE"), marks, strict=True):
        server.as_root("SET GLOBAL slow_query_log=1", f"SET GLOBAL log_output='{output}'")
        try:
            for path in ("backup-slow-query-log", "backup-slowquery-log"):
                job = jobs.done(path, server)
                assert mark in Path(str(job.result["file"])).read_text()
        finally:
            server.as_root("SET GLOBAL slow_query_log=0", "SET GLOBAL log_output='FILE'")


def _slow(server: Server, output: str) -> str:
    """Have the server log a slow statement there; returns what marks it."""
    mark = f"slow in {output}"
    server.as_root(
        "SET sql_log_bin=0",
        f"SET GLOBAL log_output='{output}'",
        "SET GLOBAL slow_query_log=1",
        "SET slow_query_log=1",
        "SET long_query_time=0.1",
        f"SELECT SLEEP(0.2), '{mark}'",
        "SET GLOBAL slow_query_log=0",
        "SET GLOBAL log_output='FILE'",
    )
    return mark


def test_tables_are_optimized_and_analyzed(served: World, jobs: Jobs) -> None:
    before = {server.address: _own_events(server) for server in served.servers}
    victim = served.replicas[0]
    created = _made(victim)
    ours = "table_type = 'BASE TABLE' AND table_schema NOT IN ('mysql', 'sys', 'performance_schema')"
    (tables,) = victim.run(f"SELECT COUNT(*) FROM information_schema.tables WHERE {ours}")[0]
    assert jobs.done("optimize", victim).result["tables"] == tables >= 2
    assert _made(victim) != created
    jobs.done("analyze", victim)
    answer = jobs.ask("optimize")
    assert answer.status_code == 200, answer.text
    started = [jobs.ended(job) for job in answer.json()["jobs"]]
    assert {job.server for job in started} == {replica.address for replica in served.replicas}
    assert {job.state.value for job in started} == {"done"}
    assert {server.address: _own_events(server) for server in served.servers} == before


def _own_events(server: Server) -> list[str]:
    own = str(server.value("@@server_id"))
    return [part for part in str(server.value("@@gtid_binlog_state")).split(",") if part.split("-")[1:2] == [own]]


def _made(server: Server) -> object:
    """When the table's file was made: OPTIMIZE makes it anew."""
    return (Path(server.entry.datadir) / SCHEMA / "book.ibd").stat().st_ino, server.run(
        f"SELECT create_time FROM information_schema.tables WHERE table_schema='{SCHEMA}' AND table_name='book'"
    )


def test_a_table_that_differs_is_found(served: World, jobs: Jobs) -> None:
    victim = served.replicas[-1]
    with served.traffic(threads=2):
        result = jobs.done("checksum-all-tables").result
        assert (result["equal"], result["different"]) == (True, []), result
        victim.as_root("SET sql_log_bin=0", f"UPDATE {SCHEMA}.book SET title = 'else' WHERE id = 7")
        result = jobs.done("checksum-all-tables").result
    assert result["equal"] is False
    assert [(each["table"], each["server"]) for each in result["different"]] == [(f"{SCHEMA}.book", victim.address)]
    victim.as_root("SET sql_log_bin=0", f"UPDATE {SCHEMA}.book SET title = MD5(7) WHERE id = 7")
    assert jobs.done("checksum-all-tables").result["equal"] is True
