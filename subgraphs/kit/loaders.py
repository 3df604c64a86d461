"""Data loaders: they collect the keys that the resolvers of one request load, and fetch them with
one statement.

The functions here make loaders from a service's SQL statements; the service's module `loaders` calls them for
each request. A loader belongs to one request, so it caches values for that request only.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from aiodataloader import DataLoader

from subgraphs.kit import budget
from subgraphs.kit.global_ids import key_of

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Argument = TypeVar("Argument", bound=Hashable)
Fetch = Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]]

MAX_KEYS = 1000


def one(fetch: Fetch[Key, Value]) -> "DataLoader[Key, Value | None]":
    """Return a loader of one value per key, which is None for keys that are not in the result of `fetch`."""

    async def load(keys: list[Key]) -> list[Value | None]:
        values = await fetch(keys)
        return [values.get(key) for key in keys]

    return DataLoader(load, max_batch_size=MAX_KEYS)


def many(fetch: Fetch[Key, list[Value]]) -> "DataLoader[Key, list[Value]]":
    """Return a loader of a list per key, which is empty for keys that are not in the result of `fetch`."""

    async def load(keys: list[Key]) -> list[list[Value]]:
        lists = await fetch(keys)
        return [lists.get(key, []) for key in keys]

    return DataLoader(load, max_batch_size=MAX_KEYS)


def pages(
    fetch: Callable[[Sequence[Key], Argument], Awaitable[Mapping[Key, list[Value]]]],
) -> "DataLoader[tuple[Key, Argument], list[Value]]":
    """Return a loader of a list per pair of key and argument (such as a page), with one fetch per argument.

    Loading raises TooManyElements if the request has exceeded its budget of list elements (`kit/budget`).
    """

    async def load(pairs: list[tuple[Key, Argument]]) -> list[list[Value]]:
        groups: dict[Argument, list[Key]] = {}
        for key, argument in pairs:
            groups.setdefault(argument, []).append(key)
        budget.spend(0)  # fails before the query if the request's budget is used up
        lists = {argument: await fetch(keys, argument) for argument, keys in groups.items()}
        return [lists[argument].get(key, []) for key, argument in pairs]

    return DataLoader(load, max_batch_size=MAX_KEYS)


def uuid_of(value: object, kind: str | None = None) -> UUID | None:
    """Return the UUID of an object of the GraphQL type `kind` from its global id, or from its plain UUID.

    Returns None for any other text, because then no object has the id. `kind` None: only a plain UUID.
    """
    return key_of(value, kind)
