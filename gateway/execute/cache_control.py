"""Merges the Cache-Control headers of several replies to the most restrictive one (RFC 9111, 5.2.2).

Example: `public, max-age=60` and `max-age=30, must-revalidate` give `max-age=30, must-revalidate`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NEVER = b"no-store, no-cache"
FORCED = b"no-store, no-cache, must-revalidate"
_FORBIDDING = frozenset({"no-store", "no-cache", "private"})
_CHECKED_AGAIN = frozenset({"must-revalidate", "proxy-revalidate"})
_AGES = frozenset({"max-age", "s-maxage"})
LONGEST_AGE = 2**31  # seconds; a cache may treat any greater number as this one (RFC 9111, 1.2.2)


@dataclass(frozen=True, slots=True)
class _Directives:
    """What one header says. `age`: the least of its ages in seconds; None without one."""

    forbids: bool
    public: bool
    age: int | None
    revalidate: bool


def merge_cache_control(values: Sequence[bytes], replies: int, forced: bool = False) -> bytes | None:
    """Return one header for all; None if no value can be read.

    `replies`: the number of replies, of which some may lack the header; `public` remains only if all have it.
    `forced`: whether the response must not be stored whatever its parts say, as that to a mutation, or one
    with errors.
    """
    read = [_read(value.decode("latin-1")) for value in values]
    known = [one for one in read if one is not None]
    if not known:
        return None
    if forced:
        return FORCED
    if any(one.forbids for one in known):
        return NEVER
    ages = [one.age for one in known if one.age is not None]
    parts = [
        "public" if len(known) >= replies and all(one.public for one in known) else "",
        f"max-age={min(ages)}" if ages else "",
        "must-revalidate" if any(one.revalidate for one in known) else "",
    ]
    return ", ".join(part for part in parts if part).encode() or None


def _read(text: str) -> _Directives | None:
    """Return what a header says; None without a known directive, or with an age that is not a number.

    A header that forbids storing is never dropped.
    """
    given = dict(_pairs(text))
    forbids = not _FORBIDDING.isdisjoint(given)
    ages = [given[name] for name in _AGES if name in given]
    if not forbids and not all(one.isascii() and one.isdigit() for one in ages):
        return None
    read = [min(int(one[:12]), LONGEST_AGE) for one in ages if one.isascii() and one.isdigit()]
    found = _Directives(
        forbids, "public" in given, min(read, default=None), not _CHECKED_AGAIN.isdisjoint(given)
    )
    return found if found != _Directives(False, False, None, False) else None


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split(","):
        name, _, value = part.partition("=")
        yield name.strip().lower(), value.strip().strip('"')
