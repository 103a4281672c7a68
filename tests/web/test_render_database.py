"""What a server tells keeps its value on the way to the client: numbers exact, NULL marked."""

from __future__ import annotations

from repman.web.render import database, statements, top

LARGEST = "18446744073709551615"


def process(**more: str | None) -> dict[str, str | None]:
    plain: dict[str, str | None] = {
        **{"id": LARGEST, "user": "app", "host": "h:1", "db": None, "command": "Query", "time": "3"},
        **{"time_ms": "3004.125", "state": "", "info": "SELECT 1", "progress": "0.000", "examined_rows": "7"},
    }
    return {**plain, **more}


def test_a_process() -> None:
    assert database.render_process(process(), "db1:3306") == {
        "id": int(LARGEST),
        "user": "app",
        "host": "h:1",
        "db": {"String": "", "Valid": False},
        "command": "Query",
        "time": {"Float64": 3.0, "Valid": True},
        "timeMs": {"Float64": 3004.125, "Valid": True},
        "state": {"String": "", "Valid": True},
        "info": {"String": "SELECT 1", "Valid": True},
        "progress": {"Float64": 0.0, "Valid": True},
        "rowsSent": 0,
        "rowsExamined": 7,
        "url": "db1:3306",
    }


def test_a_table_leaves_out_what_is_zero() -> None:
    row = {
        **{"table_schema": "s", "table_name": "t", "engine": "InnoDB"},
        **{"table_rows": LARGEST, "data_length": "0", "index_length": None},
    }
    assert database.render_table(row) == {
        "table_schema": "s",
        "table_name": "t",
        "engine": "InnoDB",
        "table_rows": int(LARGEST),
    }


def test_a_channel_of_a_server_that_knows_little() -> None:
    found = database.render_channel(
        {"master_host": "db1", "master_server_id": "4294967295", "seconds_behind_master": None}
    )
    assert found["masterHost"] == {"String": "db1", "Valid": True}
    assert found["executedGtidSet"] == {"String": "", "Valid": False}
    assert found["secondsBehindMaster"] == {"Int64": 0, "Valid": False}
    assert found["masterServerId"] == 4294967295


def test_times_of_the_performance_schema_are_seconds() -> None:
    row = dict.fromkeys(
        (
            *("sum_select_scan", "sum_created_tmp_disk_tables", "sum_created_tmp_tables"),
            *("sum_errors", "sum_warnings"),
        ),
        "1",
    )
    found = statements.render_digest(
        {
            **row,
            **{"digest": "d", "sample": None, "digest_text": "SELECT ?", "schema_name": None, "last_seen": "now"},
            **{"count_star": "4", "sum_timer_wait": "2000000000000", "avg_timer_wait": "500000000000"},
            **{"max_timer_wait": "1500000000000", "sum_rows_sent": "10", "sum_rows_examined": LARGEST},
        }
    )
    assert (found["execTimeTotal"], found["value"]) == ("2.000000", "2.000000")
    assert (found["execTimeMax"], found["execTimeAvgMs"]) == (
        {"Float64": 1.5, "Valid": True},
        {"Float64": 500.0, "Valid": True},
    )
    assert (found["rowsSentAvg"], found["rowsScanned"], found["shemaName"]) == (2, int(LARGEST), "")


def test_a_figure_of_top_is_the_sum_of_its_counters() -> None:
    found = {
        "seconds": 2.0004,
        "differences": {"HANDLER_READ_KEY": 3, "HANDLER_READ_NEXT": 4},
        "processes": [process()],
    }
    shown = top.render_top("db1", "db1:3306", found)
    rows = next(graph for graph in shown["header"]["graphs"] if graph["name"] == "Rows")
    assert rows["data"][0] == {"name": "Reads", "value": 7}
    assert (shown["seconds"], shown["processlist"][0]["url"]) == (2.0, "db1:3306")
