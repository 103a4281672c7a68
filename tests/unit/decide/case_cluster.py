"""From the words of a case file to what a driver would have seen: servers, policy and memory.

The standard cluster: servers a, b, c (and d, e where a case names them), a is the open writer under lossless
semi-sync, the others are healthy replicas of it; everybody holds 0-1-100 and repman holds the lease.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from repman.model.memory import Memory, Rating, RollingRestart, ServerMemory
from repman.model.observation import (
    ClusterSeen,
    Inventory,
    Link,
    ProxySeen,
    Reach,
    Receiver,
    SemiSync,
    ServerSeen,
)
from repman.model.policy import ClusterPolicy, ServerPolicy, UnackedPolicy, UnknownFencePolicy
from repman.model.position import MariadbGtid
from repman.model.version import ServerVersion

Words = dict[str, Any]
"""What a case says of one server."""

LETTERS = "abcde"
HISTORY = "0-1-100"
FOREVER = 315_360_000.0
BEATS_PER_SECOND = 2

PRESETS: dict[str, Words] = {
    "healthy": {"reach": "answered", "receiver": "running", "receiver_error": "", "hears": True},
    "crashed": {"reach": "refused"},
    "silent": {"reach": "silent"},
    "restarted": {"reach": "answered", "boot": "2", "open": False, "ackers": 0, "semi_sync": "off"},
    "lost": {"reach": "answered", "receiver": "connecting", "receiver_error": "2003 cannot connect"},
    "deaf": {"hears": False},
    "stopped": {"reach": "answered", "receiver": "stopped"},
    "fresh": {"reach": "answered", "follows": "", "executed": "", "open": False, "semi_sync": "off", "ackers": 0},
}
"""Words that stand for several: ``a = "crashed"``, or ``a = {is = "crashed", ...}``."""

SEMI_SYNC = {
    "lossless": SemiSync(True, True, True, 2, FOREVER, True),
    "off": SemiSync(False, True, False, 0, FOREVER, True),
    "impatient": SemiSync(True, True, True, 2, 10.0, True),
}


def address(letter: str) -> str:
    """The server of that letter; what is no letter of ours is an address already."""
    return f"{letter}:3306" if len(letter) == 1 else letter


def letters(text: str) -> str:
    """The same text with every address of ours written as its letter."""
    return text.replace(":3306", "")


def standard(letter: str, of: str) -> Words:
    """What the standard cluster says of that server."""
    words: Words = {"reach": "answered", "executed": HISTORY, "boot": "1", "leased": True}
    if letter == "a":
        return {**words, "open": True, "follows": "", "semi_sync": "lossless", "ackers": len(of) - 1}
    return {**words, "open": False, "follows": "a", "semi_sync": "off", "ackers": 0}


def patched(words: Words, patch: str | Words) -> Words:
    """Those words with a patch: a preset, or words of its own (``is`` names a preset to begin with)."""
    change = {"is": patch} if isinstance(patch, str) else dict(patch)
    if "is" in change:
        change = {**PRESETS[change.pop("is")], **change}
    if "executed" in change and "received" not in change:
        words = {key: value for key, value in words.items() if key != "received"}
    return {**words, **change}


def gtid(text: str, strict: bool = True) -> MariadbGtid:
    """``0-1-100`` or a list: everything in it was seen, the highest of each domain last."""
    return MariadbGtid.parse(text, text, strict)


KNOWN = {
    *("reach", "error", "open", "executed", "received", "follows", "receiver", "receiver_error", "applier"),
    *("applier_error", "lag", "heartbeats", "heartbeat_period", "hears", "gtid", "semi_sync", "ackers"),
    *("acknowledges", "boot", "leased", "lease_holder", "version", "binlog", "log_replica_updates"),
    *("strict_gtid", "row_format", "schemas", "bypassing", "server_id", "unread"),
    *("longest_write", "commits_survive", "waiting", "waits_ended"),
}
"""Every word a case may say of a server."""


def server_seen(letter: str, words: Words, now: float, beats: dict[str, int]) -> ServerSeen:
    """One look at one server.  `beats` keeps each replica's heartbeat counter from look to look."""
    unknown = set(words) - KNOWN
    assert not unknown, f"a case cannot say {sorted(unknown)}; known: {sorted(KNOWN)}"
    reach = Reach(words["reach"])
    if reach is not Reach.ANSWERED:
        return ServerSeen(address(letter), reach, now, error=words.get("error", ""))
    executed = gtid(words["executed"])
    received = gtid(words["received"]).union(executed) if "received" in words and words["follows"] else executed
    return ServerSeen(
        address(letter),
        reach,
        now,
        version=ServerVersion.parse(words.get("version", "10.11.6") + "-MariaDB"),
        server_id=words.get("server_id", LETTERS.index(letter) + 1),
        boot=words["boot"],
        read_only=not words["open"],
        executed=None if words.get("unread") else executed,
        received=None if words.get("unread") else received,
        links=_links(letter, words, received, now, beats),
        semi_sync=replace(
            SEMI_SYNC[words["semi_sync"]],
            ackers=words["ackers"],
            replica_enabled=words.get("acknowledges", True),
            waiting=words.get("waiting", 0),
            waits_ended=words.get("waits_ended", 0),
        ),
        binlog=words.get("binlog", True),
        log_replica_updates=words.get("log_replica_updates", True),
        strict_gtid=words.get("strict_gtid", True),
        row_format=words.get("row_format", True),
        leased=words["leased"],
        lease_holder=words.get("lease_holder", ""),
        inventory=_inventory(words),
    )


def _inventory(words: Words) -> Inventory | None:
    if words.get("schemas") == "unknown":
        return None
    schemas = tuple(words.get("schemas", ["shop"] if words["executed"] else []))
    return Inventory(
        0.0,
        user_schemas=schemas,
        bypassing_accounts=tuple(words.get("bypassing", ())),
        longest_write=words.get("longest_write", 0.0),
        commits_survive=words.get("commits_survive", True),
    )


def _links(letter: str, words: Words, received: MariadbGtid, now: float, beats: dict[str, int]) -> tuple[Link, ...]:
    sources = words["follows"] if isinstance(words["follows"], list) else [words["follows"]]
    receiver = Receiver(words.get("receiver", "running"))
    if receiver is Receiver.RUNNING and words.get("hears", True):
        beats[letter] = int(now * BEATS_PER_SECOND)
    receiver_errno, receiver_error = _error(words.get("receiver_error", ""))
    applier_errno, applier_error = _error(words.get("applier_error", ""))
    return tuple(
        Link(
            address(source),
            LETTERS.index(source) + 1 if source in LETTERS else 99,
            receiver,
            words.get("applier", not applier_errno),
            received,
            words.get("heartbeats", beats.get(letter, 0)),
            words.get("heartbeat_period", 1 / BEATS_PER_SECOND),
            words.get("lag", 0.0 if receiver is Receiver.RUNNING else None),
            uses_gtid=words.get("gtid", True),
            receiver_errno=receiver_errno,
            receiver_error=receiver_error,
            applier_errno=applier_errno,
            applier_error=applier_error,
        )
        for source in sources
        if source
    )


def _error(text: str) -> tuple[int, str]:
    number, _, words = text.partition(" ")
    return (int(number), words) if number else (0, "")


def cluster_seen(servers: dict[str, Words], now: float, beats: dict[str, int], proxies: list[Words]) -> ClusterSeen:
    """One look at all of them."""
    return ClusterSeen(
        "shop",
        now,
        tuple(server_seen(letter, words, now, beats) for letter, words in servers.items()),
        tuple(_proxy(words) for words in proxies),
    )


def _proxy(words: Words) -> ProxySeen:
    shut = tuple(address(letter) for letter in words.get("left_in_maintenance", ()))
    return ProxySeen(words["name"], words.get("answered", True), words.get("error", ""), left_in_maintenance=shut)


def policy_of(words: Words, of: str) -> ClusterPolicy:
    """The standard policy with overrides; a letter holds those of one server."""
    servers = tuple(
        ServerPolicy(address(letter), letter, 3306, f"db{letter}", letter, **words.get(letter, {})) for letter in of
    )
    values = {key: value for key, value in words.items() if key not in LETTERS}
    kinds = {"unacked": UnackedPolicy, "unknown_fence": UnknownFencePolicy}
    for key, kind in kinds.items():
        if key in values:
            values[key] = kind(values[key])
    return replace(ClusterPolicy("shop", servers), **values)


def remembered(memory: Memory, words: Words) -> Memory:
    """That memory with overrides; a letter holds those of one server."""
    for letter in (key for key in words if key in LETTERS):
        values = _values(ServerMemory, words[letter])
        memory = memory.with_server(replace(memory.server(address(letter)), **values))
    return replace(memory, **_values(Memory, {key: value for key, value in words.items() if key not in LETTERS}))


def _rolling(words: Words) -> RollingRestart:
    """``home``, ``current`` and ``moved_at`` as they are, ``runs`` by letter."""
    runs = tuple((address(letter), boot) for letter, boot in words["runs"].items())
    current = address(words["current"]) if words.get("current") else ""
    return RollingRestart("ann", runs, address(words["home"]), words["moved_at"], current)


_ADDRESSES = ("writer", "condemned")
_POSITIONS = ("writer_position", "highest_received", "exposed")


def _values(kind: type, words: Words) -> Words:
    known = {field.name for field in fields(kind)}
    assert set(words) <= known, f"memory has no {sorted(set(words) - known)}"
    values = dict(words)
    if "rating" in values:
        values["rating"] = Rating(values["rating"])
    if "rolling" in values:
        values["rolling"] = _rolling(values["rolling"])
    for key in _ADDRESSES:
        if values.get(key):
            values[key] = address(values[key])
    for key in _POSITIONS:
        if key in values:
            values[key] = gtid(values[key])
    return values
