"""Bodies of requests: JSON read into a shape, and mistakes told by the name of their field.

Shapes are msgspec structs.  What a shape cannot say, a reader of the shape says with `BadField`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

MOST_BYTES = 8 << 20
"""Of a request's body: four certificates of 1 MB and a thousand tables find room."""
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"^Object missing required field `(.*?)`")
_WANTED = re.compile(r"Expected `([^`]*)`(?:, got `([^`]*)`)?")


class BadField(Exception):
    """A value of a request that cannot be used; answered with 400.  Nothing was stored."""

    def __init__(self, field: str, sentence: str, value: object = None) -> None:
        self.field = field
        """Its path in the body, as in ``limits.numberOfEvents``; empty: the body as a whole."""
        self.value = value
        """What was given, where it may be shown."""
        super().__init__(f"{field}: {sentence}" if field else sentence)


def document_of(body: bytes) -> dict[str, Any]:
    """The object in a body; raises BadField when it is not JSON, or not an object."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadField("", f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadField("", "the body must be a JSON object")
    return document


def shaped(document: dict[str, Any], shape: type[T]) -> T:
    """The document as that shape; raises BadField with the first field that does not fit."""
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise _told(str(error)) from None
    except RecursionError:
        raise BadField("", "the body is nested too deeply") from None


def _told(text: str) -> BadField:
    found = _PLACE.search(text)
    place = found[1] if found else ""
    sentence = text[: found.start()] if found else text
    if missing := _MISSING.match(sentence):
        return BadField(f"{place}.{missing[1]}" if place else missing[1], "is required")
    if wanted := _WANTED.match(sentence):
        got = f", not {wanted[2]}" if wanted[2] else ""
        return BadField(place, f"must be {wanted[1]}{got}")
    return BadField(place, sentence[0].lower() + sentence[1:])


def line_of_text(field: str, text: str, most: int, least: int = 1) -> str:
    """The text, when it is one line of so many characters; raises BadField.

    Control characters would go into logs and connection strings, lone surrogates cannot be sent at all.
    """
    if len(text.strip()) < least:
        raise BadField(field, "must not be empty", text)
    if len(text) > most:
        raise BadField(field, f"must not be longer than {most} characters, and has {len(text)}")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise BadField(field, "must be one line of text without control characters")
    return text


def within(field: str, number: int, least: int, most: int) -> int:
    """The number, when it is in that range; raises BadField."""
    if not least <= number <= most:
        raise BadField(field, f"must be between {least} and {most}, not {number}", number)
    return number


def one_of(field: str, word: str, words: tuple[str, ...]) -> str:
    """The word, when it is one of those; raises BadField."""
    if word not in words:
        raise BadField(field, f"must be one of {', '.join(words)}, not {word[:60]!r}", word[:60])
    return word
