"""A served resource over a catalogue that tests fill themselves; nothing in it reaches a database server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.auth import HTTPDigestAuth
from waitress.server import BaseWSGIServer
from waitress.wasyncore import close_all

from repman.checkpoints.catalogue import Catalogue
from repman.checkpoints.desk import Desk
from repman.checkpoints.model import Acts
from repman.checkpoints.resource.app import application
from repman.checkpoints.resource.digest import password_equivalent
from repman.checkpoints.resource.service import Service
from repman.checkpoints.resource.serving import server
from repman.config.secrets import make_key, read_key, seal, unseal
from repman.model.checkpoint import CheckpointSite, ManagedCluster
from repman.state.keys import ApiKey, ApiKeys, Dialect, new_private, new_public, roles_of

GROUP, OTHER_GROUP, CLUSTER, COPY = "a" * 24, "b" * 24, "c" * 24, "d" * 24
SITE = CheckpointSite(
    {GROUP: "Production", OTHER_GROUP: "Test"},
    (
        ManagedCluster(GROUP, CLUSTER, "orders", "mongodb://u:secret@127.0.0.1:1/"),
        ManagedCluster(OTHER_GROUP, COPY, "copy", "mongodb://u:secret@127.0.0.1:2/"),
    ),
)


class Clock:
    """The time that the service believes."""

    def __init__(self) -> None:
        self.now = 1_785_500_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Resource:
    base: str
    catalogue: Catalogue
    keys: ApiKeys
    key: bytes
    datadir: Path
    clock: Clock
    session: requests.Session

    def auth(self, *roles: str, scope: str = "") -> HTTPDigestAuth:
        """A new key's."""
        public, private = new_public(), new_private()
        proof = seal(password_equivalent(public, private), self.key)
        granted = roles_of(Dialect.CHECKPOINTS, roles)
        self.keys.add(ApiKey(public, Dialect.CHECKPOINTS, proof, frozenset({scope} if scope else ()), granted))
        return HTTPDigestAuth(public, private)

    def ask(self, method: str, path: str, auth: HTTPDigestAuth | None, **rest: object) -> requests.Response:
        return self.session.request(method, self.base + path, auth=auth, timeout=10, **rest)  # type: ignore[arg-type]


def no_engine(cluster: ManagedCluster) -> Acts:
    raise AssertionError(f"nothing here works on {cluster.name}")


@contextmanager
def served(datadir: Path) -> Iterator[Resource]:
    make_key(datadir / "key")
    key = read_key(datadir / "key")
    clock = Clock()
    with (
        closing(Catalogue.below(datadir)) as catalogue,
        closing(ApiKeys.below(datadir)) as keys,
        requests.Session() as session,
    ):
        session.trust_env = False
        service = Service(
            Desk(SITE, catalogue, datadir, no_engine), keys, lambda text: unseal(text, key), key, now=clock
        )
        http = server(application(service), "127.0.0.1", 0, threads=2)
        assert isinstance(http, BaseWSGIServer)
        thread = threading.Thread(target=http.run)
        thread.start()
        try:
            base = f"http://127.0.0.1:{http.effective_port}"
            yield Resource(base, catalogue, keys, key, datadir, clock, session)
        finally:
            session.close()
            http.task_dispatcher.shutdown()
            # In its own thread, and with the connections that clients keep.
            http.trigger.pull_trigger(lambda: close_all(http._map))
            thread.join(10)
            assert not thread.is_alive()
