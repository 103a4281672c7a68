"""Where the API is, and as whom to talk to it.

The first that says something wins: the command's options, the environment (``REPMAN_URL``, ``REPMAN_USER``,
``REPMAN_PASSWORD``, ``REPMAN_PASSWORD_FILE``, ``REPMAN_CACERT``), the demo (``var/demo/demo.json`` here or in a directory above).
Credentials of the demo are sent to the demo's address only.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from repman.cli.exits import UsageFailure

DEFAULT_URL = "http://127.0.0.1:10001"
DEMO_FILE = Path("var/demo/demo.json")


@dataclass(frozen=True, slots=True)
class Target:
    """One API and the account to use there; without a user only a stored token can be used."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    cluster: str = ""
    """The demo's cluster, when this is the demo."""
    cacert: str = ""
    """File with the certificates to trust, for an API with HTTPS; empty: the authorities that everybody trusts."""


def find_target(
    url: str = "",
    user: str = "",
    password: str = "",
    demo: Path | None = None,
    cacert: str = "",
    environment: Mapping[str, str] | None = None,
    start: Path | None = None,
) -> Target:
    """The target that follows from options, environment and demo; raises UsageFailure when one is unusable."""
    told = os.environ if environment is None else environment
    wanted = (url or told.get("REPMAN_URL", "")).rstrip("/")
    found = _demo(demo) if demo else None if wanted else _demo_above(start or Path.cwd())
    if demo and wanted and found and found.url != wanted:
        raise UsageFailure(f"--demo is at {found.url}, the URL given is {wanted}: give one of the two")
    name = user or told.get("REPMAN_USER", "")
    secret = password or told.get("REPMAN_PASSWORD", "") or _password_file(told)
    certificates = _certificates(cacert or told.get("REPMAN_CACERT", ""))
    if found:
        name = name or found.user
        secret = secret or (found.password if name == found.user else "")
        return Target(found.url, name, secret, found.cluster, certificates)
    return Target(wanted or DEFAULT_URL, name, secret, cacert=certificates)


def _certificates(path: str) -> str:
    """The file's path; raises UsageFailure for one that is not there or holds no certificate."""
    if path:
        try:
            ssl.create_default_context(cafile=path)
        except (OSError, ssl.SSLError) as error:
            raise UsageFailure(f"the certificates in {path} cannot be used: {error}") from error
    return path


def _password_file(told: Mapping[str, str]) -> str:
    path = told.get("REPMAN_PASSWORD_FILE", "")
    if not path:
        return ""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise UsageFailure(f"REPMAN_PASSWORD_FILE cannot be read: {error}") from error


def _demo_above(start: Path) -> Target | None:
    for directory in (start, *start.parents):
        if (directory / DEMO_FILE).is_file():
            return _demo(directory / DEMO_FILE)
    return None


def _demo(place: Path) -> Target:
    """Read ``demo.json``, given the file, its directory, or the project's."""
    tried = (place, place / "demo.json", place / DEMO_FILE)
    for path in tried:
        if path.is_file():
            break
    else:
        raise UsageFailure(f"there is no demo in {place}: start one with scripts/demo")
    try:
        document = json.loads(path.read_text())
        return Target(
            str(document["api_url"]).rstrip("/"),
            str(document["username"]),
            str(document["password"]),
            str(document["cluster"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageFailure(f"{path} is not what scripts/demo writes ({error!r}): run it again") from error
