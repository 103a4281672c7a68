"""Connections of the API: what a client sends, what is stored of it, and the endpoint it means.

The flat form of the page is read, and the nested one of later clients (``spec.database``).  Passwords and private keys
are kept apart from the rest from the first moment on, so that what is shown cannot hold them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from repman.streams.api.bodies import BadField, line_of_text, one_of, shaped, within
from repman.streams.job import Endpoint, Family, Tls, TlsMode

MASK = "********"
"""Stands for a password in answers; sent back, it means the one that is stored."""

TYPES = {
    "mysql": Family.MYSQL,
    "mariadb": Family.MYSQL,
    "postgresql": Family.POSTGRESQL,
    "postgres": Family.POSTGRESQL,
}
"""By the type's name in lower case."""
_PORTS = {Family.MYSQL: 3306, Family.POSTGRESQL: 5432}
_LONGEST_NAME = {Family.MYSQL: 64, Family.POSTGRESQL: 63}
"""Of a database, in characters; a server refuses a longer one with less to go by."""
_HOST = re.compile(r"[\w\[][\w.:%\]-]*")
_MOST_PEM = 1 << 20
_PEM = "-----BEGIN "


class _Ssl(msgspec.Struct):
    mode: str = TlsMode.DISABLED.value
    ca: str = ""
    client_cert: str = ""
    client_key: str = ""


class _Body(msgspec.Struct):
    name: str
    type: str
    host: str
    username: str
    database: str
    port: int | None = None
    password: str = ""
    schema: str = ""
    ssl: _Ssl | None = None
    cloud_provider: str = ""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What of a connection is never shown."""

    password: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection."""

    name: str
    type: str
    """As the client wrote it."""
    host: str
    port: int
    username: str
    database: str
    schema: str = ""
    ssl_mode: str = TlsMode.DISABLED.value
    ssl_ca: str = ""
    ssl_certificate: str = ""
    cloud_provider: str = ""
    secrets: Secrets = Secrets()
    id: str = ""
    """Empty: not stored."""
    created: int = 0
    """Unix seconds."""

    @property
    def family(self) -> Family:
        """The protocol to speak."""
        return TYPES[self.type.lower()]

    def endpoint(self, database: str = "", schema: str = "") -> Endpoint:
        """Where to connect to, and as whom; another database or schema than the connection's own where given."""
        postgresql = self.family is Family.POSTGRESQL
        return Endpoint(
            family=self.family,
            host=self.host.strip("[]"),
            port=self.port,
            user=self.username,
            password=self.secrets.password,
            database=database or self.database,
            schema=(schema or self.schema or "public") if postgresql else "",
            tls=Tls(TlsMode(self.ssl_mode), self.ssl_ca, self.ssl_certificate, self.secrets.client_key),
        )


def connection_of(document: dict[str, Any], before: Connection | None = None) -> Connection:
    """The connection that a body describes; raises BadField.

    `before` is the one it takes the place of: secrets that the body leaves out, or sends back masked, stay.
    """
    body = shaped(_flat(document), _Body)
    if body.type.lower() not in TYPES:
        raise BadField("type", f"must be MySQL, MariaDB or PostgreSQL, not {body.type[:60]!r}", body.type[:60])
    family = TYPES[body.type.lower()]
    _check(body, family)
    ssl = body.ssl or _Ssl()
    _check_ssl(ssl)
    made = Connection(
        name=line_of_text("name", body.name, 255),
        type=body.type,
        host=body.host,
        port=_PORTS[family] if body.port is None else within("port", body.port, 1, 65535),
        username=body.username,
        database=body.database,
        schema=(body.schema or "public") if family is Family.POSTGRESQL else "",
        ssl_mode=ssl.mode,
        ssl_ca=ssl.ca,
        ssl_certificate=ssl.client_cert,
        cloud_provider=body.cloud_provider[:60],
        secrets=Secrets(body.password, ssl.client_key),
    )
    if before is None:
        return replace(made, secrets=Secrets(*(_given(each) for each in (body.password, ssl.client_key))))
    kept = Secrets(
        _given(body.password) or before.secrets.password, _given(ssl.client_key) or before.secrets.client_key
    )
    return replace(made, secrets=kept, id=before.id, created=before.created)


def _given(secret: str) -> str:
    return "" if secret == MASK else secret


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """The nested form as the flat one; null means that nothing was given."""
    flat = {name: value for name, value in document.items() if value is not None}
    spec = flat.pop("spec", None)
    if isinstance(spec, dict) and "database" in spec:
        nested = spec["database"]
        if not isinstance(nested, dict):
            raise BadField("spec.database", "must be an object")
        flat = {**{name: value for name, value in nested.items() if value is not None}, **flat}
    elif spec is not None:
        raise BadField("spec", "must be an object with `database`: files and object stores are not supported here")
    if "database" not in flat and "defaultDatabase" in flat:
        flat["database"] = flat["defaultDatabase"]
    return flat


def _check(body: _Body, family: Family) -> None:
    line_of_text("host", body.host, 255)
    if not _HOST.fullmatch(body.host):
        raise BadField("host", "must be one name or address, without port, path or user", body.host)
    line_of_text("username", body.username, 128)
    line_of_text("database", body.database, _LONGEST_NAME[family])
    if "\0" in body.password or len(body.password) > 4096:
        raise BadField("password", "must be text of at most 4096 characters without NUL")
    if body.schema:
        line_of_text("schema", body.schema, _LONGEST_NAME[family])


def _check_ssl(ssl: _Ssl) -> None:
    one_of("ssl.mode", ssl.mode, tuple(TlsMode))
    for name in ("ca", "client_cert", "client_key"):
        text: str = getattr(ssl, name)
        if len(text) > _MOST_PEM:
            raise BadField(f"ssl.{name}", "must not be longer than 1 MB")
        if text and text != MASK and _PEM not in text:
            raise BadField(f"ssl.{name}", "must be a PEM text, which begins with -----BEGIN")
    if ssl.mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL) and not ssl.ca:
        raise BadField("ssl.ca", f"is required for ssl.mode {ssl.mode}")
    if bool(ssl.client_cert) != bool(ssl.client_key) and ssl.client_key != MASK:
        raise BadField("ssl.client_key", "is required with ssl.client_cert, and the other way round")
