"""Proof that `vary: []` is right: whatever the gateway stores for all callers is the same for each of them.

Every field that the hints allow to share is asked for, one by one, by nobody, by the owners of the objects,
by another musician and by an admin, of services with the sample data.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLObjectType, get_named_type, is_leaf_type, is_required_argument
from sqlalchemy import text

from gateway.transport.local import LocalTransport
from subgraphs.kit.serve import load_bootstrap
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, SigningKeys, fresh_database
from subgraphs.platform.sample.load import load
from subgraphs.platform.tables import SERVICES
from tests.subgraphs.test_cache_hints import entity, facts, settings, stored_for

DEPTH = 6
SHARED = [name for name, one in settings().subgraphs.items() if one.vary == ()]
BETWEEN = '{from: "2026-01-01T00:00:00Z", to: "2026-12-31T00:00:00Z"}'
CHANGING = {"meanAgeDays"}
"""Fields whose values depend on the time."""
PRICE = {"hourlyRate": {"amount": "80", "currency": "EUR"}, "experienceYears": 4}
ROOTS = {
    "users": {"user"},
    "musicians": {"musician", "skill", "skills"},
    "reviews": {"review", "latestReviews"},
    "requests": {"request"},
    "matching": {"matchingAlgorithms"},
    "calendar": {"musicianAvailability"},
    "read_side": {"musicians", "requests", "topMusicians", "activeRequestsSummary"},
}
"""The root fields that have something to share."""
ENTITIES = {
    "users": {"User"},
    "musicians": {"Musician", "Skill", "User"},
    "reviews": {"Musician", "User", "Review"},
    "requests": {"MusicianRequest", "Musician", "User"},
    "matching": {"Musician", "MusicianRequest", "MatchingAlgorithm"},
    "calendar": {"Musician"},
    "read_side": set(),
}


@dataclass
class World:
    """The services with the sample data, ids of objects by type, and callers."""

    services: Mapping[str, Service]
    ids: Mapping[str, list[str]]
    callers: list[ApiUser | None]

    async def ask(self, service: str, query: str, kind: str | None) -> list[dict[str, Any]]:
        """Return the responses to each caller."""
        more = PRICE if (service, kind) == ("matching", "Musician") else {}
        found = [{"__typename": kind, "uuid": one, **more} for one in self.ids.get(kind or "", ())]
        return [
            await self.services[service].execute(
                query, {"r": found} if kind else None, None, dict(caller.headers) if caller else {}
            )
            for caller in self.callers
        ]


@pytest.fixture(scope="module")
async def world(postgres_url: str, queue_url: str, keys: SigningKeys) -> AsyncIterator[World]:
    """The services that share replies; only the read side runs, since it needs to know that it is fresh."""
    async with AsyncExitStack() as stack:
        urls = {
            name: await stack.enter_async_context(fresh_database(postgres_url, name))
            for name in SERVICES.names
        }
        made: dict[str, Service] = {}
        for row in SERVICES:
            options = ServiceSettings(
                row.name, urls[row.name], queue_url, keys.public, keys.private,
                event_sources=SERVICES.others(row.name),
            )  # fmt: skip
            others = [LocalTransport({name: made[name].execute for name in made})] if row.calls else []
            made[row.name] = load_bootstrap(row.name, row.module)(options, *others)
            stack.push_async_callback(made[row.name].database.close)
            await made[row.name].database.migrate(row.migrations)
        await load(urls, "small", lambda *_: None)
        await made["read_side"].start()
        stack.push_async_callback(made["read_side"].stop)
        yield await make_world(made, keys)


async def make_world(services: Mapping[str, Service], keys: SigningKeys) -> World:
    """Return the world, with a review, its booking and request, and the people of these."""
    row = await services["reviews"].database.fetch_one(
        text("SELECT id, musician_id, author_id, booking_id FROM reviews ORDER BY id LIMIT 1")
    )
    assert row is not None
    booking = await services["requests"].database.fetch_one(
        text("SELECT request_id, musician_user_id FROM bookings WHERE id = :id"), id=row.booking_id
    )
    assert booking is not None
    skill = await services["musicians"].database.fetch_value(text("SELECT id FROM musical_skills LIMIT 1"))
    known = text("SELECT id FROM matching_algorithms LIMIT 1")
    algorithm = await services["matching"].database.fetch_value(known)
    ids = {
        "User": [str(row.author_id), str(booking.musician_user_id)],
        "Musician": [str(row.musician_id)],
        "MusicianRequest": [str(booking.request_id)],
        "Review": [str(row.id)],
        "Booking": [str(row.booking_id)],
        "Skill": [str(skill)],
        "MatchingAlgorithm": [str(algorithm)],
    }
    callers = [
        None,
        ApiUser.make(keys, "client", row.author_id),
        ApiUser.make(keys, "musician", booking.musician_user_id),
        ApiUser.make(keys, "musician"),
        ApiUser.make(keys, "admin"),
    ]
    return World(services, ids, callers)


def arguments(field: GraphQLField, ids: Mapping[str, list[str]], kind: str) -> str | None:
    """Return the required arguments of a field as GraphQL text; None if one is not known."""
    known = {"between": BETWEEN, "musicianId": f'"{ids["Musician"][0]}"'}
    known |= {"id": f'"{ids[kind][0]}"'} if kind in ids else {}
    needed = [name for name, one in field.args.items() if is_required_argument(one)]
    if not known.keys() >= set(needed):
        return None
    return f"({', '.join(f'{name}: {known[name]}' for name in needed)})" if needed else ""


def paths(
    parent: GraphQLObjectType, ids: Mapping[str, list[str]], seen: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield every selection of one leaf below a type, as far as no type repeats."""
    for name, field in parent.fields.items():
        value = get_named_type(field.type)
        given = arguments(field, ids, value.name)
        if given is None or name in CHANGING or name.startswith("_"):
            continue
        if is_leaf_type(value):
            yield f"{name}{given}"
        elif isinstance(value, GraphQLObjectType) and value.name not in seen and len(seen) < DEPTH:
            for below in paths(value, ids, (*seen, value.name)):
                yield f"{name}{given} {{ {below} }}"


def probes(service: Service, ids: Mapping[str, list[str]]) -> Iterator[tuple[str, str | None, str]]:
    """Yield the requests whose replies are shared: the text, the type of its entities, and the first name."""
    types = service.schema._schema.type_map
    query = types["Query"]
    assert isinstance(query, GraphQLObjectType)
    for path in paths(query, ids):
        yield f"{{ {path} }}", None, path.replace("(", " ").split()[0]
    for kind in ids:
        of_type = types.get(kind)
        if isinstance(of_type, GraphQLObjectType):
            for path in paths(of_type, ids, (kind,)):
                yield entity(kind, path), kind, kind


@pytest.mark.parametrize("name", SHARED)
async def test_every_shared_reply_is_the_same_for_all(world: World, name: str) -> None:
    """No caller sees anything else than nobody does."""
    roots: set[str] = set()
    kinds: set[str] = set()
    filled = 0
    await fresh(world)
    for query, kind, start in probes(world.services[name], world.ids):
        found = facts(name, query)
        if not stored_for(found) or found.private:
            continue
        first, *others = await world.ask(name, query, kind)
        if "errors" in first:  # it is never stored, and not for others either
            assert all("errors" in one for one in others), query
            continue
        assert [one.get("data") for one in others] == [first["data"]] * len(others), query
        assert not any("errors" in one for one in others), query
        (kinds if kind else roots).add(start)
        filled += "null" not in str(first["data"]).replace("None", "null")
    assert roots == ROOTS[name]
    assert kinds == ENTITIES[name]
    assert filled > 3


async def fresh(world: World) -> None:
    """Wait until the read models answer."""
    for _ in range(300):
        found = await world.services["read_side"].execute("{ topMusicians(first: 1) { uuid } }")
        source = found.get("extensions", {}).get("readModel", {}).get("topMusicians", {}).get("source")
        if source == "read_model":
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(found)
