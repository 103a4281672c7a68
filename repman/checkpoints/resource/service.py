"""What the addresses of the resource have in common: who asks, what for, and how he is answered."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from bson import ObjectId
from flask import Response

from repman import __version__
from repman.checkpoints.catalogue import Catalogue
from repman.checkpoints.desk import Desk
from repman.checkpoints.resource import asking, digest, paging, render
from repman.model.checkpoint import CheckpointSite, ManagedCluster
from repman.state.keys import ApiKey, ApiKeys, Dialect

LOG = logging.getLogger(__name__)

_HARMLESS = frozenset({"GET", "HEAD"})


class Problem(Exception):
    """What was asked is answered with an error: its HTTP status, a code for programs and a sentence."""

    def __init__(self, status: HTTPStatus, code: str, sentence: str, *parameters: str) -> None:
        self.status = status
        self.code = code
        self.parameters = parameters
        super().__init__(sentence)

    def document(self) -> render.Json:
        """The body."""
        return render.error(self.status, self.status.phrase, self.code, str(self), self.parameters)


@dataclass(frozen=True, slots=True)
class Service:
    """One running resource."""

    desk: Desk
    keys: ApiKeys
    unseal: Callable[[str], str]
    """Opens the password equivalent of a key; raises ValueError."""
    secret: bytes = field(repr=False)
    """Signs nonces and the addresses of downloads; the same in all processes with these keys."""
    public_url: str = ""
    now: Callable[[], float] = time.time
    spent: digest.Spent = field(default_factory=digest.Spent)

    @property
    def catalogue(self) -> Catalogue:
        """What is known."""
        return self.desk.catalogue

    @property
    def site(self) -> CheckpointSite:
        """The clusters there are."""
        return self.desk.site

    @property
    def nonces(self) -> digest.Nonces:
        """Nonces of this service."""
        return digest.Nonces(hmac.digest(self.secret, b"nonces", "sha256"))

    def moment(self) -> datetime:
        """Now, UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def admitted(self, header: str, method: str, target: str) -> tuple[ApiKey | None, bool]:
        """Whose request this is, None where nobody is known to have sent it; and whether its nonce alone is too old.

        Raises StateError when the keys cannot be read.
        """
        asked = digest.claim(header)
        if asked is None:
            return None, False
        key = self.keys.get(Dialect.CHECKPOINTS, asked.user)
        known = self._opened(key) if key is not None and key.revoked is None else None
        now = self.now()
        verdict = digest.judge(asked, method, target, known, self.nonces.age(asked.nonce, now))
        if verdict is digest.Verdict.GOOD and method not in _HARMLESS and not self.spent.first(asked, now):
            verdict = digest.Verdict.STALE
        return (key if verdict is digest.Verdict.GOOD else None), verdict is digest.Verdict.STALE

    def _opened(self, key: ApiKey) -> str | None:
        try:
            return self.unseal(key.proof)
        except ValueError as error:
            LOG.error("the API key %s cannot be used: %s; revoke it and create another", key.public, error)
            return None


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted request."""

    service: Service
    key: ApiKey
    given: Mapping[str, str]
    """The query."""
    content: bytes
    url: str
    """Without query, as clients see it."""
    base: str
    """What addresses of this service begin with."""

    def cluster(self, group: str, cluster: str) -> ManagedCluster:
        """The cluster that is meant; raises Problem."""
        for name, text, code in (("group", group, "INVALID_GROUP_ID"), ("cluster", cluster, "INVALID_CLUSTER_ID")):
            if not asking.ID.fullmatch(text):
                sentence = f"an id of a {name} is 24 hex digits"
                raise Problem(HTTPStatus.BAD_REQUEST, code, sentence, text[:100])
        group, cluster = group.lower(), cluster.lower()
        self.opens(group)
        if group not in self.service.site.groups:
            raise Problem(HTTPStatus.NOT_FOUND, "GROUP_NOT_FOUND", f"there is no group {group}", group)
        found = self.service.site.cluster(group, cluster)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "CLUSTER_NOT_FOUND", f"the group has no cluster {cluster}", cluster)
        return found

    def opens(self, group: str) -> None:
        """Raises Problem when the key is not for that group, whether there is one or not."""
        if not self.key.opens(group):
            sentence = "this API key is not for that group; create one whose --scope has it"
            raise Problem(HTTPStatus.FORBIDDEN, "USER_ACCESS_DENIED", sentence, group)

    def may(self, role: str) -> None:
        """Raises Problem when the key is not good for that."""
        if not self.key.may(role):
            sentence = f"this API key may not {role}; create one with --role {role}"
            raise Problem(HTTPStatus.FORBIDDEN, "USER_ACCESS_DENIED", sentence)

    def identifier(self, text: str, kind: str) -> ObjectId:
        """An id in the path; raises Problem."""
        if not asking.ID.fullmatch(text):
            sentence = f"an id of a {kind.lower().replace('_', ' ')} is 24 hex digits"
            raise Problem(HTTPStatus.BAD_REQUEST, f"INVALID_{kind}_ID", sentence, text[:100])
        return ObjectId(text)

    def body(self) -> dict[str, object]:
        """The request's JSON object; raises BadBody."""
        return asking.body(self.content)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    document: render.Json | None = None
    """None: nothing, with 204."""
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    a_list: bool = False
    """Whether an envelope is the list itself."""


def listed(call: Call, items: Sequence[render.Json], wanted: paging.Page, total: int) -> Answer:
    """One page of a list."""
    document: render.Json = {
        "links": paging.links(call.url, call.given, wanted, total),
        "results": list(items),
    }
    if wanted.counted:
        document["totalCount"] = total
    return Answer(document, a_list=True)


def written(answer: Answer, shape: paging.Shape) -> Response:
    """An answer as bytes, in the form that was asked for."""
    document, status = answer.document, answer.status
    if document is None:
        return Response(status=HTTPStatus.NO_CONTENT)
    if shape.envelope and answer.a_list:
        document = {**document, "status": int(status)}
    elif shape.envelope:
        document = {"content": document, "status": int(status)}
    made = Response(render.text(document, shape.pretty), status=int(status))
    # Without a charset, as the resource has it; what is written is ASCII.
    made.headers["Content-Type"] = "application/json"
    made.headers.update(answer.headers)
    return made


def version() -> str:
    """The value of ``X-MongoDB-Service-Version``.

    An installed package knows no commit, so that what stands for it is the SHA-1 of this room's files, as they are.
    """
    names = sorted(Path(__file__).parent.glob("*.py"))
    build = hashlib.sha1(b"".join(name.read_bytes() for name in names), usedforsecurity=False).hexdigest()
    return f"gitHash={build}; versionString={__version__}"
