"""Whether two answers are the same: data, and the places of null that errors explain. The order of keys, a "should" of GraphQL, is counted.

GraphQL leaves open which errors are reported below a null that has gone up, so an error counts for the outermost null on its path.

Two differences are federation's own; such errors are let pass, and counted. An input of @requires that fails is fetched at the object in
the name of the field that needs it, so its error stands at this object, or below it, where the monolith has none. And fields of an
interface object are asked for before the type is known, so that there may be an error for a key that the object, being of another
type, does not have.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fuzz.reference import Answer, Path

_ABSENT = "no such key"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kind of a difference (empty: none) and what it is.

    `starved` and `early` count the errors that were let pass (of inputs; before the type was known); `shuffled`: keys have another
    order.
    """

    kind: str = ""
    text: str = ""
    starved: int = 0
    early: int = 0
    shuffled: bool = False


def explained(data: Any, errors: Iterable[Mapping[str, Any]]) -> set[Path]:
    """The paths of errors, each cut where data is null."""
    return {_cut(data, tuple(error.get("path") or ())) for error in errors}


def _cut(data: Any, path: Path) -> Path:
    for depth, step in enumerate(path):
        if data is None:
            return path[:depth]
        if isinstance(data, dict) and step not in data:
            return (_ABSENT, *path)
        if isinstance(data, list) and not (isinstance(step, int) and step < len(data)):
            return ("no such place", *path)
        data = data[step]
    return path


def compare(got: Mapping[str, Any], want: Answer, interface_objects: bool) -> Verdict:
    """The gateway's response beside the monolith's answer; whether there are interface objects."""
    data = got.get("data")
    if data != want.data:
        return Verdict("data", f"data\n  {json.dumps(data)}\nis not\n  {json.dumps(want.data)}")
    ours, theirs = explained(data, got.get("errors", ())), explained(want.data, want.errors)
    starved = {_cut(data, place) for place in want.starved}
    own = {path for path in ours - theirs if any(path[:depth] in starved for depth in range(len(path) + 1))}
    early = {path for path in ours - theirs if interface_objects and path[:1] == (_ABSENT,)}
    if ours - own - early != theirs:
        extra, missing = sorted(map(str, ours - own - early - theirs)), sorted(map(str, theirs - ours))
        return Verdict("errors", f"error paths: too many {extra}, missing {missing}")
    return Verdict(starved=len(own), early=len(early), shuffled=json.dumps(data) != json.dumps(want.data))


def leaves(data: Any) -> int:
    """How many leaves are not null."""
    if isinstance(data, dict):
        return sum(map(leaves, data.values()))
    return sum(map(leaves, data)) if isinstance(data, list) else int(data is not None)
