"""When a copy is what its original is: by versions, and in depth by what both tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Digests = Mapping[str, Any]
Versions = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Drift:
    """The keys of what a copy lacks, has in an older version, has with other content, or has though there
    is no original.
    """

    missing: frozenset[str] = frozenset()
    older: frozenset[str] = frozenset()
    different: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()

    @property
    def repairable(self) -> frozenset[str]:
        """What can be put right by what the owner tells."""
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


def differing(originals: Digests, copies: Digests) -> list[int]:
    """The buckets in which something differs."""
    buckets = {*originals, *copies}
    return sorted(int(bucket) for bucket in buckets if originals.get(bucket) != copies.get(bucket))


def drift(originals: Versions, copies: Versions) -> Drift:
    """What differs by version. A copy that is newer than the original was read is in order."""
    return Drift(
        missing=frozenset(originals.keys() - copies.keys()),
        older=frozenset(key for key, version in copies.items() if version < originals.get(key, version)),
        extra=frozenset(copies.keys() - originals.keys()),
    )


def different(originals: Mapping[str, Any], copies: Mapping[str, Any]) -> frozenset[str]:
    """The keys of copies of the same version that tell something else, in any field that both have."""
    return frozenset(
        key
        for key, copy in copies.items()
        if key in originals and originals[key]["version"] == copy["version"]
        if not same(originals[key]["told"], copy["told"])
    )


def same(original: Any, copy: Any) -> bool:
    """Whether two JSON values mean the same, as far as both have it.

    Numbers and times in any notation, lists in any order.
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
    if number.is_finite():  # "sNaN" is a word, and as a number could not be compared
        return number
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return value
