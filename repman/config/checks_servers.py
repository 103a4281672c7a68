"""Checks of the servers of a cluster, and between clusters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from repman.config.build import Values
from repman.config.build_mongodb import is_mongodb
from repman.config.findings import Findings, Origin
from repman.config.servers import address_of, find_server, parse_address, server_names
from repman.config.values import credential

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PREFERRED, _IGNORED, _LEFT_ALONE = (
    "db-servers-prefered-master",
    "db-servers-ignored-hosts",
    "db-servers-ignored-readonly",
)


def check_servers(cluster: str, declared: Origin, values: Values, findings: Findings) -> None:
    """Check hosts, names, accounts and the lists that name servers."""
    _accounts(cluster, declared, values, findings)
    if not values.valid("db-servers-hosts", "db-servers-names"):
        return
    hosts = _hosts(cluster, declared, values, findings)
    if not hosts or not _names(cluster, hosts, values, findings):
        return
    names = server_names(hosts, values.items("db-servers-names"))
    found = {
        option: _listed(option, cluster, hosts, names, values, findings)
        for option in (_PREFERRED, _IGNORED, _LEFT_ALONE)
    }
    for index in sorted(found[_PREFERRED] & found[_IGNORED]):
        findings.mistake(
            f"cluster {cluster}: {names[index]} is both preferred and ignored as a writer; take it out of "
            f"{_PREFERRED} or {_IGNORED}",
            values.origin(_PREFERRED, _IGNORED),
        )
    if len(found[_IGNORED]) == len(hosts):
        findings.mistake(
            f"cluster {cluster}: {_IGNORED} names every server, so none could ever be the writer",
            values.origin(_IGNORED),
        )


def check_servers_of_all(clusters: Mapping[str, Values], findings: Findings) -> None:
    """No server belongs to two clusters."""
    owner: dict[str, str] = {}
    for cluster, values in clusters.items():
        for text in dict.fromkeys(values.items("db-servers-hosts")):
            address = _address(text)
            first = owner.setdefault(address, cluster)
            if address and first != cluster:
                findings.mistake(
                    f"the server {address} is in two clusters, {first} and {cluster}; leave it in one",
                    values.origin("db-servers-hosts"),
                )


def _address(text: str) -> str:
    try:
        host, port = parse_address(text)
    except ValueError:
        return ""
    return address_of(host.lower(), port)


def _accounts(cluster: str, declared: Origin, values: Values, findings: Findings) -> None:
    members = is_mongodb(values)
    for name in ("db-servers-credential",) if members else ("db-servers-credential", "replication-credential"):
        if not values.valid(name):
            continue
        if members and not values.text(name):
            findings.warn(
                f"cluster {cluster}: without db-servers-credential repman talks to its servers without an account",
                declared,
            )
            continue
        if not values.text(name):
            findings.mistake(f'cluster {cluster}: set {name} = "user:password"', declared)
            continue
        account = credential(values.text(name))
        if not account.password:
            findings.warn(f"cluster {cluster}: {name} has an empty password", values.origin(name))
        if (account.user, account.password) == ("root", "mariadb"):
            findings.warn(f"cluster {cluster}: everybody knows the password in {name}", values.origin(name))


def _hosts(cluster: str, declared: Origin, values: Values, findings: Findings) -> list[tuple[str, int]]:
    """The addresses, or nothing when one of them is wrong."""
    origin = values.origin("db-servers-hosts")
    hosts, wrong = [], False
    for text in values.items("db-servers-hosts"):
        try:
            hosts.append(parse_address(text))
        except ValueError as error:
            wrong = True
            findings.mistake(f"cluster {cluster}: db-servers-hosts: {error}", origin)
    if not hosts and not wrong:
        findings.mistake(
            f'cluster {cluster} has no servers; set db-servers-hosts = "host:port,host:port,..."',
            max(origin, declared),
        )
    for (host, port), times in Counter((host.lower(), port) for host, port in hosts).items():
        if times > 1:
            wrong = True
            findings.mistake(f"cluster {cluster}: db-servers-hosts names {address_of(host, port)} twice", origin)
    return [] if wrong else hosts


def _names(cluster: str, hosts: list[tuple[str, int]], values: Values, findings: Findings) -> bool:
    names, origin = values.items("db-servers-names"), values.origin("db-servers-names")
    problems = []
    if names and len(names) != len(hosts):
        problems.append(f"db-servers-names has {len(names)} names for {len(hosts)} servers; give one for each")
    problems += [f"db-servers-names has {name!r} twice" for name, times in Counter(names).items() if times > 1]
    problems += [
        f"db-servers-names: {name!r} may hold letters, digits, '_', '-' and '.' only"
        for name in names
        if not _NAME.fullmatch(name)
    ]
    for problem in problems:
        findings.mistake(f"cluster {cluster}: {problem}", origin)
    return not problems


def _listed(
    option: str,
    cluster: str,
    hosts: list[tuple[str, int]],
    names: tuple[str, ...],
    values: Values,
    findings: Findings,
) -> set[int]:
    found: set[int] = set()
    if not values.valid(option):
        return found
    for text in values.items(option):
        try:
            index = find_server(text, hosts, names)
        except ValueError as error:
            findings.mistake(f"cluster {cluster}: {option}: {error}", values.origin(option))
            continue
        if index in found:
            findings.mistake(f"cluster {cluster}: {option} names {names[index]} twice", values.origin(option))
        found.add(index)
    return found
