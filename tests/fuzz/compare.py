"""Whether two answers are the same: data, and the places of null that errors explain.

The order of keys, a "should" of GraphQL, is counted.

GraphQL leaves open which errors are reported below a null that has gone up, so an error counts for the
outermost null on its path.

One difference is federation's own: an input of @requires that fails is fetched at the object in the name of
the field that needs it, so its error stands at this object, or below it, where the monolith has none. Such
errors are let pass, and counted.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fuzz.reference import Answer, Path


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kind of a difference (empty: none) and what it is.

    `starved` counts the errors of inputs that were let pass; `shuffled`: keys stand in another order.
    """

    kind: str = ""
    text: str = ""
    starved: int = 0
    shuffled: bool = False


def explained(data: Any, errors: Iterable[Mapping[str, Any]]) -> set[Path]:
    """The paths of errors, each cut where data is null."""
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
    """The gateway's response beside the monolith's answer."""
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
    """How many leaves are not null."""
    if isinstance(data, dict):
        return sum(map(leaves, data.values()))
    return sum(map(leaves, data)) if isinstance(data, list) else int(data is not None)
