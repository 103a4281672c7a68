"""Many small changes as one transaction of the target.

Each statement that changes or removes a document is a storage transaction and an oplog entry of its own.  In one
transaction they are one of each: that takes little more than half the processor time (`bench/link.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from repman.link.checkpoint import term_of
from repman.link.connection import Cluster, Document
from repman.link.writing import Written, sending
from repman.mongo.patience import is_transient
from repman.mongo.raw import LENIENT, Documents

MOST_STATEMENTS = 500
"""In one transaction: larger ones need more of the target's cache, and are not faster."""
MOST_BYTES = 4_000_000
_ONE = WriteConcern(w=1)


class _Abandoned(Exception):
    """A statement failed; nothing of the transaction was done."""


def change_together(
    target: Cluster, database: str, name: str, updates: Sequence[bytes], deletes: Sequence[bytes]
) -> Written | None:
    """Carry out update statements in their order, then delete statements, all of them or none.

    None: the target did not take them together, and nothing was done.  Raises PyMongoError for what passes.
    """
    commands: list[Document] = []
    if updates:
        commands.append(
            {
                "update": name,
                "updates": [Documents(b"".join(updates))],
                "ordered": True,
                "bypassDocumentValidation": True,
            }
        )
    if deletes:
        commands.append({"delete": name, "deletes": [Documents(b"".join(deletes))], "ordered": True})
    term = -1
    try:
        with (
            sending(target),
            target.client.start_session(causal_consistency=False) as session,
            session.start_transaction(write_concern=_ONE),
        ):
            for command in commands:
                reply = target.client[database].command(command, session=session, codec_options=LENIENT)
                if reply.get("writeErrors"):
                    raise _Abandoned
                term = term_of(reply)
    except _Abandoned:
        return None
    except OperationFailure as error:
        if is_transient(error):
            raise
        return None
    return Written(term)
