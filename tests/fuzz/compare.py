"""Compares two responses: the data, and the nulls that errors explain.

The order of keys, a "should" of GraphQL, is only counted. GraphQL does not define which errors are reported
inside a value that has become null, so an error counts for the outermost null on its path.

One difference comes from federation: an input of @requires that fails is fetched for the field that needs it,
so its error is at this object or inside it, where the monolith has none. Such errors are accepted, and
counted.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fuzz.reference import Answer, Path


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kind of a difference ("" if there is none) and its description.

    `starved`: the number of accepted errors of @requires inputs. `shuffled`: whether keys are in another
    order.
    """

    kind: str = ""
    text: str = ""
    starved: int = 0
    shuffled: bool = False


def explained(data: Any, errors: Iterable[Mapping[str, Any]]) -> set[Path]:
    """Return the paths of errors, each shortened to its outermost null in the data."""
    return {_cut(data, tuple(error.get("path") or ())) for error in errors}


def _cut(data: Any, path: Path) -> Path:
    for depth, step in enumerate(path):
        if data is None:
            return path[:depth]
        fits = step in data if isinstance(data, dict) else isinstance(step, int) and step < len(data)
        if not fits:
            return ("no such place", *path)
        data = data[step]
    return path


def compare(got: Mapping[str, Any], want: Answer) -> Verdict:
    """Compare the gateway's response with the monolith's."""
    data = got.get("data")
    if data != want.data:
        return Verdict("data", f"data\n  {json.dumps(data)}\nis not\n  {json.dumps(want.data)}")
    ours, theirs = explained(data, got.get("errors", ())), explained(want.data, want.errors)
    starved = {_cut(data, place) for place in want.starved}
    own = {path for path in ours - theirs if any(path[:depth] in starved for depth in range(len(path) + 1))}
    if ours - own != theirs:
        extra, missing = sorted(map(str, ours - own - theirs)), sorted(map(str, theirs - ours))
        return Verdict("errors", f"error paths: too many {extra}, missing {missing}")
    return Verdict(starved=len(own), shuffled=json.dumps(data) != json.dumps(want.data))


def leaves(data: Any) -> int:
    """Return the number of leaves that are not null."""
    if isinstance(data, dict):
        return sum(map(leaves, data.values()))
    return sum(map(leaves, data)) if isinstance(data, list) else int(data is not None)
