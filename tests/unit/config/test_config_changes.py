"""Changing settings at run time: checked as a whole, kept with author and time, giving way to newer files."""

from __future__ import annotations

import os
import stat
import threading
import tomllib

import pytest

from repman.config import load, read
from repman.config.changes import Wish, change, forget_outdated, given
from repman.config.findings import Layer
from repman.config.live import Live
from repman.config.secrets import make_key
from repman.config.settings import Credential
from repman.errors import ConfigError, SettingFixed, UnknownSetting

NOW = "2026-11-21T05:30:00Z"


def changed(configured, name, value, cluster="c1", author="alice", flags=()):
    source = load(configured.main, flags, {})[0].source
    maker = value if callable(value) or value is None else given(value)
    return change(source, [Wish(cluster, name, maker)], author, NOW)


def setting(configured, name, cluster="c1"):
    merged, findings = read(configured.main, (), {})
    assert findings.mistakes == ()
    return (merged.clusters[cluster] if cluster else merged.service)[name]


def files(configured):
    return {path: path.read_bytes() for path in configured.directory.rglob("*.toml")}


def saved(configured, cluster="c1"):
    return configured.directory / "data" / cluster / f"{cluster}.toml"


def test_a_change_over_a_default_is_kept_with_author_and_time(configured):
    configured.cluster()
    changed(configured, "failover-limit", "7")
    found = setting(configured, "failover-limit")
    assert (found.value, found.author, found.changed_at) == (7, "alice", NOW)
    assert found.origin.layer is Layer.OVERRIDE
    assert configured.load()[0].clusters[0].policy.failover_limit == 7


def test_a_change_wins_over_a_file_until_the_file_says_something_else(configured):
    configured.cluster('failover-mode = "automatic"\n')
    changed(configured, "failover-mode", "manual")
    assert not configured.load()[0].clusters[0].policy.automatic_failover
    configured.cluster('# another line\nfailover-mode = "automatic"\n')
    assert setting(configured, "failover-mode").value == "manual"
    changed(configured, "failover-limit", 3)
    configured.cluster('failover-mode = "automatic"\nfailover-limit = 4\n')
    assert setting(configured, "failover-limit").value == 4, "the file has come to speak of it, so it is newer"
    assert setting(configured, "failover-mode").value == "manual"
    _, warnings = configured.load()
    assert any("failover-limit by alice" in warning and "not used any more" in warning for warning in warnings)


def test_a_change_that_gave_way_can_be_forgotten_for_good(configured):
    configured.cluster("failover-limit = 1\n")
    changed(configured, "failover-limit", 3)
    changed(configured, "failover-mode", "manual")
    configured.cluster("failover-limit = 2\n")
    forget_outdated(configured.load()[0].source)
    configured.cluster("failover-limit = 1\n")
    assert setting(configured, "failover-limit").value == 1
    assert setting(configured, "failover-mode").value == "manual"


def test_back_to_what_the_file_says_leaves_nothing_behind(configured):
    configured.cluster('failover-mode = "automatic"\n')
    changed(configured, "failover-mode", "manual")
    changed(configured, "interactive", "false")
    assert setting(configured, "failover-mode").origin.layer is Layer.MAIN
    assert tomllib.loads(saved(configured).read_text()) == {}


def test_a_change_can_be_cleared(configured):
    configured.cluster()
    changed(configured, "failover-limit", 7)
    changed(configured, "failover-max-slave-delay", 9)
    changed(configured, "failover-limit", None)
    assert setting(configured, "failover-limit").origin.layer is Layer.DEFAULT
    assert setting(configured, "failover-max-slave-delay").value == 9


def test_what_was_saved_plainly_before_is_kept_beside_it(configured):
    configured.cluster()
    configured.write("[c1]\nfailcount = 4\nmaxdelay = 11\n", "data/c1/c1.toml")
    changed(configured, "failover-max-slave-delay", 12)
    assert setting(configured, "failover-max-slave-delay").value == 12
    assert tomllib.loads(saved(configured).read_text())["c1"]["failcount"] == 4
    assert "maxdelay" not in saved(configured).read_text()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("failover-limit", "many", "is not a number"),
        ("failover-limit", "-1", "out of range"),
        ("failover-mode", "sometimes", "none of automatic, manual"),
        ("failover-drain-timeout", "500", "is longer than failover-timeout"),
        ("db-servers-hosts", "db1:3306,db1:3306", "twice"),
        ("db-servers-ignored-hosts", "db1,db2,db3", "names every server"),
        ("db-servers-credential", "root:new", "repman keygen"),
    ],
)
def test_a_bad_value_changes_nothing(configured, name, value, told):
    configured.cluster()
    changed(configured, "failover-time-limit", 5)
    before = files(configured)
    with pytest.raises(ConfigError, match=told) as raised:
        changed(configured, name, value)
    assert files(configured) == before
    assert "root:new" not in str(raised.value)


def test_a_secret_is_saved_encrypted_and_gives_way_like_any_other(configured):
    key = configured.directory / "key"
    configured.cluster(default=f'monitoring-key-path = "{key}"\n')
    make_key(key)
    changed(configured, "db-servers-credential", "root:brand-new")
    assert "brand-new" not in saved(configured).read_text()
    assert "pw-of-repman" not in saved(configured).read_text()
    assert configured.load()[0].clusters[0].database == Credential("root", "brand-new")
    configured.write(configured.main.read_text().replace("pw-of-repman", "pw-of-tomorrow"))
    assert configured.load()[0].clusters[0].database == Credential("repman", "pw-of-tomorrow")


def test_every_mistake_of_several_wishes_is_told(configured):
    configured.cluster()
    wishes = [Wish("c1", "failover-limit", given("x")), Wish("c1", "fence-timeout", given("y"))]
    with pytest.raises(ConfigError) as raised:
        change(configured.load()[0].source, wishes, "alice", NOW)
    assert len(raised.value.mistakes) == 2
    assert not (configured.directory / "data" / "c1").exists()


@pytest.mark.parametrize(
    ("name", "cluster", "told"),
    [
        ("failover-limti", "c1", "did you mean failover-limit"),
        ("proxysql-port", "c1", "not used by repman"),
        ("http-port", "c1", "whole installation"),
        ("failover-limit", "", "one of a cluster"),
    ],
)
def test_unknown_names_say_why(configured, name, cluster, told):
    configured.cluster()
    before = files(configured)
    with pytest.raises(UnknownSetting, match=told):
        changed(configured, name, "1", cluster)
    assert files(configured) == before


def test_what_a_flag_gives_is_not_changed(configured):
    configured.cluster()
    with pytest.raises(SettingFixed, match="--set failover-limit, which always wins"):
        changed(configured, "failover-limit", 3, flags=["failover-limit=2"])
    assert not (configured.directory / "data").exists() or not saved(configured).exists()


def test_the_file_is_private_and_no_draft_stays(configured):
    configured.cluster()
    changed(configured, "failover-limit", 3)
    assert stat.S_IMODE(saved(configured).stat().st_mode) == 0o600
    assert [path.name for path in saved(configured).parent.iterdir()] == ["c1.toml"]


def test_changes_at_the_same_time_are_all_kept(configured):
    configured.cluster()
    source = configured.load()[0].source
    flip = {
        "autorejoin": False,
        "force-slave-readonly": False,
        "failover-restart-fenced": False,
        "monitoring-pause": True,
    }

    def one(name, value):
        change(source, [Wish("c1", name, given(value))], "alice", NOW)

    threads = [threading.Thread(target=one, args=pair) for pair in flip.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: setting(configured, name).value for name in flip} == flip


def test_a_process_follows_a_change_and_keeps_what_needs_a_restart(configured):
    configured.cluster(default='monitoring-rundir = "run"\n')
    live = Live(configured.load()[0])
    heard = []
    live.on_change(heard.append)
    changed(configured, "failover-limit", 3)
    assert live.settings.clusters[0].policy.failover_limit == 0, "nobody was told yet"
    live.announce()
    assert live.known.clusters[0].policy.failover_limit == 0
    assert live.settings.clusters[0].policy.failover_limit == 3
    changed(configured, "http-port", 12345, cluster="")
    live.announce()
    assert live.settings.service.http_port == 10001
    assert live.settings.service.options["http-port"] == 12345
    assert live.restart_needed() == ("http-port",)
    assert live.restart_needed("c1") == ()
    assert len(heard) == 2


def test_a_broken_file_is_not_followed(configured):
    configured.cluster(default='monitoring-rundir = "run"\n')
    live = Live(configured.load()[0])
    configured.write("[Default]\nnonsense = 1\n")
    with pytest.raises(ConfigError, match="nonsense"):
        live.announce()
    assert live.settings.clusters[0].policy.name == "c1"
    with pytest.raises(ConfigError, match="nonsense"):
        live.reload()
    configured.cluster("failover-limit = 5\n", default='monitoring-rundir = "run"\n')
    assert live.reload().clusters[0].policy.failover_limit == 5


def test_who_looks_late_goes_on_with_what_was_found_good(configured):
    """Not with what stands in the files by then, which nobody has asked for yet."""
    configured.cluster(default='monitoring-rundir = "run"\n')
    first, late = Live(configured.load()[0]), Live(configured.load()[0])
    configured.cluster("failover-limit = 5\n", default='monitoring-rundir = "run"\n')
    first.announce()
    for draft in ("nonsense = 1\n", "failover-limit = 6\n"):
        configured.cluster(draft, default='monitoring-rundir = "run"\n')
        if "nonsense" in draft:
            with pytest.raises(ConfigError, match="nonsense"):
                late.reload()
        assert late.settings.clusters[0].policy.failover_limit == 5, draft
    mark = configured.main.parent / "run" / "configuration"
    os.utime(mark, ns=(0, mark.stat().st_mtime_ns - 10**9))
    assert Live(configured.load()[0]).settings.clusters[0].policy.failover_limit == 6, "who begins reads the files"
    assert mark.stat().st_mode & 0o777 == 0o600


def test_who_begins_follows_what_was_found_good_while_it_read(configured):
    configured.cluster(default='monitoring-rundir = "run"\n')
    loaded = configured.load()[0]
    configured.cluster("failover-limit = 5\n", default='monitoring-rundir = "run"\n')
    Live(configured.load()[0]).announce()
    assert Live(loaded).settings.clusters[0].policy.failover_limit == 5


def test_a_cluster_comes_and_goes(configured):
    configured.cluster(default='monitoring-rundir = "run"\n')
    live = Live(configured.load()[0])
    text = configured.main.read_text()
    configured.write(
        text + '[c2]\ndb-servers-hosts = "x"\ndb-servers-credential = "u:p"\nreplication-credential = "u:p"\n'
    )
    assert [cluster.policy.name for cluster in live.reload().clusters] == ["c1", "c2"]
    assert live.restart_needed("c2") == ()
    configured.write(text)
    assert [cluster.policy.name for cluster in live.reload().clusters] == ["c1"]


def test_nobody_goes_on_with_what_is_outdated_while_it_is_read(configured):
    configured.cluster()
    live = Live(configured.load()[0])
    seen = []

    def look_from_elsewhere(settings):
        other = threading.Thread(target=lambda: seen.append(live.settings), daemon=True)
        other.start()
        other.join(0.2)
        seen.append("the listener has ended")

    live.on_change(look_from_elsewhere)
    configured.cluster("failover-limit = 9\n")
    live.announce()
    assert live.settings.clusters[0].policy.failover_limit == 9
    assert seen[0] == "the listener has ended"
