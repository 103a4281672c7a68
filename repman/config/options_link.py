"""Options of links between MongoDB clusters, each in a section ``[links.<name>]``."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option, Scope

_link = partial(Option, group="Links between MongoDB clusters", scope=Scope.LINK, live=True)
_NAMESPACES = " Each is `database.*` or `database.collection`."

LINK_OPTIONS: tuple[Option, ...] = (
    _link(
        name="link-source",
        kind=Kind.URI,
        default="",
        secret=True,
        help="The cluster that data come from, as a URI with an account: "
        "`mongodb://user:password@host1:27017,host2:27017/?replicaSet=rs0`. Only its hosts are ever shown. The password "
        "in it, or all of it, may be encrypted (`repman password`).",
    ),
    _link(
        name="link-target",
        kind=Kind.URI,
        default="",
        secret=True,
        help="The cluster that data go to, in the same form.",
    ),
    _link(
        name="link-enabled",
        kind=Kind.BOOL,
        default=True,
        help="Whether `repman serve` runs the link's process. False: nobody does, or systemd with `repman link run`.",
    ),
    _link(
        name="link-start",
        kind=Kind.CHOICE,
        default="manual",
        choices=("manual", "automatic"),
        help="Whether a link that was never started begins by itself (`automatic`), or when it is told to. Whatever was "
        "begun goes on by itself after a restart.",
    ),
    _link(
        name="link-dialect",
        kind=Kind.CHOICE,
        default="percona",
        choices=("percona", "mongosync"),
        help="Whose HTTP API the link's own port speaks: that of Percona ClusterSync (Percona Link), or that of "
        "mongosync.",
    ),
    _link(
        name="link-port",
        kind=Kind.INT,
        default=0,
        at_least=0,
        at_most=65535,
        help="Port of that API; 0: the one that clients of the dialect expect, 2242 or 27182.",
    ),
    _link(
        name="link-bind",
        kind=Kind.TEXT,
        default="127.0.0.1",
        help="Address on which that API listens. On loopback it asks for no account, as its clients expect, and turns "
        "away requests of web pages; on any other address it needs `link-token`.",
    ),
    _link(
        name="link-token",
        kind=Kind.TEXT,
        default="",
        secret=True,
        help="Asked for by that API as `Authorization: Bearer <token>`; empty: nobody is asked.",
    ),
    _link(
        name="link-include-namespaces",
        kind=Kind.LIST,
        default=(),
        help="What is carried when repman starts the link, or a client of Percona's API that does not say; empty: "
        "everything." + _NAMESPACES,
    ),
    _link(
        name="link-exclude-namespaces",
        kind=Kind.LIST,
        default=(),
        help="What is not carried, although it is among those included." + _NAMESPACES,
    ),
    _link(
        name="link-target-data",
        kind=Kind.CHOICE,
        default="refuse",
        choices=("refuse", "replace"),
        help="What repman's start does when the target holds collections of the same names: it is refused, or they are "
        "dropped and copied anew.",
    ),
    _link(
        name="link-write-blocking",
        kind=Kind.CHOICE,
        default="none",
        choices=("none", "target", "both"),
        help="Where clients' writes are blocked when repman has started the link: nowhere, on the target until the link "
        "is finalized, or there and, from the finalizing on, on the source as well.",
    ),
    _link(
        name="link-reversible",
        kind=Kind.BOOL,
        default=False,
        help="Whether a finalized link that repman has started can replicate the other way; needs "
        '`link-write-blocking = "both"`.',
    ),
    _link(
        name="link-verify",
        kind=Kind.BOOL,
        default=False,
        help="Whether repman's start has source and target compared, and the link is not finalized where they differ.",
    ),
    _link(
        name="link-atomic-transactions",
        kind=Kind.BOOL,
        default=False,
        help="Whether a transaction of the source is one on the target, too, so that no reader there sees a part of it; "
        "it costs speed where there are many.",
    ),
)
