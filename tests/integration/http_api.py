"""The HTTP API of a running repman, for tests."""

from __future__ import annotations

from typing import Any

import requests
from cluster import World, listens
from cluster_repman import CLUSTER, PASSWORD
from mariadb_stand import wait_until


class Api:
    """One user's view of it: ``http-port`` must be among the options that repman was started with."""

    def __init__(self, world: World, user: str = "admin", password: str = PASSWORD) -> None:
        port = world.repman.changes["http-port"]
        assert isinstance(port, int)
        wait_until(lambda: listens(port), 20, "the API")
        self.url = f"http://127.0.0.1:{port}"
        self.cluster = f"/api/clusters/{CLUSTER}"
        answer = requests.post(f"{self.url}/api/login", json={"username": user, "password": password}, timeout=10)
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['token']}"}

    def get(self, path: str, token: bool = True, **parameters: object) -> requests.Response:
        """GET a path, or what follows the cluster's own path when it does not begin with a slash."""
        return self.call("GET", path, token=token, params=parameters)

    def post(self, path: str, token: bool = True, **parameters: object) -> requests.Response:
        """POST with the parameters in the query."""
        return self.call("POST", path, token=token, params=parameters)

    def call(self, method: str, path: str, token: bool = True, **more: Any) -> requests.Response:
        """Any request."""
        whole = path if path.startswith("/") else f"{self.cluster}/{path}"
        headers = {**(self.headers if token else {}), **more.pop("headers", {})}
        return requests.request(method, f"{self.url}{whole}", headers=headers, timeout=90, **more)

    def read(self, path: str) -> Any:
        """The JSON document of a read that must succeed."""
        answer = self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json()
