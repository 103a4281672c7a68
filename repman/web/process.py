"""The web process: gunicorn inside our own command, threads in a few worker processes."""

from __future__ import annotations

from typing import Any

from gunicorn.app.base import BaseApplication

from repman.config.settings import Settings
from repman.web import tokens
from repman.web.app import create_app
from repman.web.worker import Worker

_THREADS = 16
"""A worker.  Actions keep a thread until their plan has ended; reads must find one beside them."""
_GRACE = 5
"""Seconds that requests have to end after SIGTERM."""


def run(settings: Settings) -> None:
    """Serve page, API and probes on ``http-port`` until SIGTERM."""
    # Made before there are workers, so that a key that cannot be written is reported once and at once.
    tokens.signing_key(settings.service.datadir)
    _Server(settings).run()


class _Server(BaseApplication):
    """gunicorn, configured from our settings; each worker makes its own application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Put our options in the place of gunicorn's; called by it."""
        for name, value in _options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application; called by gunicorn in each worker."""
        return create_app(self._settings)


def _options(settings: Settings) -> dict[str, Any]:
    service = settings.service
    host = f"[{service.http_bind}]" if ":" in service.http_bind else service.http_bind
    return {
        "bind": f"{host}:{service.http_port}",
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
