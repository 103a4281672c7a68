"""From merged values to the settings that the composition roots are built from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from repman.config.build_backup import backups
from repman.config.build_link import link
from repman.config.build_mongodb import is_mongodb, mongodb
from repman.config.build_provisioning import ssh
from repman.config.findings import DEFAULT, Layer, Origin
from repman.config.layers import Merged, Setting
from repman.config.servers import address_of, find_server, parse_address, server_id, server_names
from repman.config.settings import ClusterSettings, Credential, HaproxySettings, ServiceSettings, Settings
from repman.config.settings_streams import StreamsSettings
from repman.config.values import credential
from repman.model.nature import Nature
from repman.model.policy import ClusterPolicy, ServerPolicy, UnackedPolicy, UnknownFencePolicy


class Values:
    """Typed access to settings by option name."""

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        self.settings = settings

    def valid(self, *names: str) -> bool:
        """Whether none of them was written wrongly."""
        return all(self.settings[name].valid for name in names)

    def origin(self, *names: str) -> Origin:
        """Where the first of them that somebody gave comes from."""
        origins = [self.settings[name].origin for name in names]
        return next((origin for origin in origins if origin.layer is not Layer.DEFAULT), DEFAULT)

    def flag(self, name: str) -> bool:
        """A bool."""
        value = self.settings[name].value
        assert isinstance(value, bool)
        return value

    def number(self, name: str) -> float:
        """Seconds."""
        value = self.settings[name].value
        assert isinstance(value, int | float)
        return float(value)

    def whole(self, name: str) -> int:
        """An integer or a port."""
        value = self.settings[name].value
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """A string, a choice, a path."""
        value = self.settings[name].value
        assert isinstance(value, str)
        return value

    def items(self, name: str) -> tuple[str, ...]:
        """A list."""
        value = self.settings[name].value
        assert isinstance(value, tuple)
        return value

    def path(self, name: str) -> Path | None:
        """An absolute path, None when empty."""
        return Path(self.text(name)) if self.text(name) else None

    def shown(self) -> dict[str, object]:
        """All values by name, secrets masked."""
        return {name: setting.option.shown(setting.value) for name, setting in self.settings.items()}


def build(merged: Merged) -> Settings:
    """The settings; `merged` has passed all checks."""
    clusters = tuple(_cluster(name, Values(settings)) for name, settings in merged.clusters.items())
    links = tuple(link(name, Values(settings)) for name, settings in merged.links.items())
    return Settings(_service(Values(merged.service)), clusters, links, merged)


def _service(values: Values) -> ServiceSettings:
    accounts = values.items("api-credentials") + values.items("api-credentials-external")
    return ServiceSettings(
        datadir=Path(values.text("monitoring-datadir")),
        rundir=Path(values.text("monitoring-rundir")),
        http_server=values.flag("http-server"),
        http_bind=values.text("http-bind-address"),
        http_port=values.whole("http-port"),
        http_workers=values.whole("http-workers"),
        api_server=values.flag("api-server"),
        api_bind=values.text("api-bind"),
        api_port=values.whole("api-port"),
        https_only=values.flag("api-https-bind"),
        ssl_cert=values.path("monitoring-ssl-cert"),
        ssl_key=values.path("monitoring-ssl-key"),
        probes_bind=values.text("probes-bind-address"),
        probes_port=values.whole("probes-port"),
        streams=StreamsSettings(
            values.flag("streams-server"), values.text("streams-bind-address"), values.whole("streams-port")
        ),
        state_url=values.text("state-url"),
        api_users=tuple(credential(account) for account in accounts),
        acl_allow=rights(values.items("api-credentials-acl-allow")),
        acl_discard=rights(values.items("api-credentials-acl-discard")),
        token_hours=values.number("api-token-timeout"),
        log_file=values.path("log-file"),
        log_level=values.text("log-level"),
        options=values.shown(),
    )


def rights(items: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Grants by user from ``user:grant grant ...``; a user named twice has both lists."""
    grants: dict[str, tuple[str, ...]] = {}
    for item in items:
        user, _, words = item.partition(":")
        grants[user.strip()] = grants.get(user.strip(), ()) + tuple(words.split())
    return grants


def _cluster(name: str, values: Values) -> ClusterSettings:
    return ClusterSettings(
        policy=_policy(name, values),
        database=_account(values, "db-servers-credential"),
        replication=_account(values, "replication-credential"),
        haproxies=_haproxies(values) if values.flag("haproxy") else (),
        probes_stale_policy=values.text("probes-stale-policy"),
        probes_stale_max=values.number("probes-stale-max"),
        orchestrator=values.text("prov-orchestrator"),
        sandbox=values.path("sandbox-directory"),
        ssh=ssh(values),
        secure_config=values.flag("api-credentials-secure-config"),
        inventory_every=values.number("monitoring-inventory-interval"),
        connect_timeout=values.number("db-servers-connect-timeout"),
        test=values.flag("test"),
        backups=backups(values),
        mongodb=mongodb(values),
        options=values.shown(),
    )


def _account(values: Values, name: str) -> Credential:
    return credential(values.text(name)) if values.text(name) else Credential("", "")


def _haproxies(values: Values) -> tuple[HaproxySettings, ...]:
    hosts = values.items("haproxy-servers")
    sockets = values.items("haproxy-runtime-socket") or tuple(
        address_of(host.strip("[]"), values.whole("haproxy-api-port")) for host in hosts
    )
    return tuple(
        HaproxySettings(
            name=host,
            runtime_socket=socket,
            write_backend=values.text("haproxy-api-write-backend"),
            read_backend=values.text("haproxy-api-read-backend"),
            host=host.strip("[]"),
            write_port=values.whole("haproxy-write-port"),
            read_port=values.whole("haproxy-read-port"),
        )
        for host, socket in zip(hosts, sockets, strict=True)
    )


def _servers(values: Values) -> tuple[ServerPolicy, ...]:
    hosts = [parse_address(text) for text in values.items("db-servers-hosts")]
    names = server_names(hosts, values.items("db-servers-names"))

    def listed(option: str) -> list[int]:
        return [find_server(text, hosts, names) for text in values.items(option)]

    preferred = listed("db-servers-prefered-master")
    ignored = listed("db-servers-ignored-hosts")
    left_alone = listed("db-servers-ignored-readonly")
    return tuple(
        ServerPolicy(
            address=address_of(host, port),
            host=host,
            port=port,
            id=server_id(address_of(host, port)),
            name=names[index],
            preferred=preferred.index(index) if index in preferred else None,
            electable=index not in ignored,
            keep_read_only_alone=index in left_alone,
            controlled=values.text("prov-orchestrator") == "local",
            startable=values.text("prov-orchestrator") == "local" or ssh(values) is not None,
        )
        for index, (host, port) in enumerate(hosts)
    )


def _policy(name: str, values: Values) -> ClusterPolicy:
    return ClusterPolicy(
        name=name,
        servers=_servers(values),
        tick=values.number("monitoring-ticker"),
        answer_timeout=values.number("db-servers-read-timeout"),
        silence_periods=values.whole("failover-silence-periods"),
        heartbeat_period=values.number("force-slave-heartbeat-time"),
        automatic_failover=values.text("failover-mode") == "automatic",
        paused=values.flag("monitoring-pause"),
        failover_limit=values.whole("failover-limit"),
        failover_time_limit=values.number("failover-time-limit"),
        max_lag=values.number("failover-max-slave-delay"),
        semi_sync=values.flag("failover-semisync-state") and not is_mongodb(values),
        unacked=UnackedPolicy(values.text("semi-sync-unacked-policy")),
        degrade_after=values.number("semi-sync-degrade-after"),
        unknown_fence=UnknownFencePolicy(values.text("failover-unknown-fence")),
        rejoin=values.flag("autorejoin"),
        enforce_read_only=values.flag("force-slave-readonly") and values.flag("failover-readonly-state"),
        restart_fenced=values.flag("failover-restart-fenced"),
        read_on_writer=values.flag("proxy-servers-read-on-master"),
        read_on_writer_without_replica=values.flag("proxy-servers-read-on-master-no-slave"),
        fence_timeout=values.number("fence-timeout"),
        drain_timeout=values.number("failover-drain-timeout"),
        switchover_timeout=values.number("switchover-timeout"),
        failover_timeout=values.number("failover-timeout"),
        switchover_max_lag=values.number("switchover-max-slave-delay"),
        long_write=values.number("switchover-wait-write-query"),
        test=values.flag("test"),
        multi_tier=values.flag("replication-multi-tier-slave"),
        nature=Nature.ELECTING if is_mongodb(values) else Nature.STEERED,
        replica_set=values.text("mongodb-replica-set"),
    )
