"""The scenarios that can be played on a cluster: their names and what they show.

Most names are replication-manager's, because programs call them by these; what is shown is the same, but semi-sync
stays as the cluster's configuration has it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario."""

    name: str
    shows: str
    """What holds when it passes."""
    kills: bool = False
    """It ends server processes, which an orchestrator must control."""
    servers: int = 2
    """Fewest servers it needs."""


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "testSwitchover2TimesReplicationOkSemiSyncNoRplCheck",
        "Under writes the writer moves twice; each time all others replicate from it and nothing acknowledged is lost.",
    ),
    Scenario(
        "testSwitchoverBackPreferedMasterNoRplCheckSemiSync",
        "The writer moves away and back: it ends where it began.",
    ),
    Scenario("testSwitchoverReadOnlyNoRplCheck", "After a switchover every server but the writer is read-only."),
    Scenario(
        "testSwitchoverLongTrxWithoutCommitNoRplCheckNoSemiSync",
        "A transaction that stays open does not let a switchover hang: it ends in its time, and nothing is lost.",
    ),
    Scenario(
        "testSwitchoverLongQueryNoRplCheckNoSemiSync",
        "While a long write runs on the writer a switchover is refused and the writer stays.",
    ),
    Scenario(
        "testFailoverNoRplChecksNoSemiSync", "The writer is killed and another server takes the writes.", kills=True
    ),
    Scenario(
        "testFailoverAssyncAutoRejoinNowrites",
        "Without any write the killed writer comes back as a replica.",
        kills=True,
    ),
    Scenario(
        "testFailoverSemisyncAutoRejoinSafeMSXMSM",
        "The writer is killed under writes and comes back later: it follows the new one, and all data are equal.",
        kills=True,
    ),
    Scenario(
        "testFailoverSemisyncAutoRejoinSafeMSMXMS",
        "A replica is killed under writes and comes back: the writer is the same, and all data are equal.",
        kills=True,
        servers=3,
    ),
    Scenario(
        "testFailoverSemisyncAutoRejoinMSSXMSXXMSXMSSM",
        "Two writers are killed one after the other; the first comes back, then the second: all data are equal.",
        kills=True,
        servers=3,
    ),
    Scenario(
        "testFailoverSemisyncAutoRejoinMSSXMSXXMXSMSSM",
        "Two writers are killed one after the other; the second comes back, then the first: all data are equal.",
        kills=True,
        servers=3,
    ),
    Scenario(
        "testFailoverSemisyncSlavekilledAutoRejoin",
        "A replica is killed, then the writer; both come back and follow the same writer.",
        kills=True,
        servers=3,
    ),
    Scenario(
        "testClusterKilledAndBack",
        "All servers are killed at once under writes and started again: nothing acknowledged is lost.",
        kills=True,
    ),
)

NAMES: tuple[str, ...] = tuple(scenario.name for scenario in SCENARIOS)


def find(name: str) -> Scenario | None:
    """The scenario of that name, upper and lower case being the same; None when there is none."""
    return next((scenario for scenario in SCENARIOS if scenario.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one scenario ended."""

    name: str
    result: str
    """``PASS``, ``FAIL`` (what it shows does not hold) or ``ERR`` (it could not be played)."""
    sentence: str
    seconds: float
    acknowledged: int = 0
    """Writes that were acknowledged while it was played."""
    lost: int = 0
    """Those of them that were not found on the writer afterwards."""
    longest_gap: float = 0.0
    """Longest time between two acknowledgements, in seconds."""
