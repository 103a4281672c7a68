"""Live reads of servers over the API, compared with what the servers say themselves."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pymysql
import pytest
import requests
from cluster import World, free_port
from http_api import Api
from mariadb_stand import Server, wait_until
from ssh_stand import Sshd

SCHEMA = "look"


@pytest.fixture(scope="module")
def served(shared_world: World) -> Iterator[World]:
    """The shared cluster with its API, and a few tables."""
    shared_world.standard = {"http_server": True, "http_port": free_port()}
    shared_world.restore()
    writer = shared_world.writer
    writer.write(
        f"CREATE DATABASE {SCHEMA}",
        f"CREATE TABLE {SCHEMA}.small (id INT PRIMARY KEY)",
        f"CREATE TABLE {SCHEMA}.large (id INT PRIMARY KEY, filling CHAR(200))",
        f"INSERT INTO {SCHEMA}.large SELECT seq, REPEAT('x', 200) FROM {SCHEMA}.seq_1_to_2000",
        f"INSERT INTO {SCHEMA}.small VALUES (1), (2), (3)",
    )
    yield shared_world
    shared_world.restore()
    shared_world.writer.write(f"DROP DATABASE {SCHEMA}")
    shared_world.standard = {}
    shared_world.restore()


@pytest.fixture
def api(served: World) -> Iterator[Api]:
    served.healthy()
    yield Api(served)
    served.restore()


def of(server: Server, what: str) -> str:
    return f"servers/{server.entry.name}/{what}"


def named(values: list[dict[str, str]]) -> dict[str, str]:
    """Variables as a mapping; they must come sorted and in upper case."""
    names = [each["variableName"] for each in values]
    assert names == sorted(names) == [name.upper() for name in names]
    return {each["variableName"]: each["value"] for each in values}


def secrets(served: World) -> list[str]:
    found = served.sandbox.description
    return [found.monitor.password, found.replication.password]


@contextlib.contextmanager
def running(server: Server, statement: str) -> Iterator[int]:
    """A statement that runs; yields the number of its session and ends it."""
    connection = server.connect(server.application)
    number = connection.thread_id()

    def run() -> None:
        with contextlib.suppress(pymysql.Error), connection.cursor() as cursor:
            cursor.execute(statement)

    thread = threading.Thread(target=run)
    thread.start()
    shown = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {number} AND INFO IS NOT NULL"
    try:
        wait_until(lambda: server.run(shown) == ((1,),), what="a statement that runs")
        yield number
    finally:
        with contextlib.suppress(pymysql.Error):
            server.run(f"KILL {number}")
        thread.join(10)


def test_the_process_list_shows_what_runs_and_no_password(served: World, api: Api) -> None:
    server, password = served.writer, secrets(served)[1]
    with running(server, f"SELECT SLEEP(30), 'Grüße', '{password}'") as number:
        shown = api.read(of(server, "processlist"))
        mine = next(each for each in shown if each["id"] == number)
        assert mine["user"] == server.application[0]
        assert mine["info"] == {"String": "SELECT SLEEP(30), 'Grüße', '*****'", "Valid": True}
        assert mine["timeMs"]["Float64"] > 0
        assert mine["db"] == {"String": "", "Valid": False}
        assert len(api.read(f"{of(server, 'processlist')}?limit=1")) == 1
        answer = api.get(of(server, "processlist"))
        assert not [secret for secret in secrets(served) if secret in answer.text]
    assert api.get(of(server, "processlist"), limit=0).status_code == 400


def test_variables_and_status_are_those_of_the_server(served: World, api: Api) -> None:
    server = served.replicas[0]
    told = dict(server.run("SHOW GLOBAL VARIABLES"))
    found = named(api.read(of(server, "variables")))
    assert found["SERVER_ID"] == told["server_id"]
    assert found["READ_ONLY"] == "ON"
    assert found.keys() == {name.upper() for name in told}
    status = named(api.read(of(server, "status")))
    assert status.keys() == {name.upper() for name, _ in server.run("SHOW GLOBAL STATUS")}
    assert int(status["UPTIME"]) > 0


def test_the_difference_of_counters_is_that_of_two_reads(served: World, api: Api) -> None:
    server = served.replicas[0]
    api.read(of(server, "status-delta"))
    server.run(*["SELECT SQL_NO_CACHE 1"] * 7)
    answer = api.get(of(server, "status-delta"))
    found = named(answer.json())
    assert 7 <= int(found["COM_SELECT"]) < 1000
    assert float(answer.headers["X-Repman-Seconds"]) > 0
    assert "VERSION" not in found
    assert "0" not in found.values()


def test_the_figures_of_innodb(served: World, api: Api) -> None:
    server = served.writer
    with running(server, f"SELECT SLEEP(30) FROM {SCHEMA}.small FOR UPDATE"):
        found, until = innodb(api, server), time.monotonic() + 10
        while not found["queries_inside_innodb"] and time.monotonic() < until:
            # Who asks again within 0.1 s after anybody (the monitor asks, too) is told what InnoDB knew before.
            threading.Event().wait(0.15)
            found = innodb(api, server)
    assert found.keys() == {
        *("queries_inside_innodb", "queries_in_queue"),
        *("read_views_open_inside_innodb", "history_list_lenght_inside_innodb"),
    }
    assert found["queries_inside_innodb"] >= 1
    assert found["queries_in_queue"] == 0


def innodb(api: Api, server: Server) -> dict[str, int]:
    return {each["variableName"]: int(each["value"]) for each in api.read(of(server, "status-innodb"))}


def test_the_error_log_is_read_also_when_the_server_is_down(served: World, api: Api) -> None:
    server = served.replicas[-1]
    log = api.read(of(server, "errorlog"))
    assert log["len"] == log["line"] == len(log["buffer"])
    assert any("ready for connections" in line["text"] for line in log["buffer"])
    stamps = [line["timestamp"] for line in log["buffer"]]
    assert stamps == sorted(stamps, reverse=True)
    assert {line["level"] for line in log["buffer"]} <= {"INFO", "WARN", "ERROR"}
    served.sandbox.stop(server.entry.name)
    newest = api.read(of(server, "errorlog"))["buffer"][0]
    assert "Shutdown complete" in newest["text"]
    assert api.get(of(server, "errorlog"), limit=2).headers["X-Repman-Truncated"] == "true"


def test_logs_are_fetched_from_another_host_over_ssh(served: World, api: Api, tmp_path: Path) -> None:
    sshd = Sshd(tmp_path)
    sshd.start()
    try:
        served.restarted(
            prov_orchestrator="onpremise",
            sandbox_directory=None,
            onpremise_ssh=True,
            onpremise_ssh_port=sshd.port,
            onpremise_ssh_credential=f"{sshd.access.user}:",
            onpremise_ssh_private_key=str(sshd.private_key),
            onpremise_ssh_known_hosts=str(sshd.known_hosts),
        )
        api, server = Api(served), served.replicas[0]
        answer = api.get(of(server, "errorlog"))
        assert answer.headers["X-Repman-From"] == "file over SSH"
        assert any("ready for connections" in line["text"] for line in answer.json()["buffer"])
        assert api.post(of(server, "actions/toggle-slow-query"), to="on").json()["on"] is True
        with contextlib.closing(server.connect(server.application)) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION long_query_time = 0")
            cursor.execute("SELECT 'over there'")
        answer = api.get(of(server, "slowlog"))
        assert answer.headers["X-Repman-From"] == "file over SSH"
        assert "SELECT 'over there'" in [query["query"] for query in answer.json()]
        assert api.post(of(server, "actions/toggle-slow-query"), to="off").json()["on"] is False
    finally:
        sshd.stop()
    failed = api.get(of(server, "errorlog"))
    assert (failed.status_code, failed.json()["code"]) == (500, "host-failed")


def test_the_slow_query_log_is_read_from_file_and_table(served: World, api: Api) -> None:
    server = served.replicas[0]
    for to in ("off", "on"):
        assert api.post(of(server, "actions/toggle-slow-query-table"), to=to).status_code == 200
        assert api.post(of(server, "actions/toggle-slow-query"), to="on").status_code == 200
        with contextlib.closing(server.connect(server.application)) as connection, connection.cursor() as cursor:
            cursor.execute(f"USE {SCHEMA}")
            cursor.execute("SET SESSION long_query_time = 0")
            for number in (1, 2, 3):
                cursor.execute(f"SELECT COUNT(*) FROM small\nWHERE id > {number} AND '{secrets(served)[0]}' <> ''")
        answer = api.get(of(server, "slowlog"))
        assert answer.headers["X-Repman-From"] == ("table" if to == "on" else "file")
        mine = [query for query in answer.json() if "FROM small" in query["query"]]
        assert len(mine) == 3
        assert {query["shemaName"] for query in mine} == {SCHEMA}
        assert len({query["digest"] for query in mine}) == 1
        assert mine[0]["query"] == "SELECT COUNT(*) FROM small\nWHERE id > 3 AND '*****' <> ''"
        assert [query["execCount"] for query in mine] == [1, 1, 1]
        assert float(mine[0]["execTimeTotal"]) < 5
        assert mine[0]["lastSeen"][:4] == time.strftime("%Y", time.gmtime())
        assert api.read(of(server, "slow-queries")) == answer.json() == api.read(of(server, "slow-query"))
        grouped = api.read(of(server, "digest-statements-slow"))
        group = next(each for each in grouped if each["digest"] == mine[0]["digest"])
        assert group["execCount"] == 3
        assert group["digestText"] == "SELECT COUNT ( * ) FROM small WHERE id > ? AND ? <> ?"
        assert api.post(of(server, "actions/toggle-slow-query"), to="off").json()["on"] is False
    assert api.post(of(server, "actions/toggle-slow-query-table"), to="off").json()["on"] is False
    server.as_root("SET sql_log_bin=0", "TRUNCATE TABLE mysql.slow_log")


@contextlib.contextmanager
def performance_schema(served: World, server: Server) -> Iterator[None]:
    """The server with a performance schema, until the end of the block."""
    path = Path(server.entry.datadir).parent / "server.cnf"
    before = path.read_text()

    def restart() -> None:
        served.sandbox.stop(server.entry.name)
        server.start()
        served.healthy()

    path.write_text(before.replace("performance_schema = 0", "performance_schema = 1"))
    assert path.read_text() != before
    try:
        restart()
        yield
    finally:
        path.write_text(before)
        restart()


def test_statements_of_the_performance_schema(served: World, api: Api) -> None:
    server = served.replicas[0]
    refused = api.get(of(server, "digest-statements-pfs"))
    assert (refused.status_code, refused.json()["code"]) == (409, "performance-schema-off")
    with performance_schema(served, server):
        statement = f"SELECT COUNT(*) FROM {SCHEMA}.large WHERE id <> 17"
        server.write(statement, statement)
        mine = [each for each in api.read(of(server, "digest-statements-pfs")) if f"`{SCHEMA}`" in each["digestText"]]
        assert [each["execCount"] for each in mine] == [2]
        assert (mine[0]["rowsSent"], mine[0]["rowsSentAvg"], mine[0]["rowsScanned"]) == (2, 1, 4000)
        assert float(mine[0]["execTimeTotal"]) > 0
        plan = of(server, f"queries/{mine[0]['digest']}/actions/explain-pfs")
        assert api.get(plan).json()["code"] == "no-text"
        assert api.post(of(server, "actions/toggle-pfs-slow-query"), to="on").json()["on"] is True
        server.write(statement)
        assert api.read(plan)[0]["table"] == {"String": "large", "Valid": True}


def test_statements_are_explained_and_analysed(served: World, api: Api) -> None:
    server = served.replicas[0]
    assert api.post(of(server, "actions/toggle-slow-query"), to="on").json()["on"] is True
    with contextlib.closing(server.connect(server.application)) as connection, connection.cursor() as cursor:
        cursor.execute(f"USE {SCHEMA}")
        cursor.execute("SET SESSION long_query_time = 0")
        cursor.execute("SELECT COUNT(*) FROM large WHERE filling > 'w'")
        cursor.execute("CREATE TEMPORARY TABLE gone (a INT)")
        cursor.execute("INSERT INTO gone VALUES (42)")
    logged = api.read(of(server, "slow-queries"))
    reading = next(each["digest"] for each in logged if "large" in each["query"])
    writing = next(each["digest"] for each in logged if each["query"].startswith("INSERT INTO gone"))
    [row] = api.read(of(server, f"queries/{reading}/actions/explain-slowlog"))
    assert (row["id"], row["table"]["String"], row["type"]["String"]) == (1, "large", "ALL")
    [row] = api.read(of(server, f"queries/{reading}/actions/analyze-slowlog"))
    assert float(row["rRows"]["String"]) == 2000
    refused = api.post(of(server, f"queries/{writing}/actions/analyze-slowlog"))
    assert (refused.status_code, refused.json()["code"]) == (409, "not-a-read")
    assert api.read(of(server, f"queries/{'0' * 32}/actions/explain-slowlog")) is None
    assert api.post(of(server, "actions/toggle-slow-query"), to="off").json()["on"] is False


def test_an_analysis_that_takes_too_long_ends_on_the_server_as_well(served: World, api: Api) -> None:
    server = served.replicas[0]
    assert api.post(of(server, "actions/toggle-slow-query"), to="on").json()["on"] is True
    with contextlib.closing(server.connect(server.application)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION long_query_time = 0")
        cursor.execute("SELECT SLEEP(1.5) AS nap")
    assert api.post(of(server, "actions/toggle-slow-query"), to="off").json()["on"] is False
    [digest] = {each["digest"] for each in api.read(of(server, "slow-queries")) if "nap" in each["query"]}
    late = api.post(of(server, f"queries/{digest}/actions/analyze-slowlog"), seconds=1)
    assert (late.status_code, late.json()["deadline"]) == (504, 1)
    naps = "(SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ANALYZE%')"
    wait_until(lambda: server.value(naps) == 0, 5, "the end of the statement")
    [row] = api.read(of(server, f"queries/{digest}/actions/analyze-slowlog"))
    assert row["id"] == 1


def test_tables_and_schemas(served: World, api: Api) -> None:
    server = served.writer
    server.as_root(f"ANALYZE LOCAL TABLE {SCHEMA}.small, {SCHEMA}.large")
    tables = [each for each in api.read(of(server, "tables")) if each["table_schema"] == SCHEMA]
    assert [each["table_name"] for each in tables] == ["large", "small"]
    assert (tables[0]["engine"], tables[1]["table_rows"]) == ("InnoDB", 3)
    assert "index_length" not in tables[1]
    assert api.read(of(server, "vtables"))[f"{SCHEMA}.large"] == tables[0]
    assert SCHEMA in api.read(of(server, "schemas"))
    assert not {"mysql", "information_schema", "performance_schema", "sys"} & set(api.read(of(server, "schemas")))
    assert api.read("schema") == api.read(of(server, "tables"))
    assert (api.read("queryrules"), api.read("shardclusters")) == ([], {})


def test_replication_in_the_servers_words(served: World, api: Api) -> None:
    writer, replica = served.writer, served.replicas[0]
    assert api.read(of(writer, "all-slaves-status")) == []
    [channel] = api.read(of(replica, "all-slaves-status"))
    told = replica.replica()
    assert channel["masterHost"] == {"String": told["Master_Host"], "Valid": True}
    assert channel["slaveIoRunning"]["String"] == channel["slaveSqlRunning"]["String"] == "Yes"
    assert channel["masterServerId"] == told["Master_Server_Id"]
    assert channel["secondsBehindMaster"]["Valid"] is True
    assert channel["executedGtidSet"]["Valid"] is False
    position = api.read(of(writer, "master-status"))
    [(file, offset, *_)] = writer.run("SHOW MASTER STATUS")
    assert (position["file"], type(position["position"])) == (file, int)
    assert 0 < position["position"] <= offset
    probe = f"/clusters/{served.sandbox.description.cluster}/servers/{writer.entry.name}/master-status"
    assert api.get(probe, token=False).text == "200 -Valid Master!"
    assert api.get(f"/api{probe}", token=False).status_code == 401


def test_locks_and_response_times_come_from_plugins(served: World, api: Api) -> None:
    server = served.replicas[0]
    for read, action in (("meta-data-locks", "meta-data-locks"), ("query-response-time", "query-response-time")):
        missing = api.get(of(server, read))
        assert (missing.status_code, missing.json()["code"]) == (409, "plugin-missing")
        assert f"toggle-{action}" in missing.json()["error"]
        assert api.post(of(server, f"actions/toggle-{action}"), to="on").json()["on"] is True
    with running(server, f"SELECT SLEEP(30) FROM {SCHEMA}.small"):
        locks = api.read(of(server, "meta-data-locks"))
    assert any((lock["lockSchema"]["String"], lock["lockName"]["String"]) == (SCHEMA, "small") for lock in locks)
    times = api.read(of(server, "query-response-time"))
    assert sum(row["count"] for row in times) > 0
    for action in ("meta-data-locks", "query-response-time"):
        assert api.post(of(server, f"actions/toggle-{action}"), to="off").json()["on"] is False


def test_there_is_no_service_template(served: World, api: Api) -> None:
    found = api.read(of(served.writer, "service-opensvc"))
    assert found["available"] is False
    assert "local" in found["reason"]


def test_the_top_of_a_cluster(served: World, api: Api) -> None:
    api.read("top")
    with running(served.writer, "SELECT SLEEP(30)"):
        found = {each["url"]: each for each in api.read("top")}
    assert found.keys() == {server.address for server in served.servers}
    here = found[served.writer.address]
    assert here["processlist"][0]["url"] == served.writer.address
    assert any(process["info"]["String"] == "SELECT SLEEP(30)" for process in here["processlist"])
    assert not [process for process in here["processlist"] if process["command"] == "Sleep"]
    graphs = {
        graph["name"]: {each["name"]: each["value"] for each in graph["data"]} for graph in here["header"]["graphs"]
    }
    assert graphs.keys() == {"Queries", "Rows", "Swap", "Transactions", "Cache Miss"}
    assert graphs["Queries"]["Questions"] > 0
    [only] = api.read(f"top?serverName={served.replicas[0].entry.name}")
    assert only["url"] == served.replicas[0].address
    assert api.get("top", serverName="nobody").text == "Not a Valid Server!"


def test_variables_that_differ(served: World, api: Api) -> None:
    server = served.replicas[0]
    assert api.read("diffvariables") == []
    server.as_root("SET GLOBAL wait_timeout = 4711")
    try:
        [difference] = api.read("diffvariables")
        assert difference["variableName"] == "WAIT_TIMEOUT"
        values = {each["serverName"]: each["variableValue"] for each in difference["diffValues"]}
        assert (len(values), values[server.entry.name]) == (3, "4711")
    finally:
        server.as_root("SET GLOBAL wait_timeout = DEFAULT")


READS = (
    *("processlist", "variables", "status", "status-delta", "status-innodb", "slowlog", "slow-queries", "tables"),
    *("vtables", "schemas", "all-slaves-status", "master-status", "meta-data-locks", "query-response-time"),
    *("digest-statements-pfs", "digest-statements-slow"),
)


def test_unknown_and_dead_servers_are_not_valid(served: World, api: Api) -> None:
    dead = served.replicas[-1]
    served.sandbox.kill(dead.entry.name)
    for read in READS:
        assert api.get(f"servers/nobody/{read}").text == "503 -Not a Valid Server!"
        answer = api.get(of(dead, read))
        assert (answer.status_code, answer.text) == (500, "503 -Not a Valid Server!"), read
    answer = api.call("GET", of(dead, "status"), headers={"Accept": "application/json"})
    assert answer.json()["code"] == "unreachable"
    assert dead.entry.name in answer.json()["error"]


def test_a_frozen_server_delays_nobody_else(served: World, api: Api) -> None:
    """Fifty at once look at a frozen server; probes and looks at the others go on meanwhile."""
    frozen, other = served.replicas[0], served.writer
    began, ended, codes = time.monotonic(), [], []

    def look(_: int) -> requests.Response:
        answer = api.get(of(frozen, "processlist"))
        ended.append(time.monotonic())
        codes.append(answer.status_code)
        return answer

    with served.frozen(frozen), ThreadPoolExecutor(50) as many:
        slow = [many.submit(look, number) for number in range(50)]
        wait_until(lambda: len(codes) >= 30, what="refusals of what is too much")
        probe = f"/clusters/{served.sandbox.description.cluster}/servers/{other.entry.name}/master-status"
        done: list[Any] = []
        while not all(each.done() for each in slow):
            done.append(api.get(probe, token=False).status_code)
            done.append(api.get(of(other, "variables")).status_code)
        answers = [each.result() for each in slow]
    assert set(done) == {200}
    assert len(done) >= 10
    waited = [answer for answer in answers if answer.status_code == 504]
    turned_away = [answer for answer in answers if answer.status_code == 503]
    assert len(waited) + len(turned_away) == 50
    assert 1 <= len(waited) <= 8
    assert waited[0].json()["deadline"] == 3.0
    assert {answer.headers["Retry-After"] for answer in turned_away} == {"1"}
    assert max(ended) - began < 20
