"""The HTTP API as the command line sees it: one object, and errors that say what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests

from repman.cli.answers import check, sentence
from repman.cli.exits import ApiUnreachable, NotAuthorised, UsageFailure
from repman.cli.target import Target
from repman.cli.tokens import stored_token
from repman.model.snapshot import Snapshot
from repman.state.codec import decode

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
ACTION_SECONDS = 180.0
Body = Mapping[str, object]
_NO_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


class Api:
    """A session with one API; logs in when first asked for something."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._token = ""
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would replace our token, a proxy does not know our hosts
        self._session.verify = target.cacert or True
        self._session.headers["Accept"] = "application/json"

    def login(self) -> str:
        """A fresh token for the target's account; raises NotAuthorised."""
        account = {"username": self.target.user, "password": self.target.password}
        answer = self._send("POST", "/api/login", READ_SECONDS, body=account)
        if answer.status_code in (400, 401, 403, 429):
            told = f"{self.target.url} does not accept the user {self.target.user!r}"
            raise NotAuthorised(f"{told}: {sentence(answer)}")
        token = self._document(answer).get("token")
        if not isinstance(token, str):
            raise ApiUnreachable(f"{self.target.url}/api/login gave no token: is this repman?")
        self._token = token
        return token

    def get(self, path: str, **parameters: str) -> Any:
        """The JSON document at that path; raises what `answers.check` raises."""
        answer = self._send("GET", path, READ_SECONDS, parameters, authorised=True)
        check(answer)
        return self._document(answer)

    def act(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        within: float = ACTION_SECONDS,
        body: Body | None = None,
    ) -> Any:
        """Order an action and wait at most `within` seconds for its end.

        The JSON document of the answer, or {} when it has none.  What is secret goes into the body, because addresses
        end up in logs.
        """
        answer = self._send("POST", path, within, parameters, body, authorised=True)
        check(answer)
        try:
            return answer.json()
        except ValueError:
            return {}

    def clusters(self) -> tuple[str, ...]:
        """The names of the clusters."""
        document = self.get("/api/clusters")
        items = document if isinstance(document, list) else document.get("clusters", [])
        return tuple(str(item["name"]) if isinstance(item, dict) else str(item) for item in items)

    def snapshot(self, cluster: str) -> tuple[Snapshot, dict[str, Any]]:
        """The cluster's published document, as value and as it came."""
        path = cluster_path(cluster, "snapshot")
        answer = self._send("GET", path, READ_SECONDS, authorised=True)
        check(answer)
        try:
            return decode(Snapshot, answer.content), answer.json()
        except ValueError as error:
            told = f"{self.target.url}{path} is not the document this release knows ({error})"
            raise ApiUnreachable(f"{told}: use the `repman` of the same release") from error

    def _send(
        self,
        method: str,
        path: str,
        seconds: float,
        parameters: Mapping[str, str] | None = None,
        body: Body | None = None,
        authorised: bool = False,
    ) -> requests.Response:
        headers = {}
        if authorised and (token := self._authority()):
            headers["Authorization"] = f"Bearer {token}"
        try:
            return self._session.request(
                method,
                self.target.url + path,
                params={name: value for name, value in (parameters or {}).items() if value},
                json=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, seconds),
                allow_redirects=False,
            )
        except _NO_URL as error:
            raise UsageFailure(f"{self.target.url!r} is no URL of an API: {error}") from error
        except requests.exceptions.SSLError as error:
            raise ApiUnreachable(_distrust(self.target, error)) from error
        except requests.exceptions.ReadTimeout as error:
            told = f"{self.target.url} did not answer within {seconds:g} s"
            raise ApiUnreachable(f"{told}: look at `repman ctl status` before you try again") from error
        except requests.exceptions.RequestException as error:
            told = f"no API at {self.target.url} ({_reason(error)})"
            raise ApiUnreachable(f"{told}: is `repman serve` running, is --url right?") from error

    def _authority(self) -> str:
        if not self._token:
            known = self.target.user and self.target.password
            self._token = self.login() if known else stored_token(self.target.url)
        return self._token

    def _document(self, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            told = f"{answer.url} did not answer in JSON"
            raise ApiUnreachable(f"{told}: is this repman's API?") from error


def cluster_path(cluster: str, *rest: str) -> str:
    """``/api/clusters/{cluster}/...`` with every part quoted."""
    return api_path("clusters", cluster, *rest)


def api_path(*parts: str) -> str:
    """``/api/...`` with every part quoted."""
    return "/api/" + "/".join(quote(os.fsencode(part), safe="") for part in parts)


def _distrust(target: Target, error: Exception) -> str:
    """Why the talk with an API over HTTPS did not come about, and what to do."""
    told = f"{target.url}: {_reason(error)}"
    if "WRONG_VERSION_NUMBER" in str(error):
        return f"{told}: does that port speak plain HTTP?"
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return f"no API at {told}"
    if target.cacert:
        return f"{told}: is {target.cacert} the certificate of that API?"
    return f"{told}: give the certificate that signed it with --cacert or REPMAN_CACERT"


def _reason(error: Exception) -> str:
    """The innermost words of a connection error."""
    while isinstance(inner := error.__cause__ or error.__context__, Exception):
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
