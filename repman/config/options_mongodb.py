"""Options of clusters whose servers are MongoDB's."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option

MARIADB, MONGODB = "mariadb", "mongodb"

_kind = partial(Option, group="Kind of cluster", live=True)

MONGODB_OPTIONS: tuple[Option, ...] = (
    Option(
        group="Kind of cluster",
        name="cluster-type",
        kind=Kind.CHOICE,
        default=MARIADB,
        choices=(MARIADB, MONGODB),
        help="What the servers are: `mariadb` (repman elects the writer, fences and promotes), or `mongodb` (the members "
        "of one replica set, which elect their primary themselves). Each shard and the config servers of a sharded "
        "cluster are clusters of their own here.",
    ),
    _kind(
        name="cluster-group",
        kind=Kind.TEXT,
        default="",
        help="Name of the sharded cluster that this replica set is a part of; it is shown with the cluster.",
    ),
    _kind(
        name="mongodb-replica-set",
        kind=Kind.TEXT,
        default="",
        help="Name that the replica set must have. A server of another set is shown as wrong, and a bootstrap refuses to "
        "make a set of another name. Empty: any.",
    ),
    _kind(
        name="mongodb-uri-options",
        kind=Kind.TEXT,
        names_files=True,
        default="",
        help="Options of connections to the members, as in a MongoDB URI behind the `?`, such as "
        "`tls=true&tlsCAFile=/etc/ssl/ca.pem&authSource=admin`. Accounts do not belong here; see "
        "`db-servers-credential`.",
    ),
)
