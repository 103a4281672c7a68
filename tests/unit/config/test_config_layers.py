from __future__ import annotations

import pytest

from repman.config import read
from repman.config.findings import Layer


def tick(configured, *overrides, environ=None, cluster="c1"):
    return configured.load(*overrides, environ=environ)[0].cluster(cluster).policy.tick


def test_each_layer_wins_over_those_below(configured):
    configured.cluster()
    configured.write("[Default]\nmonitoring-ticker = 11\n", "data/default.toml")
    assert tick(configured) == 11
    configured.write("[c1]\nmonitoring-ticker = 12\n", "data/c1/c1.toml")
    assert tick(configured) == 12
    configured.cluster(default='include = "inc"\n')
    configured.write("[Default]\nmonitoring-ticker = 13\n", "inc/a.toml")
    assert tick(configured) == 13
    configured.cluster(default='include = "inc"\nmonitoring-ticker = 14\n')
    assert tick(configured) == 14
    configured.write("[c1]\nmonitoring-ticker = 15\n", "inc/b.toml")
    assert tick(configured) == 15
    configured.cluster("monitoring-ticker = 16\n", default='include = "inc"\nmonitoring-ticker = 14\n')
    assert tick(configured) == 16
    environ = {"REPMAN_MONITORING_TICKER": "17"}
    assert tick(configured, environ=environ) == 17
    environ["REPMAN_C1_MONITORING_TICKER"] = "18"
    assert tick(configured, environ=environ) == 18
    assert tick(configured, "monitoring-ticker=19", environ=environ) == 19
    assert tick(configured, "monitoring-ticker=19", "c1.monitoring-ticker=20", environ=environ) == 20
    assert tick(configured, "c1.monitoring-ticker=20", "c1.monitoring-ticker=21", environ=environ) == 21


def test_a_saved_setting_never_wins_over_a_file_and_that_is_said(configured):
    configured.cluster(default="monitoring-ticker = 3\n")
    configured.write("[c1]\nmonitoring-ticker = 12\n", "data/c1/c1.toml")
    settings, warnings = configured.load()
    assert settings.clusters[0].policy.tick == 3
    assert any(
        "c1.toml:2: the saved monitoring-ticker is not used" in warning and "main.toml:3" in warning
        for warning in warnings
    )


def test_what_replication_manager_saved_is_read(configured):
    configured.cluster()
    configured.write("[saved-default]\nmonitoring-ticker = 11\nproxysql = true\n", "data/default.toml")
    assert tick(configured) == 11
    configured.write("[saved-c1]\nmonitoring-ticker = 12\n", "data/c1/c1.toml")
    assert tick(configured) == 12


def test_saved_settings_of_clusters_that_are_gone_are_ignored(configured):
    configured.cluster()
    configured.write("[old]\nmonitoring-ticker = 12\n", "data/old/old.toml")
    configured.write("[old]\nmonitoring-ticker = 12\n", "data/c1/c1.toml")
    assert [cluster.policy.name for cluster in configured.load()[0].clusters] == ["c1"]


def test_the_data_directory_may_come_from_the_environment(configured):
    configured.cluster()
    configured.write("[Default]\nmonitoring-ticker = 11\n", "elsewhere/default.toml")
    environ = {"REPMAN_MONITORING_DATADIR": str(configured.directory / "elsewhere")}
    assert tick(configured, environ=environ) == 11


def test_clusters_of_the_include_directory(configured):
    configured.cluster(default='include = "inc"\n')
    configured.write(
        '[c2]\ndb-servers-hosts = "x"\ndb-servers-credential = "u:p"\nreplication-credential = "u:p"\n',
        "inc/c2.toml",
    )
    configured.write("not toml at all", "inc/README.txt")
    names = [cluster.policy.name for cluster in configured.load()[0].clusters]
    assert names == ["c1", "c2"]


def test_include_may_stand_before_the_first_section(configured):
    configured.cluster()
    configured.write('include = "inc"\n' + configured.main.read_text())
    configured.write("[c1]\nmonitoring-ticker = 5\n", "inc/a.toml")
    assert tick(configured) == 5


def test_an_include_directory_that_holds_the_main_file(configured):
    configured.cluster(default='include = "."\n')
    configured.write("[c1]\nmonitoring-ticker = 5\n", "other.toml")
    settings, _ = configured.load()
    assert settings.clusters[0].policy.tick == 5
    assert settings.service.options["include"] == str(configured.directory)


def test_cluster_names_in_environment_and_flags(configured):
    configured.cluster(name='"my.cluster-1"')
    environ = {"REPMAN_MY_CLUSTER_1_FAILOVER_MODE": "manual"}
    settings, _ = configured.load("my.cluster-1.monitoring-ticker=2", environ=environ)
    policy = settings.clusters[0].policy
    assert (policy.tick, policy.automatic_failover) == (2.0, False)


def test_variables_of_commands_are_no_options(configured):
    configured.cluster()
    environ = {"REPMAN_CONFIG": "x", "REPMAN_USER": "me", "REPMAN_PASSWORD": "pw-of-me", "HOME": "/"}
    settings, warnings = configured.load(environ=environ)
    assert settings.clusters[0].database.user == "repman"
    assert not any("REPMAN" in warning for warning in warnings)


def test_an_unknown_variable_is_reported_with_a_suggestion(configured):
    configured.cluster()
    _, warnings = configured.load(environ={"REPMAN_FAILOVER_LIMTI": "3"})
    assert any("REPMAN_FAILOVER_LIMTI" in warning and "failover-limit?" in warning for warning in warnings)


def test_a_variable_that_may_mean_two_clusters_is_a_mistake(configured):
    configured.cluster()
    configured.main.write_text(configured.main.read_text() + "[a-b]\n[a_b]\n")
    told = configured.mistakes(environ={"REPMAN_A_B_FAILOVER_MODE": "manual"})
    assert any("may mean any of cluster a-b, cluster a_b" in mistake for mistake in told)


def test_origins(configured):
    configured.cluster("monitoring-ticker = 5\n", default="failover-limit = 3\n")
    configured.write("[c1]\nfailover-time-limit = 9\n", "data/c1/c1.toml")
    environ = {"REPMAN_FAILOVER_MODE": "manual"}
    merged, _ = read(configured.main, ["c1.fence-timeout=1"], environ)
    settings = merged.clusters["c1"]
    origins = {name: (setting.origin.layer, str(setting.origin)) for name, setting in settings.items()}
    main = configured.main
    assert origins["monitoring-ticker"] == (Layer.MAIN, f"{main}:8")
    assert origins["failover-limit"] == (Layer.MAIN, f"{main}:3")
    assert origins["failover-time-limit"] == (Layer.SAVED, f"{configured.directory}/data/c1/c1.toml:2")
    assert origins["failover-mode"] == (Layer.ENVIRONMENT, "environment variable REPMAN_FAILOVER_MODE")
    assert origins["fence-timeout"] == (Layer.FLAG, "--set c1.fence-timeout")
    assert origins["autorejoin"] == (Layer.DEFAULT, "default")


def test_relative_paths_are_relative_to_where_they_are_written(configured, monkeypatch, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(elsewhere)
    configured.cluster(default='log-file = "a.log"\n')
    assert configured.load()[0].service.log_file == configured.directory / "a.log"
    assert configured.load("log-file=b.log")[0].service.log_file == elsewhere / "b.log"


@pytest.mark.parametrize("flag", ["monitoring-ticker", "=3", "c1.=3"])
def test_malformed_flags(configured, flag):
    configured.cluster()
    assert any("write --set name=value" in mistake for mistake in configured.mistakes(flag))


def test_a_flag_for_an_unknown_cluster(configured):
    configured.cluster()
    assert configured.mistakes("c9.monitoring-ticker=3") == ("--set c9.monitoring-ticker: there is no cluster c9",)


def test_the_default_places(configured, monkeypatch):
    from repman.config import load
    from repman.errors import ConfigError

    monkeypatch.chdir(configured.directory)
    configured.cluster()
    assert load(None, (), {"REPMAN_CONFIG": "main.toml"})[0].clusters[0].policy.name == "c1"
    configured.main.rename(configured.directory / "repman.toml")
    assert load(None, (), {})[0].clusters[0].policy.name == "c1"
    monkeypatch.setattr("repman.config.DEFAULT_PATHS", (configured.directory / "none.toml",))
    with pytest.raises(ConfigError, match="there is no configuration file"):
        load(None, (), {})
