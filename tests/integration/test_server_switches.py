"""Small acts on servers over the API: what they change is read on the server, and none leaves an event on a replica."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pymysql
import pytest
from cluster import World
from http_api import Api
from mariadb_stand import Server, wait_until
from test_server_reads import of, performance_schema, running, secrets


@pytest.fixture
def replica(served: World) -> Iterator[Server]:
    """A replica, which must get no event of its own (it may have been the writer once) and stay closed."""
    served.healthy()
    server = served.replicas[0]
    before = own_events(server)
    yield server
    assert own_events(server) == before
    assert server.value("@@global.read_only") == 1
    served.restore()


@pytest.fixture
def api(replica: Server, served: World) -> Api:
    return Api(served)


def own_events(server: Server) -> int:
    """How many transactions with its own id the server has ever written."""
    number = server.value("@@global.server_id")
    gtids = str(server.value("@@global.gtid_binlog_state")).split(",")
    return sum(int(gtid.split("-")[2]) for gtid in gtids if gtid and gtid.split("-")[1] == str(number))


def thrown(api: Api, server: Server, name: str, is_on: Callable[[], bool]) -> None:
    """Throw a switch in each way there is, looking at the server after each."""
    begun = is_on()
    for word in ("toogle", "toggle"):
        answer = api.post(of(server, f"actions/{word}-{name}"))
        assert answer.status_code == 200, answer.text
        assert answer.json()["on"] is is_on() is (not begun if word == "toogle" else begun)
        assert answer.json()["server"] == server.address
    for to, changes in (("on", not begun), ("on", False), ("off", True), ("off", False)):
        answer = api.get(of(server, f"actions/toggle-{name}"), to=to)
        assert (answer.json()["on"], answer.json()["changed"]) == (to == "on", changes)
        assert is_on() is (to == "on")
    wrong = api.post(of(server, f"actions/toggle-{name}"), to="sideways")
    assert (wrong.status_code, is_on()) == (400, False)
    assert api.post(f"servers/nobody/actions/toogle-{name}").text == "Server Not Found"


def test_switches_of_variables(api: Api, replica: Server) -> None:
    thrown(api, replica, "innodb-monitor", lambda: replica.value("@@global.innodb_status_output") == 1)
    thrown(api, replica, "slow-query", lambda: replica.value("@@global.slow_query_log") == 1)
    thrown(api, replica, "slow-query-table", lambda: replica.value("@@global.log_output") == "TABLE")


def test_every_statement_is_captured_and_the_time_comes_back(api: Api, replica: Server) -> None:
    def now() -> float:
        return float(replica.value("@@global.long_query_time"))

    answer = api.post(of(replica, "actions/set-long-query-time/0.75"))
    assert (answer.json()["long_query_time"], now()) == (0.75, 0.75)
    captured = api.post(of(replica, "actions/toogle-slow-query-capture")).json()
    assert (captured["on"], captured["long_query_time"], now()) == (True, 0.0, 0.0)
    assert captured["slow_query_log"] is False
    assert api.post(of(replica, "actions/toggle-slow-query-capture"), to="on").json()["changed"] is False
    released = api.post(of(replica, "actions/toogle-slow-query-capture")).json()
    assert (released["on"], now()) == (False, 0.75)
    for wrong in ("-1", "a", "1e9", "99999999"):
        assert api.post(of(replica, f"actions/set-long-query-time/{wrong}")).status_code == 400
    assert now() == 0.75
    assert api.post(of(replica, "actions/set-long-query-time/10")).json()["long_query_time"] == 10


def test_plugins_are_installed_and_taken_out(api: Api, replica: Server) -> None:
    def has(name: str) -> bool:
        active = f"(SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = '{name}' AND PLUGIN_STATUS = 'ACTIVE')"
        return bool(replica.value(active) == 1)

    thrown(api, replica, "meta-data-locks", lambda: has("METADATA_LOCK_INFO"))
    thrown(api, replica, "query-response-time", lambda: has("QUERY_RESPONSE_TIME"))
    thrown(api, replica, "sql-error-log", lambda: has("SQL_ERROR_LOG"))


def test_a_missing_right_is_named(api: Api, served: World, replica: Server) -> None:
    user = served.sandbox.description.monitor.user
    replica.as_root("SET sql_log_bin=0", f"REVOKE SUPER ON *.* FROM '{user}'@'%'")
    try:
        answer = api.post(of(replica, "actions/toggle-slow-query"), to="on")
    finally:
        replica.as_root("SET sql_log_bin=0", f"GRANT SUPER ON *.* TO '{user}'@'%'")
    assert (answer.status_code, answer.json()["code"]) == (500, "right-missing")
    assert "SUPER" in answer.json()["error"]
    assert replica.value("@@global.slow_query_log") == 0


def test_the_performance_schema_keeps_and_forgets_statements(api: Api, served: World, replica: Server) -> None:
    refused = api.post(of(replica, "actions/toggle-pfs-slow-query"))
    assert (refused.status_code, refused.json()["code"]) == (409, "performance-schema-off")
    counted = "(SELECT COUNT(*) FROM performance_schema.events_statements_summary_by_digest WHERE COUNT_STAR > 1000)"
    kept = (
        "(SELECT COUNT(*) FROM performance_schema.setup_consumers "
        "WHERE NAME = 'events_statements_history_long' AND ENABLED = 'YES')"
    )
    with performance_schema(served, replica):
        thrown(api, replica, "pfs-slow-query", lambda: replica.value(kept) == 1)
        replica.run(*["DO 1"] * 1001)
        assert replica.value(counted) >= 1
        assert api.post(of(replica, "actions/reset-pfs-queries")).json()["reset"] is True
        assert replica.value(counted) == 0


def test_logs_are_flushed_without_an_event(api: Api, replica: Server) -> None:
    before = replica.run("SHOW MASTER STATUS")[0][0]
    answer = api.post(of(replica, "actions/flush-logs")).json()
    assert answer["file"] == replica.run("SHOW MASTER STATUS")[0][0] > before


def test_sessions_are_killed_and_never_our_own(api: Api, served: World, replica: Server) -> None:
    def lives(number: int) -> bool:
        return bool(replica.value(f"(SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {number})") == 1)

    with running(replica, "SELECT SLEEP(30)") as number:
        answer = api.post(of(replica, f"queries/{number}/actions/kill-query"))
        assert (answer.json()["id"], answer.json()["user"]) == (number, replica.application[0])
        ended = f"(SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {number} AND INFO IS NULL)"
        wait_until(lambda: replica.value(ended) == 1, what="the end of the statement")
        assert api.post(of(replica, f"queries/{number}/actions/kill-thread")).status_code == 200
        wait_until(lambda: not lives(number), what="the end of the session")
    gone = api.post(of(replica, f"queries/{number}/actions/kill-thread"))
    assert (gone.status_code, gone.json()["code"]) == (404, "no-session")
    own = served.sandbox.description.monitor.user
    others = f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER IN ('{own}', 'system user')"
    protected = [row[0] for row in replica.run(f"{others} AND ID <> CONNECTION_ID()")]
    assert len(protected) >= 2
    for session in protected:
        refused = api.post(of(replica, f"queries/{session}/actions/kill-thread"))
        assert (refused.status_code, refused.json()["code"]) == (409, "own-session")
        assert lives(session)
    writer = served.writer
    dump = writer.run("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'")[0][0]
    assert api.post(of(writer, f"queries/{dump}/actions/kill-query")).json()["code"] == "own-session"
    assert api.post(of(replica, "queries/1 OR 1/actions/kill-thread")).status_code == 400


def test_the_wait_for_the_purge_ends(api: Api, served: World, replica: Server) -> None:
    assert api.post(of(replica, "actions/wait-innodb-purge"), seconds=20).json()["history_list_length"] == 0
    writer = served.writer
    writer.write("CREATE DATABASE purging", "CREATE TABLE purging.t (id INT PRIMARY KEY, a INT)")
    try:
        writer.write("INSERT INTO purging.t VALUES (1, 1)")
        old = writer.connect(writer.application)
        with contextlib.closing(old), old.cursor() as cursor:
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            writer.write(*["UPDATE purging.t SET a = a + 1"] * 5)
            late = api.post(of(writer, "actions/wait-innodb-purge"), seconds=2)
        assert (late.status_code, late.json()["code"]) == (500, "not-purged")
        assert "old transactions" in late.json()["error"]
    finally:
        writer.write("DROP DATABASE purging")


def test_the_answers_hold_no_password_of_ours(api: Api, served: World, replica: Server) -> None:
    """Also when somebody writes it into a statement that fails, which the server then repeats."""
    password = secrets(served)[0]
    connection = replica.connect(replica.application)
    with contextlib.closing(connection), connection.cursor() as cursor:
        with pytest.raises(pymysql.Error):
            cursor.execute(f"SELECT `{password}`")
        with running(replica, f"SELECT SLEEP(30) AS `{password}`"):
            for read in ("processlist", "errorlog", "variables", "slowlog"):
                assert password not in api.get(of(replica, read)).text
