"""The API as replication-manager's own command line asks for it: host, port, account, and texts as they come."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests
import urllib3

from repman.cli.api import CONNECT_SECONDS
from repman.cli.exits import ApiUnreachable, NotAuthorised
from repman.errors import RepmanError

LONGEST = 1800.0
"""Seconds that a call may take: actions answer when they have ended."""


class CallFailed(RepmanError):
    """The API answered with something else than 200."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the API is and as whom to ask."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    certificate: str = ""
    """File with the certificate to expect; empty: any is taken when `insecure`, else the system's authorities."""
    insecure: bool = True


class Client:
    """One logged-in session."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = place.certificate or not place.insecure
        host = f"[{place.host}]" if ":" in place.host else place.host
        self._root = f"https://{host}:{place.port}"

    def login(self) -> None:
        """Get a token.  Raises NotAuthorised for a wrong account, ApiUnreachable."""
        account = {"username": self._place.user, "password": self._place.password}
        try:
            answer = self._request("POST", "/api/login", json=account)
        except requests.exceptions.SSLError as error:
            if not _speaks_plainly(error):
                raise ApiUnreachable(f"{self._root}: {error}; is --cert the certificate of this host?") from error
            self._root = self._root.replace("https:", "http:", 1)
            answer = self._request("POST", "/api/login", json=account)
        if answer.status_code in (401, 403, 429):
            raise NotAuthorised(answer.text.strip() or "Invalid credentials")
        token = _document(answer).get("token") if answer.ok else None
        if not isinstance(token, str):
            raise ApiUnreachable(f"{self._root}/api/login gave no token: HTTP {answer.status_code}")
        self._session.headers["Authorization"] = f"Bearer {token}"

    def text(self, path: str) -> str:
        """The body of a GET.  Raises CallFailed for any status but 200."""
        answer = self._request("GET", path)
        if answer.status_code != 200:
            raise CallFailed(f"{path}: HTTP {answer.status_code}: {answer.text.strip()}")
        return answer.text

    def document(self, path: str) -> Any:
        """The JSON of a GET.  Raises CallFailed."""
        try:
            return json.loads(self.text(path))
        except ValueError as error:
            raise CallFailed(f"{path} did not answer in JSON") from error

    def post(self, path: str, form: Mapping[str, str]) -> requests.Response:
        """The answer of a POST, whatever its status."""
        return self._request("POST", path, data=dict(form))

    def _request(self, method: str, path: str, **more: Any) -> requests.Response:
        url = path if "://" in path else self._root + path
        try:
            with warnings.catch_warnings():
                # That no certificate is checked is what --insecure says; it need not be said with every call.
                warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
                return self._session.request(
                    method, url, timeout=(CONNECT_SECONDS, LONGEST), allow_redirects=False, **more
                )
        except requests.exceptions.SSLError:
            raise
        except requests.exceptions.RequestException as error:
            raise ApiUnreachable(f"no API at {self._root}: {error}") from error


def cluster_path(cluster: str, rest: str = "") -> str:
    """``/api/clusters/{cluster}`` and what is below it."""
    return f"/api/clusters/{quote(cluster, safe='')}" + (f"/{rest}" if rest else "")


def _speaks_plainly(error: Exception) -> bool:
    """Whether the port answered our greeting in plain HTTP."""
    return "WRONG_VERSION_NUMBER" in str(error) or "HTTP_REQUEST" in str(error)


def _document(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
