"""Differences, bounds and secrecy: what is done with what a server has told."""

from __future__ import annotations

import pytest

from repman.errors import LookFailed
from repman.inspection.compare import differences
from repman.inspection.counters import Change, Reading, Readings, change, follows
from repman.inspection.secrecy import Secrecy
from repman.inspection.size import WHOLE, bounded, wished


def test_counters_that_changed() -> None:
    old = Reading(10.0, {"UPTIME": "5", "QUERIES": "18446744073709551610", "RATE": "1.5", "ON": "ON", "SAME": "3"})
    new = Reading(
        12.5, {"UPTIME": "7", "QUERIES": "18446744073709551615", "RATE": "2.5", "ON": "OFF", "SAME": "3", "NEW": "1"}
    )
    assert change(old, new) == Change(2.5, {"UPTIME": 2, "QUERIES": 5})
    gauge = Reading(13.0, {"UPTIME": "8", "QUERIES": "18446744073709551600"})
    assert change(new, gauge).differences["QUERIES"] == -15


def test_a_server_that_was_restarted_is_read_anew() -> None:
    assert follows(Reading(0, {"UPTIME": "5"}), Reading(9, {"UPTIME": "14"}))
    assert not follows(Reading(0, {"UPTIME": "500"}), Reading(9, {"UPTIME": "2"}))
    readings = Readings()
    values = iter(({"UPTIME": "1", "A": "1"}, {"UPTIME": "2", "A": "4"}, {"UPTIME": "3", "A": "9"}))
    first = readings.change("s", lambda: next(values))
    assert (first.differences["A"], first.seconds >= 1.0) == (3, True)
    assert readings.change("s", lambda: next(values)).differences["A"] == 5
    readings.forget(lambda key: key == "other")
    values = iter(({"UPTIME": "4", "A": "9"}, {"UPTIME": "5", "A": "10"}))
    assert readings.change("s", lambda: next(values)).differences["A"] == 1


def test_rows_and_text_are_bounded() -> None:
    assert bounded([{"a": "1"}, {"a": "2"}], 2) == {"rows": [{"a": "1"}, {"a": "2"}], "truncated": False}
    assert bounded([{"a": "1"}, {"a": "2"}], 1) == {"rows": [{"a": "1"}], "truncated": True}
    long = [{"a": "x" * (WHOLE // 2)}] * 3
    assert len(bounded(long, 10)["rows"]) == 1
    assert bounded(long, 10)["truncated"] is True


@pytest.mark.parametrize("text", ["0", "5001", "-1", "a", "1.5", "²", "99999999999"])
def test_a_number_of_rows_that_cannot_be(text: str) -> None:
    with pytest.raises(LookFailed) as refused:
        wished({"limit": text})
    assert (refused.value.status, refused.value.code) == ("refused", "bad-argument")


def test_our_passwords_are_hidden_however_they_are_written() -> None:
    secrecy = Secrecy(("it's-long \\ enough", "short", ""))
    assert secrecy.text("MASTER_PASSWORD='it''s-long \\ enough'") == "MASTER_PASSWORD='*****'"
    assert secrecy.text("MASTER_PASSWORD='it\\'s-long \\\\ enough', x") == "MASTER_PASSWORD='*****', x"
    assert secrecy.text("with it's-long \\ enough in it") == "with ***** in it"
    assert secrecy.text("a short word, IDENTIFIED BY 'short' or \"short\"") == (
        "a short word, IDENTIFIED BY '*****' or \"*****\""
    )
    document = {"rows": [{"info": "SET x = 'short'", "id": 3, "db": None}], "truncated": False}
    assert secrecy.document(document) == {
        "rows": [{"info": "SET x = '*****'", "id": 3, "db": None}],
        "truncated": False,
    }
    assert Secrecy(("", "")).text("anything") == "anything"


def test_variables_that_differ_for_no_good_reason() -> None:
    found = differences(
        {
            "a": {"SERVER_ID": "1", "READ_ONLY": "OFF", "WAIT_TIMEOUT": "10", "SAME": "x", "ONLY_A": "1"},
            "b": {"SERVER_ID": "2", "READ_ONLY": "ON", "WAIT_TIMEOUT": "20", "SAME": "x"},
        }
    )
    assert found == [
        {"variable": "ONLY_A", "values": {"a": "1", "b": None}},
        {"variable": "WAIT_TIMEOUT", "values": {"a": "10", "b": "20"}},
    ]
    assert differences({}) == differences({"a": {"X": "1"}}) == []
