"""The web process: gunicorn inside our own command, threads in a few worker processes.

Plain and HTTPS port belong to the same workers and the same application, so there is one route table for both.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.app.base import BaseApplication

from repman.config.settings import ServiceSettings, Settings
from repman.errors import StateError
from repman.state.accounts import AccountStore
from repman.state.audit import AuditTrail
from repman.web import tokens
from repman.web.app import create_app
from repman.web.certificate import tls_context
from repman.web.worker import Worker

LOG = logging.getLogger(__name__)

_THREADS = 16
"""A worker.  Actions keep a thread until their plan has ended; reads must find one beside them."""
_GRACE = 5
"""Seconds that requests have to end after SIGTERM."""


def run(settings: Settings) -> None:
    """Serve page, API and probes on ``http-port`` and ``api-port`` until SIGTERM.

    Raises ConfigError or StateError when the certificate cannot be used.
    """
    # Made before there are workers, so that a key that cannot be written is reported once and at once.
    tokens.signing_key(settings.service.datadir)
    _make_stores(settings.service)
    _Server(settings).run()


def _make_stores(service: ServiceSettings) -> None:
    """Make the databases that the workers write to before two of them try; what is wrong with one is told at once."""
    accounts, trail = AccountStore(service.accounts_url), AuditTrail(service.audit_url)
    looks: tuple[Callable[[], object], ...] = (accounts.read, partial(trail.entries, limit=1))
    for look in looks:
        try:
            look()
        except StateError as error:
            LOG.error("%s", error)
    accounts.close()
    trail.close()


class _Server(BaseApplication):
    """gunicorn, configured from our settings; each worker makes its own application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Put our options in the place of gunicorn's; called by it."""
        for name, value in _options(self._settings).items():
            self.cfg.set(name, value)
        service = self._settings.service
        if service.api_server:
            Worker.serve_tls(self.cfg, service.api_port, tls_context(service))

    def load(self) -> Any:
        """The application; called by gunicorn in each worker."""
        return create_app(self._settings)


def _options(settings: Settings) -> dict[str, Any]:
    service = settings.service
    plain = [_place(service.http_bind, service.http_port)] if service.http_server else []
    secure = [_place(service.api_bind, service.api_port)] if service.api_server else []
    return {
        "bind": [*plain, *secure],
        "workers": service.http_workers,
        "worker_class": Worker,
        "threads": _THREADS,
        "worker_connections": 1000,
        "keepalive": 15,
        "timeout": 30,
        "graceful_timeout": _GRACE,
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
        "proc_name": "repman-web",
        # What a client says about itself in headers is not believed.
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        "control_socket_disable": True,
    }


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
