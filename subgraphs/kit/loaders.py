"""Data loaders: what the resolvers of one request ask for one by one is fetched by one statement.

A loader lives as long as its request, so it is a cache of nothing but that request.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from aiodataloader import DataLoader

from subgraphs.kit import budget

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Argument = TypeVar("Argument", bound=Hashable)
Fetch = Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]]

MAX_KEYS = 1000


def one(fetch: Fetch[Key, Value]) -> "DataLoader[Key, Value | None]":
    """A loader of single values; None for keys that the fetched mapping lacks."""

    async def load(keys: list[Key]) -> list[Value | None]:
        found = await fetch(keys)
        return [found.get(key) for key in keys]

    return DataLoader(load, max_batch_size=MAX_KEYS)


def many(fetch: Fetch[Key, list[Value]]) -> "DataLoader[Key, list[Value]]":
    """A loader of lists; an empty one for keys that the fetched mapping lacks."""

    async def load(keys: list[Key]) -> list[list[Value]]:
        found = await fetch(keys)
        return [found.get(key, []) for key in keys]

    return DataLoader(load, max_batch_size=MAX_KEYS)


def pages(
    fetch: Callable[[Sequence[Key], Argument], Awaitable[Mapping[Key, list[Value]]]],
) -> "DataLoader[tuple[Key, Argument], list[Value]]":
    """A loader of lists that take an argument (a page, a filter): one statement per distinct argument."""

    async def load(pairs: list[tuple[Key, Argument]]) -> list[list[Value]]:
        groups: dict[Argument, list[Key]] = {}
        for key, argument in pairs:
            groups.setdefault(argument, []).append(key)
        budget.spend(0)  # nothing is fetched for a request that has had too much
        found = {argument: await fetch(keys, argument) for argument, keys in groups.items()}
        return [found[argument].get(key, []) for key, argument in pairs]

    return DataLoader(load, max_batch_size=MAX_KEYS)


def uuid_of(value: object) -> UUID | None:
    """The UUID that a caller wrote as an ID, or None: what is no UUID is the id of nothing."""
    try:
        return UUID(value) if isinstance(value, str) and len(value) <= 45 else None
    except ValueError:
        return None
