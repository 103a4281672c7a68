"""Servers as configured: addresses, identifiers, names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from fastcrc import crc64

DEFAULT_PORT = 3306
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]+)?")


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port``, ``[IPv6]`` or ``[IPv6]:port``; raises ValueError."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not _IPV6.fullmatch(host) or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no address; write an IPv6 address as [::1]:3306")
        port = rest[1:] if rest else str(DEFAULT_PORT)
    elif text.count(":") > 1:
        raise ValueError(f"{text!r}: put the IPv6 address in brackets, as in [::1]:3306")
    else:
        host, colon, port = text.partition(":")
        port = port if colon else str(DEFAULT_PORT)
        if not _HOST.fullmatch(host):
            raise ValueError(f"{text!r} is no address; write host:port")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{text!r} has no port between 1 and 65535")
    return host, int(port)


def address_of(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def server_id(address: str) -> str:
    """replication-manager's identifier: ``db`` and the CRC-64 (ECMA, reflected) of the address, decimal."""
    return f"db{crc64.xz(address.encode())}"


def server_names(hosts: Sequence[tuple[str, int]], given: Sequence[str]) -> tuple[str, ...]:
    """The given names, else each host that occurs once, else ``host:port``."""
    if given:
        return tuple(given)
    times = Counter(host for host, _ in hosts)
    return tuple(host if times[host] == 1 else address_of(host, port) for host, port in hosts)


def find_server(text: str, hosts: Sequence[tuple[str, int]], names: Sequence[str]) -> int:
    """Index of the server that a list entry names: by name, by address, or by a host that occurs once.

    Raises ValueError when there is none, or more than one.
    """
    if text in names:
        return list(names).index(text)
    host, port = parse_address(text)
    if (host, port) in hosts:
        return list(hosts).index((host, port))
    same = [index for index, other in enumerate(hosts) if other[0] == host]
    if len(same) == 1 and text in (host, f"[{host}]"):
        return same[0]
    if same and text in (host, f"[{host}]"):
        raise ValueError(f"{text!r} runs several servers; write host:port")
    raise ValueError(f"{text!r} is not among db-servers-hosts")
