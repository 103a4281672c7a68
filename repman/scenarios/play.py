"""Plays one scenario and says how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable

import pymysql

from repman.errors import RepmanError
from repman.model.scenario import Scenario, Verdict
from repman.scenarios import deaths, moves
from repman.scenarios.field import Field
from repman.scenarios.ground import Unmet, Unplayable

PLAYS: dict[str, Callable[[Field], None]] = {
    "testSwitchover2TimesReplicationOkSemiSyncNoRplCheck": moves.twice_under_writes,
    "testSwitchoverBackPreferedMasterNoRplCheckSemiSync": moves.there_and_back,
    "testSwitchoverReadOnlyNoRplCheck": moves.others_read_only,
    "testSwitchoverLongTrxWithoutCommitNoRplCheckNoSemiSync": moves.with_open_transaction,
    "testSwitchoverLongQueryNoRplCheckNoSemiSync": moves.with_long_write,
    "testFailoverNoRplChecksNoSemiSync": deaths.writer_dies,
    "testFailoverAssyncAutoRejoinNowrites": deaths.writer_dies_without_writes,
    "testFailoverSemisyncAutoRejoinSafeMSXMSM": deaths.writer_returns_late,
    "testFailoverSemisyncAutoRejoinSafeMSMXMS": deaths.replica_dies,
    "testFailoverSemisyncAutoRejoinMSSXMSXXMSXMSSM": deaths.two_writers_die_first_returns_first,
    "testFailoverSemisyncAutoRejoinMSSXMSXXMXSMSSM": deaths.two_writers_die_second_returns_first,
    "testFailoverSemisyncSlavekilledAutoRejoin": deaths.replica_then_writer_die,
    "testClusterKilledAndBack": deaths.all_die,
}


def play(scenario: Scenario, field: Field, servers: int) -> Verdict:
    """Play it from a healthy cluster and leave a healthy cluster; `servers` is how many are configured."""
    began = time.monotonic()
    result, sentence = "PASS", scenario.shows
    try:
        _require(scenario, field, servers)
        field.healthy()
        PLAYS[scenario.name](field)
    except Unmet as error:
        result, sentence = "FAIL", str(error)
    except (RepmanError, pymysql.Error, OSError) as error:
        result, sentence = "ERR", str(error)
    try:
        field.tidy()
    except (RepmanError, pymysql.Error, OSError) as error:
        result, sentence = "ERR" if result == "PASS" else result, f"{sentence}; and it left a mess: {error}"
    figures = field.played.figures() if field.played is not None else None
    return Verdict(
        scenario.name,
        result,
        sentence,
        round(time.monotonic() - began, 3),
        figures.acknowledged if figures else 0,
        field.lost,
        figures.longest_gap if figures else 0.0,
    )


def _require(scenario: Scenario, field: Field, servers: int) -> None:
    if servers < scenario.servers:
        raise Unplayable(f"it needs {scenario.servers} servers, and the cluster has {servers}")
    if scenario.kills and not field.controls_all():
        raise Unplayable("it kills servers, and no orchestrator controls all of them: set prov-orchestrator")
