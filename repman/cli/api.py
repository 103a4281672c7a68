"""The HTTP API as the command line sees it: one object, and errors that say what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests

from repman.cli.exits import ApiUnreachable, NotAuthorised, UsageFailure
from repman.cli.target import Target
from repman.cli.tokens import stored_token
from repman.errors import MonitorDown, Refused, RepmanError, UnknownCluster, UnknownServer
from repman.model.problem import Refusal
from repman.model.snapshot import Snapshot
from repman.state.codec import decode

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
_NO_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


class Api:
    """A session with one API; logs in when first asked for something."""

    def __init__(self, target: Target, action_seconds: float = 180.0) -> None:
        self.target = target
        self.action_seconds = action_seconds
        self._token = ""
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would replace our token, a proxy does not know our hosts
        self._session.headers["Accept"] = "application/json"

    def login(self) -> str:
        """A fresh token for the target's account; raises NotAuthorised."""
        account = {"username": self.target.user, "password": self.target.password}
        answer = self._send("POST", "/api/login", READ_SECONDS, body=account)
        if answer.status_code in (400, 401, 403, 429):
            told = f"{self.target.url} does not accept the user {self.target.user!r}"
            raise NotAuthorised(f"{told}: {_sentence(answer)}")
        token = self._document(answer).get("token")
        if not isinstance(token, str):
            raise ApiUnreachable(f"{self.target.url}/api/login gave no token: is this repman?")
        self._token = token
        return token

    def get(self, path: str, **parameters: str) -> Any:
        """The JSON document at that path; raises what `_check` raises."""
        answer = self._send("GET", path, READ_SECONDS, parameters, authorised=True)
        self._check(answer)
        return self._document(answer)

    def act(self, path: str, **parameters: str) -> Any:
        """Order an action and wait for its end; its JSON document, or {} when the answer has none."""
        answer = self._send("POST", path, self.action_seconds, parameters, authorised=True)
        self._check(answer)
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
        self._check(answer)
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
        body: Mapping[str, str] | None = None,
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

    def _check(self, answer: requests.Response) -> None:
        """Turn an answer that is no success into the error that says what to do."""
        if answer.ok:
            return
        sentence, code = _sentence(answer), answer.status_code
        if code == 401:
            raise NotAuthorised(f"{sentence}: log in with `repman ctl login`, or give --user and --password")
        if code == 403:
            raise NotAuthorised(f"{sentence}{_missing_grant(answer)}")
        if code == 409 and (refusals := _refusals(answer)):
            raise Refused(refusals)
        if code == 503:
            raise MonitorDown(sentence)
        if "no cluster" in sentence.lower():
            told = sentence.rstrip(".")
            raise UnknownCluster(f"{told}; `repman ctl status` without --cluster names those there are")
        if "known" in (fields := _fields(answer)):
            raise UnknownServer(sentence)
        if "supported" in fields:
            raise UsageFailure(sentence)
        raise RepmanError(f"{sentence} (HTTP {code})")

    def _document(self, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            told = f"{answer.url} did not answer in JSON"
            raise ApiUnreachable(f"{told}: is this repman's API?") from error


def cluster_path(cluster: str, *rest: str) -> str:
    """``/api/clusters/{cluster}/...`` with every part quoted."""
    return "/api/clusters/" + "/".join(quote(os.fsencode(part), safe="") for part in (cluster, *rest))


def _fields(answer: requests.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _sentence(answer: requests.Response) -> str:
    """What the API said, in its own words."""
    fields = _fields(answer)
    for name in ("error", "message", "sentence", "msg"):
        if isinstance(fields.get(name), str) and fields[name]:
            return str(fields[name])
    text = answer.text.strip()
    html = text.startswith("<")
    return text.splitlines()[0][:300] if text and not html else f"HTTP {answer.status_code} {answer.reason}"


def _missing_grant(answer: requests.Response) -> str:
    grant = _fields(answer).get("missing_grant") or answer.headers.get("X-Repman-Missing-Grant", "")
    return f": the grant {grant} is missing" if grant else ""


def _refusals(answer: requests.Response) -> tuple[Refusal, ...]:
    given = _fields(answer).get("reasons", [])
    refusals = []
    for item in given if isinstance(given, list) else []:
        if isinstance(item, dict):
            text = [str(item.get(name, "")) for name in ("code", "sentence", "server")]
            refusals.append(Refusal(text[0], text[1] or json.dumps(item), text[2]))
        else:
            refusals.append(Refusal("refused", str(item)))
    return tuple(refusals)


def _reason(error: Exception) -> str:
    """The innermost words of a connection error."""
    while isinstance(inner := error.__cause__ or error.__context__, Exception):
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
