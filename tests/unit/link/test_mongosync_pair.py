from __future__ import annotations

import pytest
from mongosync_stand import CLUSTER0, CLUSTER1, URIS, Stand, status

from repman.errors import LinkFailed, LinkRefused, LinkTaken
from repman.link.mongosync.names import PLACE
from repman.link.status import State

BACKWARD = {"source": "cluster1", "destination": "cluster0"}
AT_WORK_BACKWARD = status(source=CLUSTER1, target=CLUSTER0)


def calls(stand: Stand, source: str) -> list[str]:
    return [name for name, _ in stand.links[source].asked]


def test_the_first_direction_is_from_cluster0() -> None:
    stand = Stand()
    stand.pair.open()
    assert list(stand.links) == ["cluster0"]
    assert stand.link.uris == URIS
    assert stand.link.names == ("cluster0", "cluster1")
    assert stand.link.place is PLACE
    assert stand.link.asked == [("open", True)]
    stand.pair.close()
    assert not stand.link.is_open


def test_a_start_the_other_way_takes_the_other_link() -> None:
    stand = Stand()
    stand.pair.open()
    assert stand.post("start", BACKWARD).json == {"success": True}
    assert stand.links["cluster1"].uris == (URIS[1], URIS[0])
    assert stand.links["cluster1"].names == ("cluster1", "cluster0")
    assert stand.links["cluster1"].asked[0] == ("open", False)
    assert calls(stand, "cluster1") == ["open", "start"]
    assert calls(stand, "cluster0") == ["open"]
    assert not stand.links["cluster0"].is_open
    assert stand.pair.status().source.name == "cluster1"


def test_a_start_the_other_way_that_is_refused_can_be_made_this_way() -> None:
    stand = Stand()
    stand.pair.open()
    stand.post("start", BACKWARD)
    backward = stand.links["cluster1"]
    assert stand.post("start", {"source": "cluster0", "destination": "cluster1"}).json == {"success": True}
    assert not backward.is_open
    assert calls(stand, "cluster0") == ["open", "start"]


def test_when_the_other_way_cannot_be_opened_this_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand()
    stand.pair.open()
    forward = stand.link
    make = stand.pair._make_link

    def failing(*given: object) -> object:
        made = make(*given)  # type: ignore[arg-type]
        made.refusal = LinkTaken("another process works on this link")  # type: ignore[attr-defined]
        return made

    monkeypatch.setattr(stand.pair, "_make_link", failing)
    answer = stand.post("start", BACKWARD)
    assert answer.json is not None
    assert (answer.status_code, answer.json["error"]) == (500, "InternalError")
    assert forward.is_open
    assert stand.pair.status() is forward.now


def test_what_was_started_the_other_way_is_found_again() -> None:
    stand = Stand(kept_on_cluster0=True, cluster1=AT_WORK_BACKWARD)
    stand.pair.open()
    assert stand.pair.status() is AT_WORK_BACKWARD
    assert not stand.links["cluster0"].is_open
    assert stand.links["cluster1"].is_open


def test_a_link_that_is_at_work_is_not_looked_for_elsewhere() -> None:
    stand = Stand(kept_on_cluster0=True, cluster0=status(), cluster1=AT_WORK_BACKWARD)
    stand.pair.open()
    assert list(stand.links) == ["cluster0"]


def test_a_place_without_a_run_does_not_turn_the_pair() -> None:
    stand = Stand(kept_on_cluster0=True)
    stand.pair.open()
    assert stand.pair.status() is stand.link.now
    assert stand.link.is_open
    assert not stand.links["cluster1"].is_open


def test_after_a_reversal_the_link_itself_has_changed_its_sides() -> None:
    stand = Stand(cluster0=AT_WORK_BACKWARD)
    stand.pair.open()
    assert stand.post("pause").json == {"success": True}
    assert list(stand.links) == ["cluster0"]


def test_a_failed_link_goes_on_when_the_program_is_started_again() -> None:
    stand = Stand(cluster0=status(State.FAILED, error="change replication: network"))
    stand.pair.open()
    assert stand.link.asked == [("open", True), ("resume", True)]


@pytest.mark.parametrize("refusal", [LinkRefused("never-replicated", "no"), LinkFailed("still broken")])
def test_a_failed_link_that_cannot_go_on_is_shown(refusal: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(cluster0=status(State.FAILED, error="clone: no"))

    def refusing(from_failure: bool = False) -> None:
        raise refusal

    monkeypatch.setattr(stand.link, "resume", refusing)
    stand.pair.open()
    assert stand.client().get("/api/v1/progress").status_code == 500
