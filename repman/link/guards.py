"""What must hold before a link does something."""

from __future__ import annotations

import threading

from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from repman.errors import LinkFailed, LinkRefused
from repman.link import listing
from repman.link.connection import Cluster
from repman.link.options import LinkOptions, TargetData, WriteBlocking
from repman.link.record import Record


def require_pair(source: Cluster, target: Cluster) -> None:
    """Raises LinkFailed for two that no link can be between."""
    if source.identity == target.identity:
        raise LinkFailed(f"{source.name} and {target.name} are the same cluster: name another one as the target")
    if source.version[0] > target.version[0]:
        told = [".".join(map(str, each.version)) for each in (source, target)]
        raise LinkFailed(
            f"version check: the source (MongoDB {told[0]}) is newer than the target ({told[1]}); replicate to the same "
            "or a newer major version"
        )


def require_possible(source: Cluster, target: Cluster, options: LinkOptions, stop: threading.Event) -> None:
    """Raises LinkRefused for options that these clusters do not offer, and PyMongoError."""
    if options.write_blocking is WriteBlocking.TARGET:
        raise LinkRefused(
            "unsupported",
            "write blocking on the target alone would block the link itself, as it does not log in past it: block "
            "writes on both sides, or on none",
        )
    if options.write_blocking is not WriteBlocking.NONE:
        _require_blocking(source)
    if options.target_data is TargetData.REFUSE:
        listed = listing.list_source(source, options.selection, stop)
        present = listing.present_on(target, [each.collection for each in listed], options.remap)
        if present:
            raise LinkRefused(
                "target-not-empty",
                f"the target has {', '.join(present[:5])}{' and more' if len(present) > 5 else ''} already: drop it there, "
                "or exclude it",
            )


def _require_blocking(source: Cluster) -> None:
    """Raises LinkRefused where writes cannot be blocked."""
    try:
        # What is off already can be switched off without any effect.
        if source.client.admin.command("serverStatus")["repl"].get("userWriteBlockMode") != 2:
            source.block_writes(False)
    except OperationFailure as error:
        raise LinkRefused("unsupported", f"writes on the source cannot be blocked: {error}") from error


def require_way_back(target: Cluster, record: Record) -> None:
    """Raises LinkRefused when the target's oplog does not reach back to when it was opened; PyMongoError."""
    begins = target.oplog_begins()
    if begins is not None and begins > (record.can_write_at or Timestamp(0, 0)):
        raise LinkRefused(
            "not-reversible",
            "the oplog of the new source does not reach back to when it was opened: start a new link from it instead",
        )
