"""Compares copies with their originals, by version or by content, without I/O; `consistency` queries both.

Example: with the originals {"a": 3, "b": 1} and the copies {"a": 2, "c": 1} (versions by key), b is missing,
a is older, and c is extra.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Digests = Mapping[str, Any]
Versions = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Drift:
    """The keys of rows whose copies differ from their originals, by kind of difference.

    `missing`: there is no copy; `older`: the copy has a lower version; `different`: the versions are equal
    and the contents differ; `extra`: there is no original.
    """

    missing: frozenset[str] = frozenset()
    older: frozenset[str] = frozenset()
    different: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()

    @property
    def repairable(self) -> frozenset[str]:
        """The keys of all rows that differ and have an original, from which the copy can be repaired."""
        return self.missing | self.older | self.different

    def __and__(self, other: "Drift") -> "Drift":
        return Drift(
            self.missing & other.missing,
            self.older & other.older,
            self.different & other.different,
            self.extra & other.extra,
        )

    def __or__(self, other: "Drift") -> "Drift":
        return Drift(
            self.missing | other.missing,
            self.older | other.older,
            self.different | other.different,
            self.extra | other.extra,
        )


def differing_buckets(originals: Digests, copies: Digests) -> list[int]:
    """Return the sorted numbers of the buckets whose digests (count and hash, `kit/copies`) differ."""
    buckets = {*originals, *copies}
    return sorted(int(bucket) for bucket in buckets if originals.get(bucket) != copies.get(bucket))


def drift(originals: Versions, copies: Versions) -> Drift:
    """Return the drift by comparing versions, which are by key.

    A copy with a higher version than its original is no drift: originals are read before copies, so the
    object has changed between the two reads.
    """
    return Drift(
        missing=frozenset(originals.keys() - copies.keys()),
        older=frozenset(key for key, version in copies.items() if version < originals.get(key, version)),
        extra=frozenset(copies.keys() - originals.keys()),
    )


def different_keys(originals: Mapping[str, Any], copies: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys of rows whose versions are equal and whose contents are not (`same`).

    Both arguments are results of `copyRows`: {"version": ..., "told": facts} by key.
    """
    return frozenset(
        key
        for key, copy in copies.items()
        if key in originals and originals[key]["version"] == copy["version"]
        if not same(originals[key]["told"], copy["told"])
    )


def same(original: Any, copy: Any) -> bool:
    """Return whether two JSON values are equivalent.

    Fields that only one of them has are ignored, and so are the order of lists and the notation of numbers
    and times: "70.00" is the same as 70.
    """
    if isinstance(original, dict) and isinstance(copy, dict):
        return all(same(original[name], copy[name]) for name in original.keys() & copy.keys())
    if isinstance(original, list) and isinstance(copy, list):
        return len(original) == len(copy) and all(map(same, sorted(original, key=str), sorted(copy, key=str)))
    return bool(original == copy) or _plain(original) == _plain(copy)


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if number.is_finite():  # comparing a signalling NaN, the number of the text "sNaN", would raise
        return number
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return value
