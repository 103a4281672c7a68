"""Document keys that are one to the server although their bytes differ.  Pure.

To the server 1, 1L, 1.0 and a decimal 1 are the same ``_id``, also inside of documents, and so are a symbol and a
string.  When one is deleted and the other inserted, both are changes of one document, and must stay in their order.
"""

from __future__ import annotations

import math
from decimal import Decimal
from struct import Struct

from bson.decimal128 import Decimal128, create_decimal128_context

from repman.mongo.raw import document, size_of

_DOUBLE, _STRING, _DOCUMENT, _ARRAY, _SYMBOL, _INT32, _INT64, _DECIMAL = 1, 2, 3, 4, 14, 16, 18, 19
_OTHERWISE = frozenset({_DOUBLE, _DOCUMENT, _ARRAY, _SYMBOL, _INT64, _DECIMAL})
"""Types of values that may be equal to a value with other bytes."""
_VALUE = 9
"""Where the value of a first element called ``_id`` begins."""
_int32, _int64, _double = Struct("<i"), Struct("<q"), Struct("<d")
_DIGITS_OF_INT64 = 19
_EXACT = create_decimal128_context()


def canonical(key: bytes) -> bytes:
    """The same for all keys that are equal to the server; collations, which make more of them equal, do not count."""
    kind = key[4]
    if kind not in _OTHERWISE and _VALUE + size_of(key, kind, _VALUE) == len(key) - 1:
        return key
    return _document(key)


def _document(raw: bytes) -> bytes:
    made, at = [], 4
    while raw[at]:
        kind = raw[at]
        start = raw.index(0, at + 1) + 1
        end = start + size_of(raw, kind, start)
        if kind in _OTHERWISE:
            other, value = _value(kind, raw[start:end])
            made.append(b"%c%b%b" % (other, raw[at + 1 : start], value))
        else:
            made.append(raw[at:end])
        at = end
    return document(*made)


def _value(kind: int, value: bytes) -> tuple[int, bytes]:
    if kind in (_DOCUMENT, _ARRAY):
        return kind, _document(value)
    if kind == _SYMBOL:
        return _STRING, value
    if kind == _INT64:
        return _integer(_int64.unpack(value)[0])
    if kind == _DOUBLE:
        return _float(_double.unpack(value)[0])
    return _decimal(Decimal128.from_bid(value).to_decimal())


def _integer(number: int) -> tuple[int, bytes]:
    if -(2**31) <= number < 2**31:
        return _INT32, _int32.pack(number)
    return _INT64, _int64.pack(number)


def _float(number: float) -> tuple[int, bytes]:
    if math.isnan(number):
        return _DOUBLE, _double.pack(math.nan)
    if number.is_integer() and -(2.0**63) <= number < 2.0**63:
        return _integer(int(number))
    return _DOUBLE, _double.pack(number)


def _decimal(number: Decimal) -> tuple[int, bytes]:
    if number.is_nan():
        return _float(math.nan)
    if number.is_infinite():
        return _float(float(number))
    if number.adjusted() < _DIGITS_OF_INT64 and number == number.to_integral_value():
        whole = int(number)
        if -(2**63) <= whole < 2**63:
            return _integer(whole)
    near = float(number)
    if math.isfinite(near) and Decimal(near) == number:
        return _float(near)
    return _DECIMAL, Decimal128(number.normalize(_EXACT)).bid
