"""Options of the API's own port, which speaks TLS."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option, Scope

_https = partial(Option, scope=Scope.SERVER, group="HTTPS")

HTTPS_OPTIONS: tuple[Option, ...] = (
    _https(
        name="api-server",
        kind=Kind.BOOL,
        default=True,
        help="Serve page, API and health checks over HTTPS on `api-port`, beside `http-port`.",
    ),
    _https(
        name="api-bind",
        kind=Kind.TEXT,
        default="127.0.0.1",
        help="Address on which `api-port` listens; `0.0.0.0` for all addresses.",
        upstream="0.0.0.0",
        because="who opens repman to a network decides so",
    ),
    _https(
        name="api-port",
        kind=Kind.PORT,
        default=10005,
        help="Port of page and API over HTTPS.",
    ),
    _https(
        name="api-https-bind",
        kind=Kind.BOOL,
        default=False,
        help="Answer protected paths over HTTPS only; `http-port` refuses them with 403. Health checks, the page and "
        "the log-in are on both ports.",
    ),
    _https(
        name="monitoring-ssl-cert",
        kind=Kind.PATH,
        default="",
        key="monitoringSSLCert",
        help="Certificate of `api-port`, with those of its issuers after it (PEM). Empty: repman makes one that it "
        "has signed itself and keeps it, `api-tls.crt` in `monitoring-datadir`; clients can pin it.",
    ),
    _https(
        name="monitoring-ssl-key",
        kind=Kind.PATH,
        default="",
        key="monitoringSSLKey",
        help="Private key of `monitoring-ssl-cert` (PEM, without a password).",
    ),
)
