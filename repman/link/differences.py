"""How two copies of a collection differ: values, and the comparison itself.  Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from bson import decode
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps

from repman.mongo.ranges import identity_of
from repman.mongo.raw import LENIENT

MOST_LISTED = 10_000
MOST_LISTED_BYTES = 4 << 20
"""Of their `_id`s: what is listed must fit into one document, to be kept."""
"""A date outside of Python's years stays a number."""


class Kind(Enum):
    """How a document of one copy compares with the other."""

    MISSING = "missing"
    """The target does not have it."""
    EXTRA = "extra"
    """The source does not have it."""
    DIFFERENT = "different"
    """Both have it, and their bytes differ: a value, its type, or the order of fields."""
    ORDER = "order"
    """The first that stands elsewhere in a capped collection, where all documents are equal otherwise."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One document that is not alike in both."""

    kind: Kind
    id: bytes
    """The BSON of ``{"_id": value}``, in which the type of the value is exact."""

    def shown(self) -> str:
        """The `_id` for people, as extended JSON that tells its type."""
        return dumps(decode(self.id, LENIENT)["_id"], json_options=CANONICAL_JSON_OPTIONS)


@dataclass(frozen=True, slots=True)
class Differences:
    """How far a pair of collections was compared, and how it differs up to there.

    The result of a comparison, and also where it goes on when it was broken off.
    """

    complete: bool = False
    """Every document was compared."""
    moment_gone: bool = False
    """It ended early, because a server cannot tell any more, or not yet, what was there at the moment of reading:
    go on at a newer one."""
    resume_at: bytes | None = None
    """The first `_id` that was not compared yet, as in `Difference.id`; None: begin, or `complete`."""
    source_documents: int = 0
    """Compared so far."""
    target_documents: int = 0
    total: int = 0
    """All differences found, also those that are not listed."""
    listed: tuple[Difference, ...] = ()
    """The first `MOST_LISTED` of them, in the order of ranges of `_id`."""

    @property
    def more(self) -> bool:
        """Whether there are differences that are not listed."""
        return self.total > len(self.listed)

    @property
    def equal(self) -> bool:
        """Whether all was compared and nothing differs."""
        return self.complete and not self.total

    def with_range(self, next_id: bytes | None, documents: tuple[int, int], found: Iterable[Difference]) -> Differences:
        """After one more range; `documents` on source and target, `next_id` None when it was the last one."""
        listed = list(self.listed)
        space = MOST_LISTED_BYTES - sum(len(each.id) for each in listed)
        total = self.total
        for difference in found:
            if total == len(listed) < MOST_LISTED and len(difference.id) <= space:
                listed.append(difference)
                space -= len(difference.id)
            total += 1
        return replace(
            self,
            complete=next_id is None,
            resume_at=next_id,
            source_documents=self.source_documents + documents[0],
            target_documents=self.target_documents + documents[1],
            total=total,
            listed=tuple(listed),
        )

    def document(self) -> dict[str, Any]:
        """What `differences_of` makes the same value of; BSON types only, a few megabytes at most."""
        return {
            "complete": self.complete,
            "resumeAt": self.resume_at,
            "sourceDocuments": self.source_documents,
            "targetDocuments": self.target_documents,
            "total": self.total,
            "listed": [{"kind": each.kind.value, "id": each.id} for each in self.listed],
        }


NOTHING = Differences()
"""Nothing was compared yet."""


def differences_of(document: Mapping[str, Any]) -> Differences:
    """The value that `Differences.document` was made of; the moment of reading is to be chosen anew anyway."""
    return Differences(
        complete=document["complete"],
        resume_at=document["resumeAt"],
        source_documents=document["sourceDocuments"],
        target_documents=document["targetDocuments"],
        total=document["total"],
        listed=tuple(Difference(Kind(each["kind"]), each["id"]) for each in document["listed"]),
    )


def compare(source: Iterable[bytes], target: Iterable[bytes]) -> Iterator[Difference]:
    """Compare whole documents byte by byte, in whatever order they come.

    In memory are the `_id`s of the source's and a digest of each, nothing of the target's.  A sharded collection may
    have several documents of one `_id`; they are alike when each has its equal.
    """
    here: dict[bytes, list[bytes]] = {}
    for raw in source:
        here.setdefault(identity_of(raw), []).append(hashlib.sha256(raw).digest())
    changed: set[bytes] = set()
    for raw in target:
        identity = identity_of(raw)
        copies = here.get(identity)
        if copies is None:
            yield Difference(Kind.EXTRA, identity)
        elif (digest := hashlib.sha256(raw).digest()) in copies:
            copies.remove(digest)
        else:
            changed.add(identity)
    for identity, copies in here.items():
        if identity in changed:
            yield Difference(Kind.DIFFERENT, identity)
        elif copies:
            yield Difference(Kind.MISSING, identity)
