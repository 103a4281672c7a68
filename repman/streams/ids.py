"""Identifiers of the API: a kind and a KSUID (https://github.com/segmentio/ksuid), which holds when it was made.

A KSUID is 20 bytes, a time and 16 random ones, written as 27 characters of base 62.
"""

from __future__ import annotations

import secrets
import string

EPOCH = 1_400_000_000
"""Unix seconds at which a KSUID's time begins."""
CONNECTION = "conn_"
CONFIG = "config_"
STREAM = "stream_"
SOURCE_NODE = "nodesource_"
TARGET_NODE = "nodetarget_"

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LENGTH = 27
_RANDOM_BYTES = 16
SUFFIX = 5
"""Characters of a configuration's id that its name ends with."""


def new_id(kind: str, moment: int) -> str:
    """An id of that kind, made at that Unix second."""
    number = int.from_bytes((moment - EPOCH).to_bytes(4, "big") + secrets.token_bytes(_RANDOM_BYTES), "big")
    digits = []
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return kind + "".join(reversed(digits)).rjust(_LENGTH, _DIGITS[0])


def made_at(identifier: str) -> int:
    """The Unix second that an id holds; raises ValueError for what is none."""
    text = identifier.rpartition("_")[2]
    if len(text) != _LENGTH:
        raise ValueError(f"{identifier} is no id: it does not end with {_LENGTH} letters and digits")
    number = 0
    for character in text:
        number = number * len(_DIGITS) + _DIGITS.index(character)
    return (number >> (8 * _RANDOM_BYTES)) + EPOCH
