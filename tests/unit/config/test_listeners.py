"""Where repman listens: no two at one place, certificate and key together, and no API that nobody can use."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("api-port = 10001", "http-port and api-port are both 10001"),
        ('api-port = 10001\napi-bind = "127.0.0.9"', "http-port and api-port are both 10001"),
        ('api-port = 10002\napi-bind = "0.0.0.0"', "api-port and probes-port are both 10002"),
        ('monitoring-ssl-cert = "api.crt"', "monitoring-ssl-cert and monitoring-ssl-key go together"),
        ('monitoring-ssl-key = "api.key"', "monitoring-ssl-cert and monitoring-ssl-key go together"),
        ("api-https-bind = true\napi-server = false", "nobody could use the API; switch api-server on"),
        ("api-port = 0", "api-port"),
    ],
)
def test_what_cannot_be_is_said(configured, lines, told):
    configured.cluster(default=lines + "\n")
    assert told in "\n".join(configured.mistakes())


def test_what_can_be(configured):
    configured.cluster(
        default='api-port = 10001\nhttp-server = false\nmonitoring-ssl-cert = "a"\nmonitoring-ssl-key = "b"\n'
    )
    service = configured.load()[0].service
    assert (service.api_server, service.api_port, service.https_only) == (True, 10001, False)
    assert [path.name for path in (service.ssl_cert, service.ssl_key)] == ["a", "b"]
