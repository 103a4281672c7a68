"""Addresses of MongoDB clusters: what may be shown of them, and where a password stands in them.

Only the form is looked at, and no name is looked up.  A password with an unescaped ``@`` or ``/`` would be taken for
part of the hosts by a careless reader and then be shown; here such a text is no address at all.
"""

from __future__ import annotations

import re

_URI = re.compile(
    r"(?P<scheme>mongodb(?:\+srv)?)://"
    r"(?:(?P<user>[^:@/?#\[\]]*)(?::(?P<password>[^:@/?#\[\]]*))?@)?"
    r"(?P<hosts>[^@/?#]+)"
    r"(?:/[^@?#]*)?(?:\?.*)?"
)
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?\])(?::[0-9]{1,5})?|%2[Ff][^:]+")


def without_secrets(uri: str) -> str | None:
    """Scheme and hosts, without account, database and options; None when that is no address of a cluster."""
    found = _URI.fullmatch(uri)
    if found is None or not all(_HOST.fullmatch(host) for host in found["hosts"].split(",")):
        return None
    return f"{found['scheme']}://{found['hosts']}"


def hosts(uri: str) -> frozenset[str]:
    """``host:port`` of every host, in lower case; of ``mongodb+srv`` the name alone.  Empty for what is no address."""
    shown = without_secrets(uri)
    if shown is None:
        return frozenset()
    scheme, _, listed = shown.partition("://")
    names = listed.lower().split(",")
    return frozenset(names if scheme.endswith("srv") else map(_with_port, names))


def password_of(uri: str) -> str:
    """The password as it is written; empty when there is none."""
    found = _URI.fullmatch(uri)
    return (found["password"] or "") if found else ""


def with_password(uri: str, password: str) -> str:
    """The same address with that password, escaped already, in the place of the one that is there."""
    found = _URI.fullmatch(uri)
    assert found is not None
    begin, end = found.span("password")
    return uri[:begin] + password + uri[end:]


def _with_port(host: str) -> str:
    return host if host.rpartition("]")[2].rpartition(":")[1] or host.startswith("%") else f"{host}:27017"
