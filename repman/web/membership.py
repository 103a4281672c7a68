"""Which servers a cluster has: lists of options with one more or one less, and what forbids that."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from repman.config.changes import Section, Wish
from repman.config.servers import address_of, find_server, parse_address, server_names
from repman.errors import Refused
from repman.model.policy import ServerPolicy
from repman.model.problem import Refusal
from repman.model.snapshot import Snapshot

_HOSTS = "db-servers-hosts"
_NAMES = "db-servers-names"
_LISTS = ("db-servers-prefered-master", "db-servers-ignored-hosts", "db-servers-ignored-readonly")
"""Options that name servers."""
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]")


def one_more(cluster: str, address: str, name: str = "") -> list[Wish]:
    """The wishes that add a server, with a name where servers have names.

    Carrying them out raises Refused when the cluster has it.  Raises ValueError for what is no address.
    """
    new = parse_address(address)

    def hosts(section: Section) -> object:
        there = _items(section, _HOSTS)
        if _key(address) in [_key(text) for text in there]:
            raise Refused([Refusal("known-server", f"{cluster} has the server {address_of(*new)} already", address)])
        return [*there, address_of(*new)]

    def names(section: Section) -> object:
        there = _items(section, _NAMES)
        if not there and not name:
            return there
        old = server_names([parse_address(text) for text in _items(section, _HOSTS)], there)
        fit = [_UNFIT.sub("-", text) for text in old]
        return [*fit, name or _free_name(new, fit)]

    return [Wish(cluster, _HOSTS, hosts), Wish(cluster, _NAMES, names)]


def one_less(cluster: str, address: str) -> list[Wish]:
    """The wishes that take a server out, and its name wherever it stands."""

    def hosts(section: Section) -> object:
        return _without(_items(section, _HOSTS), _place(section, address))

    def names(section: Section) -> object:
        return _without(_items(section, _NAMES), _place(section, address))

    def others(option: str) -> Callable[[Section], object]:
        def kept(section: Section) -> object:
            place = _place(section, address)
            return [text for text in _items(section, option) if _place(section, text) != place]

        return kept

    lists = [Wish(cluster, option, others(option)) for option in _LISTS]
    return [Wish(cluster, _HOSTS, hosts), Wish(cluster, _NAMES, names), *lists]


def forbidden(snapshot: Snapshot, server: ServerPolicy, semi_sync: bool, force: bool) -> list[Refusal]:
    """Why that server may not be taken out of the cluster now."""
    if server.address == snapshot.writer:
        sentence = f"{server.name} is the writer; move its role first, with a switchover"
        return [Refusal("is-writer", sentence, server.address)]
    others = [
        view.policy.name
        for view in snapshot.servers
        if view.policy.address != server.address and view.seen.receives_from(snapshot.writer)
    ]
    this = snapshot.server(server.address)
    if force or not semi_sync or others or this is None or not this.seen.receives_from(snapshot.writer):
        return []
    sentence = (
        f"{server.name} is the last server that acknowledges writes: without it they would wait until another one "
        "does; add a replica first, or use force=true"
    )
    return [Refusal("last-acker", sentence, server.address)]


def writer_stays(snapshot: Snapshot, hosts: Sequence[str]) -> None:
    """Raises Refused when the writer is not among those addresses."""
    writer = snapshot.writer
    if writer and _key(writer) not in [_key(text) for text in hosts]:
        sentence = f"{writer} is the writer and not among these servers; move its role first, with a switchover"
        raise Refused([Refusal("is-writer", sentence, writer)])


def _items(section: Section, option: str) -> tuple[str, ...]:
    value = section[option].value
    assert isinstance(value, tuple)
    return value


def _place(section: Section, text: str) -> int:
    hosts = [parse_address(host) for host in _items(section, _HOSTS)]
    return find_server(text, hosts, server_names(hosts, _items(section, _NAMES)))


def _without(items: Sequence[str], place: int) -> list[str]:
    return [item for index, item in enumerate(items) if index != place]


def _key(text: str) -> tuple[str, int]:
    try:
        host, port = parse_address(text.strip())
    except ValueError:
        return text, 0
    return host.lower(), port


def _free_name(new: tuple[str, int], taken: Sequence[str]) -> str:
    host, port = (_UNFIT.sub("-", new[0]).strip("-") or "server"), new[1]
    return host if host not in taken else f"{host}-{port}"
