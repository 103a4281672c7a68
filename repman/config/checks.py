"""Relations between settings: contradictions, which do not start, and things that are probably not meant.

A relation is checked only when the settings it compares are valid themselves, so that one mistake is told once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from repman.config.build import Values
from repman.config.build_mongodb import is_mongodb
from repman.config.checks_accounts import check_accounts
from repman.config.checks_backup import check_backups
from repman.config.checks_link import check_link, check_links_of_all
from repman.config.checks_listeners import check_listeners
from repman.config.checks_mongodb import check_mongodb
from repman.config.checks_provisioning import check_provisioning
from repman.config.checks_servers import check_servers, check_servers_of_all
from repman.config.findings import Findings, Origin
from repman.config.layers import Merged

_BACKEND = re.compile(r"[A-Za-z0-9_.:-]+")


@dataclass(frozen=True, slots=True)
class Checked:
    """What the relations of one cluster look at."""

    cluster: str
    declared: Origin
    values: Values
    findings: Findings


def check(merged: Merged, findings: Findings) -> None:
    """Check all relations; what is wrong goes to `findings`."""
    service = Values(merged.service)
    _inert(service, findings)
    _service(service, findings)
    check_accounts(service, findings)
    if not merged.clusters and not merged.links and merged.complete:
        findings.mistake(
            f"{merged.path}: no cluster is configured; add a section such as [cluster1] with db-servers-hosts, "
            "db-servers-credential and replication-credential"
        )
    for name, settings in merged.clusters.items():
        values = Values(settings)
        _inert(values, findings)
        if merged.complete:
            check_servers(name, merged.sections[name], values, findings)
        check_mongodb(name, values, findings)
        check_backups(name, values, findings)
        check_provisioning(name, values, findings)
        for relation in _RELATIONS:
            relation(Checked(name, merged.sections[name], values, findings))
    check_servers_of_all({name: Values(settings) for name, settings in merged.clusters.items()}, findings)
    links = {name: Values(settings) for name, settings in merged.links.items()}
    if merged.complete:
        for name, values in links.items():
            check_link(name, merged.link_sections[name], values, findings)
    check_links_of_all(links, service, findings)


def _inert(values: Values, findings: Findings) -> None:
    for setting in values.settings.values():
        option = setting.option
        if option.inert and setting.valid and setting.value != option.default:
            findings.warn(f"{option.name} has no effect in this release: {option.inert}", setting.origin)


def _service(values: Values, findings: Findings) -> None:
    check_listeners(values, findings)
    if values.text("monitoring-datadir") == values.text("monitoring-rundir"):
        findings.mistake(
            "monitoring-datadir and monitoring-rundir are the same directory; what must survive and what may be "
            "lost need one each",
            values.origin("monitoring-rundir", "monitoring-datadir"),
        )


def _not_longer(seen: Checked, part: str, whole: str) -> None:
    values = seen.values
    if values.valid(part, whole) and values.number(part) > values.number(whole):
        seen.findings.mistake(
            f"cluster {seen.cluster}: {part} ({values.number(part):g} s) is longer than {whole} "
            f"({values.number(whole):g} s), which contains it; make {whole} longer or {part} shorter",
            values.origin(part, whole),
        )


def _timeouts(seen: Checked) -> None:
    _not_longer(seen, "failover-drain-timeout", "failover-timeout")
    _not_longer(seen, "fence-timeout", "failover-timeout")
    _not_longer(seen, "fence-timeout", "switchover-timeout")
    values = seen.values
    if values.number("db-servers-read-timeout") > 10:
        seen.findings.warn(
            f"cluster {seen.cluster}: with db-servers-read-timeout {values.number('db-servers-read-timeout'):g} s a "
            "frozen server is noticed that late; a few seconds at most are advised",
            values.origin("db-servers-read-timeout"),
        )
    if values.number("force-slave-heartbeat-time") > 0.5:
        seen.findings.warn(
            f"cluster {seen.cluster}: force-slave-heartbeat-time above 0.5 s makes a frozen writer noticed later",
            values.origin("force-slave-heartbeat-time"),
        )


def _probes(seen: Checked) -> None:
    values = seen.values
    if not values.valid("probes-stale-policy", "probes-stale-max", "monitoring-ticker"):
        return
    keep = values.text("probes-stale-policy") == "keep"
    if keep and values.number("probes-stale-max") <= 2 * values.number("monitoring-ticker"):
        seen.findings.mistake(
            f"cluster {seen.cluster}: probes-stale-max must be longer than two monitoring-tickers, else probes "
            'fail between two looks; raise it, or set probes-stale-policy = "fail"',
            values.origin("probes-stale-max", "monitoring-ticker"),
        )


def _semi_sync(seen: Checked) -> None:
    values = seen.values
    if not values.valid("failover-semisync-state", "semi-sync-unacked-policy", "failover-unknown-fence"):
        return
    if values.flag("failover-semisync-state") or is_mongodb(values):
        return
    if values.text("semi-sync-unacked-policy") == "degrade":
        seen.findings.mistake(
            f'cluster {seen.cluster}: semi-sync-unacked-policy = "degrade" needs semi-sync, which '
            "failover-semisync-state = false switches off; change one of them",
            values.origin("semi-sync-unacked-policy", "failover-semisync-state"),
        )
    seen.findings.warn(
        f"cluster {seen.cluster}: without semi-sync a crash loses acknowledged writes"
        + (
            ", and a writer that can neither be fenced nor seen dead is never replaced "
            '(failover-unknown-fence = "semi-sync")'
            if values.text("failover-unknown-fence") == "semi-sync"
            else ""
        ),
        values.origin("failover-semisync-state"),
    )


def _haproxy(seen: Checked) -> None:
    values, findings = seen.values, seen.findings
    names = ("haproxy-servers", "haproxy-runtime-socket", "haproxy-write-port", "haproxy-read-port")
    if not values.valid("haproxy", *names) or not values.flag("haproxy"):
        return
    hosts, sockets = values.items("haproxy-servers"), values.items("haproxy-runtime-socket")
    if not hosts:
        findings.mistake(
            f"cluster {seen.cluster}: haproxy = true and haproxy-servers is empty", values.origin("haproxy-servers")
        )
    if len(set(hosts)) < len(hosts):
        findings.mistake(
            f"cluster {seen.cluster}: haproxy-servers names a host twice", values.origin("haproxy-servers")
        )
    if sockets and len(sockets) != len(hosts):
        findings.mistake(
            f"cluster {seen.cluster}: haproxy-runtime-socket names {len(sockets)} and haproxy-servers {len(hosts)}; "
            "give one socket for each host",
            values.origin("haproxy-runtime-socket", "haproxy-servers"),
        )
    for socket in sockets:
        if not socket.startswith("/"):
            findings.mistake(
                f"cluster {seen.cluster}: haproxy-runtime-socket {socket!r} is not an absolute path; for TCP leave "
                "it empty and set haproxy-api-port",
                values.origin("haproxy-runtime-socket"),
            )
    for name in ("haproxy-api-write-backend", "haproxy-api-read-backend"):
        # The name becomes part of a command, where a semicolon would begin another one.
        if values.valid(name) and not _BACKEND.fullmatch(values.text(name)):
            findings.mistake(
                f"cluster {seen.cluster}: {name} {values.text(name)!r} is no name of a backend: letters, digits and "
                "any of - _ . :",
                values.origin(name),
            )
    if values.whole("haproxy-write-port") == values.whole("haproxy-read-port"):
        findings.mistake(
            f"cluster {seen.cluster}: haproxy-write-port and haproxy-read-port are the same",
            values.origin("haproxy-read-port", "haproxy-write-port"),
        )


_RELATIONS: tuple[Callable[[Checked], None], ...] = (
    _timeouts,
    _probes,
    _semi_sync,
    _haproxy,
)
