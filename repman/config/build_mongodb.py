"""Settings of clusters whose servers are MongoDB's, from their options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from repman.config.options_mongodb import MONGODB
from repman.config.settings_mongodb import MongodbSettings

if TYPE_CHECKING:
    from repman.config.build import Values

_OURS = frozenset({"directconnection", "replicaset", "readpreference", "w", "appname", "servermonitoringmode"})
"""Options that repman's way of watching leaves no choice about."""


def is_mongodb(values: Values) -> bool:
    """Whether the cluster's servers are MongoDB's."""
    return values.valid("cluster-type") and values.text("cluster-type") == MONGODB


def mongodb(values: Values) -> MongodbSettings | None:
    """None for clusters of another kind."""
    if not is_mongodb(values):
        return None
    return MongodbSettings(values.text("cluster-group"), connection_options(values.text("mongodb-uri-options")))


def connection_options(text: str) -> dict[str, object]:
    """Options behind the ``?`` of a URI, checked; raises ValueError with the driver's words."""
    if not text:
        return {}
    try:
        options = dict(parse_uri(f"mongodb://localhost/?{text}", warn=False, validate=True)["options"])
    except (PyMongoError, ValueError) as error:
        raise ValueError(str(error)) from error
    if taken := sorted(name for name in options if name.lower() in _OURS):
        raise ValueError(f"{', '.join(taken)} cannot be set: repman talks to each member directly")
    return options
