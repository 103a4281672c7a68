"""Logs as MariaDB writes them, read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from repman.errors import LookFailed
from repman.inspection.digest import Entry, digest, group, pattern
from repman.inspection.logfiles import Line, error_log, slow_log
from repman.inspection.logs import Logs
from repman.maintenance.logs import place_of
from repman.model.job import JobKind

ERRORS = """2026-11-21  5:53:46 0 [Note] Starting MariaDB 10.11.19
2026-11-21 15:53:47 12 [Warning] Aborted connection 12 to db: 'a'
2026-11-21 15:53:48 0 [ERROR] mysqld got signal 11 ;
Thread pointer: 0x0
stack_bottom = 0x0

2026-11-21 15:53:49 0x7f [Note] InnoDB: here again
"""

SLOW = """/usr/sbin/mariadbd, Version: 10.11.19-MariaDB-log (Debian 12). started with:
Tcp port: 3306  Unix socket: /run/mysqld.sock
Time\t\t    Id Command\tArgument
# Time: 261121  5:54:14
# User@Host: app[app] @ localhost []
# Thread_id: 12  Schema: shop  QC_hit: No
# Query_time: 1.500068  Lock_time: 0.000100  Rows_sent: 3  Rows_examined: 900
# Rows_affected: 0  Bytes_sent: 11
# Full_scan: Yes  Full_join: No  Tmp_table: Yes  Tmp_table_on_disk: No
#
# explain: id\tselect_type\ttable
# explain: 1\tSIMPLE\tt
#
use shop;
SET timestamp=1795240454;
select *
from t
# a comment of the statement
where a = 'x';
# User@Host: root[root] @ localhost []
# Thread_id: 13  Schema:   QC_hit: No
# Query_time: 0.250000  Lock_time: 0.000000  Rows_sent: 0  Rows_examined: 0
SET timestamp=1795240455;
SET timestamp=5;
"""


def test_the_error_log() -> None:
    assert error_log(ERRORS) == [
        Line("2026/11/21 05:53:46", "INFO", "Starting MariaDB 10.11.19"),
        Line("2026/11/21 15:53:47", "WARN", "Aborted connection 12 to db: 'a'"),
        Line("2026/11/21 15:53:48", "ERROR", "mysqld got signal 11 ;\nThread pointer: 0x0\nstack_bottom = 0x0"),
        Line("2026/11/21 15:53:49", "INFO", "InnoDB: here again"),
    ]
    assert error_log("") == []
    assert error_log("the end of something\nmore of it") == [Line("", "INFO", "the end of something\nmore of it")]


def test_the_slow_query_log() -> None:
    first, second = slow_log(SLOW)
    assert first == Entry(
        at="2026-11-21 05:54:14",
        user="app",
        schema="shop",
        seconds=1.500068,
        locked=0.0001,
        sent=3,
        examined=900,
        statement="select *\nfrom t\n# a comment of the statement\nwhere a = 'x'",
        full_scan=True,
        temporary=True,
        temporary_on_disk=False,
    )
    assert (second.user, second.schema, second.seconds, second.full_scan) == ("root", "", 0.25, None)
    assert (second.at, second.statement) == ("2026-11-21 05:54:15", "SET timestamp=5")


def test_a_slow_query_log_that_was_cut_at_both_ends() -> None:
    lines = SLOW.splitlines()
    [only] = slow_log("\n".join(lines[15:]))
    assert only.user == "root"
    [only] = slow_log("\n".join(lines[:20]))
    assert only.user == "app"
    assert list(slow_log("")) == list(slow_log("nonsense\n# more nonsense")) == []


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("select * from t where a in (1, 2,3) and b='x''y' -- end", "select * from t where a in ( ? , ... ) and b = ?"),
        ("insert into t values (1,'a'),(2,NULL)", "insert into t values ( ? , ... ) , ..."),
        ("SELECT `a 1`.x1, 1.5e3, 0xFF /* hi */ LIMIT 10;", "SELECT `a 1` . x1 , ? , ? LIMIT ?"),
        ("select 'it\\'s' <> \"a\"", "select ? <> ?"),
        ("", ""),
        ("'never closed", "' never closed"),
    ],
)
def test_the_pattern_of_a_statement(statement: str, wanted: str) -> None:
    assert pattern(statement) == wanted


def test_the_digest_tells_patterns_and_schemas_apart() -> None:
    assert digest("a", "SELECT 1") == digest("a", "select  2 -- two")
    assert digest("a", "SELECT 1") != digest("b", "SELECT 1")
    assert digest("a", "SELECT 1") != digest("a", "SELECT x")
    assert len(digest("", "")) == 32


def test_a_long_statement_has_a_digest_quickly() -> None:
    assert len(digest("a", "SELECT '" + "\\'" * 500_000)) == 32


def entry(statement: str, seconds: float, at: str = "") -> Entry:
    return Entry(at, "u", "s", seconds, 0.0, 1, 10, statement)


def test_statements_of_one_pattern_are_one_group() -> None:
    many = [entry("SELECT 1", 1.0, "2026-01-02"), entry("SELECT 2", 2.0, "2026-01-01"), entry("SELECT a", 9.0)]
    slowest, other = group(many)
    assert (slowest.pattern, slowest.count) == ("SELECT a", 1)
    assert (other.count, other.seconds, other.longest, other.examined) == (2, 3.0, 2.0, 20)
    assert other.last.statement == "SELECT 1"


def test_without_the_file_there_is_the_copy_that_a_job_has_fetched(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "shop", "db1:3306", None)
    with pytest.raises(LookFailed, match=r"set onpremise-ssh$") as refused:
        logs.errors({})
    assert (refused.value.status, refused.value.code) == ("refused", "no-copy")
    copy = place_of(tmp_path, "shop", "db1:3306", JobKind.ERROR_LOG)
    copy.parent.mkdir(parents=True)
    copy.write_text(ERRORS)
    found = logs.errors({"limit": "1"})
    assert (found["rows"][0]["text"], found["truncated"]) == ("InnoDB: here again", True)
    assert found["from"].startswith("copy of 20")
