"""What links look like in a terminal, and what their process is told of the configuration."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from repman.cli import link_screens, link_watching
from repman.cli.link_run import assignment, process_name, serve
from repman.cli.link_screens import Rates, pace
from repman.config.settings import ServiceSettings, Settings
from repman.config.settings_link import LinkSettings
from repman.errors import ConfigError
from repman.link.namespaces import Everything
from repman.link.options import TargetData, WriteBlocking

MB = 1_000_000
SIDE = {"address": "a:1", "ping_ms": 2}


def link(**more: Any) -> dict[str, Any]:
    """A link that copies."""
    return {
        "name": "shop",
        "dialect": "percona",
        "listens": "127.0.0.1:2242",
        "up": True,
        "state": "running",
        "last_state": "running",
        "phase": "cloning",
        "error": "",
        "at": 1.0,
        "source": {"name": "source", **SIDE},
        "target": {"name": "target", **SIDE, "ping_ms": -1},
        "total_bytes": 100 * MB,
        "copied_bytes": 20 * MB,
        "progress": 0.2,
        "clone_completed": False,
        "initial_sync_completed": False,
        "finalize_completed": False,
        "lag_seconds": 3,
        "events_read": 7,
        "events_applied": 5,
        "last_applied": "",
        "collections_done": 1,
        "collections_total": 4,
        "indexes_built": 0,
        "indexes_total": 0,
        "can_write": False,
        "oplog_seconds_left": 7265.0,
        "catch_up_seconds": None,
        "reversible": False,
        "warnings": [],
        "unsuccessful_indexes": [],
        **more,
    }


def printed(thing: Any) -> str:
    screen = StringIO()
    Console(width=200, file=screen).print(thing)
    return screen.getvalue()


def test_while_it_copies_bytes_rate_and_time_left_are_told() -> None:
    rates = Rates()
    assert pace(link(total_bytes=0, progress=None), rates) == ""
    rates.look(link(copied_bytes=10 * MB), 100.0)
    assert pace(link(copied_bytes=10 * MB), rates) == "10.0 MB of 100.0 MB"
    rates.look(link(), 105.0)
    assert pace(link(), rates) == "20.0 MB of 100.0 MB, 2.0 MB/s, 0:40 left"


def test_when_everything_is_copied_the_lag_is_told() -> None:
    rates = Rates()
    done = {"clone_completed": True, "copied_bytes": 100 * MB, "phase": "replicating"}
    rates.look(link(**done, events_applied=0), 0.0)
    rates.look(link(**done, events_applied=500), 5.0)
    told = pace(link(**done, events_applied=500, catch_up_seconds=61.0), rates)
    assert told == "100.0 MB copied, lag 3 s, 100 events/s, caught up in 1:01"
    assert pace(link(**done, state="paused", lag_seconds=None), rates) == "100.0 MB copied"


def test_rates_are_those_of_the_last_seconds_and_begin_anew_with_the_link() -> None:
    rates = Rates()
    for second in range(100):
        rates.look(link(copied_bytes=second * MB if second < 50 else (50 + 3 * (second - 50)) * MB), float(second))
    assert rates.bytes == pytest.approx(3 * MB)
    rates.look(link(copied_bytes=0), 100.0)
    assert rates.bytes == 0.0


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0:00"), (61.0, "1:01"), (7265.0, "2:01:05")])
def test_durations(seconds: float, told: str) -> None:
    assert link_screens.duration(seconds) == told


def test_a_line_of_the_list_has_what_matters() -> None:
    told = printed(link_screens.links([link(), link(name="gone", up=False, state="down", error="no route")]))
    assert "running, cloning" in told
    assert "20%" in told
    assert "percona 127.0.0.1:2242" in told
    assert told.count("3 s") == 1, "the lag of a process that does not run is not known"
    assert "no route" in told
    assert "no links" in printed(link_screens.links([]))


def test_one_link_with_all_that_is_known() -> None:
    index = {"namespace": "shop.orders", "name": "by_day", "kind": "failed", "reason": "too many keys"}
    told = printed(link_screens.link(link(warnings=["short oplog"], unsuccessful_indexes=[index], error="boom")))
    for part in ("link shop: running, cloning", "a:1 (2 ms)", "a:1 (does not answer)", "1 of 4", "2:01:05", "boom"):
        assert part in told
    assert "warning: short oplog" in told
    assert "index by_day of shop.orders: failed: too many keys" in told


def test_when_watching_ends() -> None:
    assert not link_watching.consistent(link())
    assert not link_watching.consistent(link(state="down")), "it comes back"
    assert link_watching.consistent(link(initial_sync_completed=True))
    assert link_watching.consistent(link(state="failed"))
    assert not link_watching.finalized(link(state="finalized"))
    assert link_watching.finalized(link(state="finalized", finalize_completed=True))
    assert link_watching.finalized(link(state="failed"))
    assert not link_watching.over(link())
    assert link_watching.over(link(state="failed"))


def settings(tmp_path: Path, **more: Any) -> Settings:
    made = LinkSettings("shop", "mongodb://u:pw@a:1", "mongodb://u:pw@b:2", **more)
    return Settings(ServiceSettings(tmp_path / "data", tmp_path / "run"), (), (made,))


def test_what_the_process_is_told(tmp_path: Path) -> None:
    wanted = settings(
        tmp_path,
        bind="::1",
        port=9,
        token="t",
        automatic=True,
        include=("shop.*",),
        exclude=("shop.secrets",),
        replace_target=True,
        write_blocking="both",
        reversible=True,
        verify=True,
    )
    work = assignment(wanted, wanted.links[0])
    assert (work.name, work.face.listens, work.automatic) == ("shop", "[::1]:9", True)
    assert (work.face.source.address, work.face.target.address) == ("a:1", "b:2")
    assert (work.listener.host, work.listener.port, work.listener.token) == ("::1", 9, "t")
    assert work.socket == tmp_path / "run" / "link-shop.sock"
    options = work.options
    assert (options.target_data, options.write_blocking) == (TargetData.REPLACE, WriteBlocking.BOTH)
    assert (options.reversible, options.verify) == (True, True)
    assert options.selection.selects("shop", "orders")
    assert not options.selection.selects("shop", "secrets")
    assert not options.selection.selects("other", "orders")
    assert work.namespaces.include_namespaces == ["shop.*"]
    assert "pw" not in repr(work)


def test_by_default_everything_is_carried_and_nothing_on_the_target_is_lost(tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    options = assignment(wanted, wanted.links[0]).options
    assert options.selection == Everything()
    assert options.target_data is TargetData.REFUSE
    assert options.write_blocking is WriteBlocking.NONE


def test_a_link_that_is_not_configured_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no link other: add a section \[links.other\]; configured: shop"):
        serve(settings(tmp_path), "other")
    assert process_name("shop") == "link-shop"
