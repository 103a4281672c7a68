"""Documents and updates at random, from a seed."""

from __future__ import annotations

import random
from typing import Any

from bson import Int64
from link_stand import Data
from pymongo.errors import OperationFailure

Path = list[str | int]


class Updates:
    """Changes documents in as many ways as there are operators and stages."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._names = 0

    def documents(self, count: int) -> list[dict[str, Any]]:
        """New ones, large enough for the server to tell of changes as differences."""
        return [{"_id": number, "pad": "x" * 400, **self._object(3)} for number in range(count)]

    def change(self, database: Data, rounds: int) -> None:
        """Change one document after the other."""
        count = database.c.count_documents({})
        for _ in range(rounds):
            identity = self._random.randrange(count)
            document = database.c.find_one({"_id": identity})
            assert document is not None
            update = self._random.choice([self._operators, self._stages, self._stages, self._array])(document)
            try:
                database.c.update_one({"_id": identity}, update)
            except OperationFailure:
                continue  # two paths that conflict, or one through a value that has none

    def _operators(self, document: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(self._random.randint(1, 4)):
            path = self._path(document)
            match self._random.randrange(4):
                case 0:
                    found.setdefault("$set", {})[_dotted(path)] = self._value(2)
                case 1:
                    found.setdefault("$set", {})[_dotted([*path[:-1], self._name()])] = self._value(2)
                case 2:
                    found.setdefault("$unset", {})[_dotted(path)] = 1
                case 3:
                    found.setdefault("$rename", {})[_dotted(path)] = self._name()
        return found

    def _array(self, document: dict[str, Any]) -> dict[str, Any]:
        arrays = [path for path, value in _paths(document) if isinstance(value, list)]
        if not arrays:
            return {"$set": {self._name(): [self._value(1) for _ in range(8)]}}
        path = _dotted(self._random.choice(arrays))
        return self._random.choice(
            [
                {"$push": {path: self._value(2)}},
                {"$push": {path: {"$each": [self._value(1)], "$position": 0}}},
                {"$push": {path: {"$each": [], "$slice": self._random.randint(-3, 3)}}},
                {"$pop": {path: self._random.choice([1, -1])}},
                {"$set": {f"{path}.{self._random.randint(0, 6)}": self._value(1)}},
                {"$pull": {path: {"$gt": 5}}},
            ]
        )

    def _stages(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        return [self._stage(document) for _ in range(self._random.randint(1, 4))]

    def _stage(self, document: dict[str, Any]) -> dict[str, Any]:
        path = _dotted([part for part in self._path(document) if isinstance(part, str)])
        least = self._random.randint(1, 4)
        array = {"$cond": [{"$isArray": f"${path}"}, f"${path}", [1, 2, 3]]}
        match self._random.randrange(7):
            case 0:
                return {"$set": {path: {"$literal": self._value(2)}}}
            case 1:
                return {"$set": {self._name(): {"$literal": self._value(2)}, self._name(): 1, self._name(): 2}}
            case 2:
                return {"$set": {path: {"$slice": [array, least]}}}
            case 3:
                return {"$set": {path: {"$concatArrays": [{"$slice": [array, least]}, [7, {"s": 1}]]}}}
            case 4:
                return {"$set": {path: {"$reverseArray": array}}}
            case 5:
                # To set it again would move it to the end, for which there is a case of its own.
                document.pop(path.partition(".")[0], None)
                return {"$unset": path}
            case _:
                return {"$replaceWith": {"$mergeObjects": ["$$ROOT", {"$literal": self._object(1)}]}}

    def _path(self, document: dict[str, Any]) -> Path:
        paths = [path for path, _ in _paths(document) if path not in (["_id"], ["pad"])]
        return self._random.choice(paths or [[self._name()]])

    def _name(self) -> str:
        self._names += 1
        number = self._names
        return self._random.choice([f"f{number}", f"{number}", f"Z{number}", f"_{number}", f"0{number}", f"{number}x"])

    def _object(self, depth: int) -> dict[str, Any]:
        return {self._name(): self._value(depth) for _ in range(self._random.randint(1, 4))}

    def _value(self, depth: int) -> Any:
        kind = self._random.randrange(6)
        if depth and kind == 0:
            return self._object(depth - 1)
        if depth and kind <= 2:
            return [self._value(depth - 1) for _ in range(self._random.randint(0, 8))]
        return self._random.choice([self._random.randint(-9, 9), 1.5, "text", None, True, Int64(2**40), "long " * 20])


def _paths(value: Any, above: Path | None = None) -> list[tuple[Path, Any]]:
    above = above or []
    found: list[tuple[Path, Any]] = [(above, value)] if above else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        found += _paths(each, [*above, key])
    return found


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
