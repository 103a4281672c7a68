from __future__ import annotations

import time
from pathlib import Path

import pytest

from repman.config import load
from repman.config.option import MASK
from repman.model.policy import UnackedPolicy, UnknownFencePolicy

SAMPLE = Path(__file__).parents[3] / "etc" / "repman.toml.sample"


def test_a_small_file_gives_the_documented_defaults(configured):
    configured.cluster()
    settings, _ = configured.load()
    policy = settings.clusters[0].policy
    assert (policy.name, policy.tick, policy.automatic_failover) == ("c1", 1.0, True)
    assert (policy.failover_limit, policy.heartbeat_period, policy.answer_timeout) == (0, 0.5, 1.0)
    assert policy.semi_sync
    assert policy.unacked is UnackedPolicy.BLOCK
    assert policy.unknown_fence is UnknownFencePolicy.SEMI_SYNC
    assert settings.service.http_port == 10001
    assert settings.service.api_users == ()
    assert settings.clusters[0].haproxies == ()


def test_every_option_reaches_the_settings(configured):
    configured.cluster(
        """
db-servers-names = "a,b,c"
db-servers-prefered-master = "c, a"
db-servers-ignored-hosts = ["b"]
db-servers-ignored-readonly = "db2:3306"
db-servers-connect-timeout = 0.7
db-servers-read-timeout = 0.8
replication-multi-tier-slave = true
force-slave-heartbeat-time = 0.25
force-slave-readonly = false
monitoring-ticker = 0.2
monitoring-inventory-interval = 30
monitoring-pause = true
failover-mode = "manual"
failover-limit = 7
failover-time-limit = 8
failover-max-slave-delay = -1
failover-silence-periods = 4
failover-unknown-fence = "proceed"
failover-restart-fenced = false
fence-timeout = 1.5
failover-drain-timeout = 50
failover-timeout = 100
semi-sync-unacked-policy = "degrade"
semi-sync-degrade-after = 4.5
switchover-timeout = 9
switchover-max-slave-delay = 3
switchover-wait-write-query = 6
autorejoin = false
proxy-servers-read-on-master = true
proxy-servers-read-on-master-no-slave = false
probes-stale-policy = "fail"
probes-stale-max = 5
prov-orchestrator = "local"
sandbox-directory = "box"
haproxy = true
haproxy-servers = "127.0.0.1,[::1]"
haproxy-write-port = 4000
haproxy-read-port = 4001
haproxy-runtime-socket = "/run/a.sock,/run/b.sock"
haproxy-api-write-backend = "w"
haproxy-api-read-backend = "r"
"""
    )
    cluster = configured.load()[0].clusters[0]
    policy = cluster.policy
    assert [server.name for server in policy.servers] == ["a", "b", "c"]
    assert [server.preferred for server in policy.servers] == [1, None, 0]
    assert [server.electable for server in policy.servers] == [True, False, True]
    assert [server.keep_read_only_alone for server in policy.servers] == [False, True, False]
    assert all(server.controlled for server in policy.servers)
    assert (cluster.connect_timeout, policy.answer_timeout, policy.multi_tier) == (0.7, 0.8, True)
    assert (policy.heartbeat_period, policy.enforce_read_only, policy.tick) == (0.25, False, 0.2)
    assert (cluster.inventory_every, policy.paused, policy.automatic_failover) == (30.0, True, False)
    assert (policy.failover_limit, policy.failover_time_limit, policy.max_lag) == (7, 8.0, -1.0)
    assert (policy.silence_periods, policy.unknown_fence, policy.restart_fenced) == (4, "proceed", False)
    assert (policy.fence_timeout, policy.drain_timeout, policy.failover_timeout) == (1.5, 50.0, 100.0)
    assert (policy.unacked, policy.degrade_after) == ("degrade", 4.5)
    assert (policy.switchover_timeout, policy.switchover_max_lag, policy.long_write) == (9.0, 3.0, 6.0)
    assert (policy.rejoin, policy.read_on_writer, policy.read_on_writer_without_replica) == (False, True, False)
    assert (cluster.probes_stale_policy, cluster.probes_stale_max) == ("fail", 5.0)
    assert (cluster.orchestrator, cluster.sandbox) == ("local", configured.directory / "box")
    assert [proxy.runtime_socket for proxy in cluster.haproxies] == ["/run/a.sock", "/run/b.sock"]
    assert [proxy.host for proxy in cluster.haproxies] == ["127.0.0.1", "::1"]
    proxy = cluster.haproxies[0]
    assert (proxy.write_port, proxy.read_port, proxy.write_backend, proxy.read_backend) == (4000, 4001, "w", "r")


def test_every_option_of_the_installation_reaches_the_settings(configured):
    configured.cluster(
        default="""
monitoring-rundir = "/run/other"
state-url = "postgresql+psycopg://u:pw-of-state@h/d"
http-server = false
http-bind-address = "0.0.0.0"
http-port = "8080"
http-workers = 3
probes-bind-address = "0.0.0.0"
probes-port = 8081
api-credentials = "admin:pw-of-admin,dba:with:colon"
api-credentials-external = ["eve:with,comma"]
api-credentials-acl-allow = "admin:global cluster,dba:db,eve:"
api-credentials-acl-discard = "dba:db-stop db-kill"
api-token-timeout = 2
log-file = "log/repman.log"
log-level = 4
"""
    )
    service = configured.load()[0].service
    assert (service.datadir, service.rundir) == (configured.directory / "data", Path("/run/other"))
    assert (service.http_server, service.http_bind, service.http_port, service.http_workers) == (
        False,
        "0.0.0.0",
        8080,
        3,
    )
    assert (service.probes_bind, service.probes_port) == ("0.0.0.0", 8081)
    assert [(user.user, user.password) for user in service.api_users] == [
        ("admin", "pw-of-admin"),
        ("dba", "with:colon"),
        ("eve", "with,comma"),
    ]
    assert service.acl_allow == {"admin": ("global", "cluster"), "dba": ("db",), "eve": ()}
    assert service.acl_discard == {"dba": ("db-stop", "db-kill")}
    assert service.token_hours == 2.0
    assert service.log_file == configured.directory / "log/repman.log"
    assert service.log_level == "DEBUG"
    assert "pw-of" not in repr(service)


def test_secrets_are_masked_in_options(configured):
    configured.cluster(default='api-credentials = "admin:pw-of-admin"\nstate-url = "sqlite:///pw-of-state"\n')
    settings, warnings = configured.load()
    assert settings.service.options["api-credentials"] == MASK
    assert settings.service.options["state-url"] == MASK
    assert settings.clusters[0].options["db-servers-credential"] == MASK
    assert settings.clusters[0].options["db-servers-hosts"] == "db1,db2,db3"
    assert "pw-of" not in repr(settings) + str(warnings)


def test_without_a_socket_the_runtime_api_is_reached_by_tcp(configured):
    configured.cluster('haproxy = true\nhaproxy-servers = "h1,[::1]"\nhaproxy-api-port = 2000\n')
    proxies = configured.load()[0].clusters[0].haproxies
    assert [proxy.runtime_socket for proxy in proxies] == ["h1:2000", "[::1]:2000"]


def test_nobody_can_log_in_by_default_and_that_is_said(configured):
    configured.cluster()
    _, warnings = configured.load()
    assert any("api-credentials is empty" in warning for warning in warnings)


def test_the_well_known_passwords_draw_warnings(configured):
    configured.cluster(default='api-credentials = "admin:repman"\n')
    configured.main.write_text(configured.main.read_text().replace("repl:pw-of-repl", "root:mariadb"))
    _, warnings = configured.load()
    assert any(":3: api-credentials: everybody knows this password" in warning for warning in warnings)
    assert any("everybody knows the password in replication-credential" in warning for warning in warnings)


def test_an_account_without_grants_draws_a_warning(configured):
    configured.cluster(default='api-credentials = "dba:x"\n')
    _, warnings = configured.load()
    assert any("the account dba has no grants" in warning for warning in warnings)


def test_options_of_replication_manager_alone_are_accepted_with_a_warning(configured):
    configured.cluster('mail-to = "x@example.net"\nmaxscale = true\n')
    settings, warnings = configured.load()
    assert "mail-to" not in settings.clusters[0].options
    assert [warning.rpartition(": ")[2] for warning in warnings if "not used by repman" in warning] == [
        "mail-to is known to replication-manager, not used by repman",
        "maxscale is known to replication-manager, not used by repman",
    ]


def test_options_without_effect_say_so_only_when_changed(configured):
    configured.cluster("switchover-wait-kill = 5000\nfailover-falsepositive-ping-counter = 5\n")
    _, warnings = configured.load()
    told = [warning for warning in warnings if "no effect" in warning]
    assert len(told) == 1
    assert "failover-falsepositive-ping-counter has no effect in this release: death is a verdict" in told[0]


def test_a_file_of_replication_manager_loads(configured):
    configured.write(
        """
[Cluster01]
title = "Cluster01"
prov-orchestrator = "opensvc"
hosts = "127.0.0.1:3331,127.0.0.1:3332"
user = "root:secret"
rpluser = "repl:secret"
prefmaster = "127.0.0.1:3332"
db-servers-connect-timeout = 5
db-servers-read-timeout = 3600
interactive = false
failcount = 5
maxdelay = 10
api-credentials = "admin:other"
log-level = 3

[arbitrator]
title = "arbitrator"

[default]
monitoring-datadir = "data"
api-credentials = "admin:mine"
http-port = "10001"
log-level = 2
mail-smtp-addr = "localhost:25"
"""
    )
    settings, warnings = configured.load()
    (cluster,) = settings.clusters
    assert cluster.policy.servers[1].preferred == 0
    assert cluster.policy.automatic_failover
    assert cluster.policy.max_lag == 10.0
    assert cluster.orchestrator == "opensvc"
    assert settings.service.api_users[0].password == "mine"
    assert settings.service.log_level == "WARNING"
    told = "\n".join(warnings)
    for word in ("opensvc", "[arbitrator]", "db-servers-read-timeout", "from [Cluster01] to [Default]"):
        assert word in told


def test_the_sample_loads(tmp_path):
    settings, warnings = load(SAMPLE, [f"monitoring-datadir={tmp_path}"], {})
    assert [server.name for server in settings.clusters[0].policy.servers] == ["db1", "db2", "db3"]
    assert settings.clusters[0].haproxies[0].runtime_socket == "/run/haproxy/admin.sock"
    assert all("api-credentials is empty" in warning for warning in warnings)


def test_a_hundred_clusters_load_fast(configured):
    sections = [
        f'[c{number}]\ndb-servers-hosts = "h{number}a,h{number}b,h{number}c"\nmonitoring-ticker = 2\n'
        for number in range(100)
    ]
    accounts = 'db-servers-credential = "u:p"\nreplication-credential = "u:p"\nmonitoring-datadir = "d"\n'
    configured.write("[Default]\n" + accounts + "".join(sections))
    began = time.process_time()
    settings, _ = configured.load()
    assert len(settings.clusters) == 100
    assert settings.clusters[99].policy.tick == 2.0
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("written", ["1.5", '"1.5"', "1.5e0"])
def test_seconds_may_have_fractions(configured, written):
    configured.cluster(f"monitoring-ticker = {written}\n")
    assert configured.load()[0].clusters[0].policy.tick == 1.5


@pytest.mark.parametrize("written", ["true", '"yes"', '"ON"', '" 1 "'])
def test_words_for_true(configured, written):
    configured.cluster(f"monitoring-pause = {written}\n")
    assert configured.load()[0].clusters[0].policy.paused


def test_a_file_with_a_byte_order_mark(configured):
    configured.cluster()
    configured.main.write_bytes(b"\xef\xbb\xbf" + configured.main.read_bytes())
    assert configured.load()[0].clusters[0].policy.name == "c1"
