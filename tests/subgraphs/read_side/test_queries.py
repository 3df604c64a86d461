"""Tests of the queries of the read models: filters, orders, pages, access, and refused arguments."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements
from tests.subgraphs.read_side.conftest import BEGIN, EventFeed, Start, caught_up, send, until

PIANO, JAZZ = UUID(int=1), UUID(int=2)
MUSICIANS = """query($text: String, $skills: [ID!], $rating: Float, $rate: Decimal, $city: String,
    $available: Boolean! = false, $near: CircleInput, $order: ListingOrder! = NEWEST,
    $first: Int! = 20, $after: String) {
  found: findMusicians(text: $text, skillIds: $skills, minRating: $rating, maxHourlyRate: $rate, city: $city,
      availableOnly: $available, near: $near, orderBy: $order, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage hasPreviousPage endCursor }
    edges { cursor node { stageName rating totalReviews isAvailable musician { id } skills { id } } } } }"""
REQUESTS = """query($text: String, $skills: [ID!], $status: [RequestStatus!], $from: DateTime, $to: DateTime,
    $near: CircleInput, $order: RequestListingOrder! = SOONEST, $first: Int! = 20, $after: String) {
  found: findRequests(text: $text, skillIds: $skills, status: $status, startsFrom: $from, startsTo: $to,
      near: $near, orderBy: $order, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor }
    edges { node { title clientName status totalApplications
      client { id } requiredSkills { id } request { id } } } } }"""
RANKED = """query($id: ID!, $first: Int! = 10) { found: rankedMusicians(requestId: $id, first: $first) {
    rankingPosition totalScore isRecommended musician { id } } }"""


@dataclass(frozen=True)
class Town:
    """A read side with seven musicians and four requests, and their users."""

    client: Client
    host: ApiUser
    garden: UUID
    musicians: list[UUID]


@pytest.fixture(scope="module")
def host(keys: SigningKeys) -> ApiUser:
    """The client of all requests."""
    return ApiUser.make(keys, "client")


@pytest.fixture
async def town(start: Start, redis: Any, host: ApiUser) -> AsyncIterator[Town]:
    """The read side after it has consumed the events of these users."""
    world, musicians, garden = EventFeed(), [uuid4() for _ in range(7)], uuid4()
    world.user(host.id, "countess")
    for number, musician in enumerate(musicians):
        place: dict[str, Any] = (
            {"city": "Munich", "latitude": 48.14, "longitude": 11.58} if number == 6 else {}
        )
        skills: dict[str, Any] = (
            {"skill_ids": [PIANO, JAZZ], "skills": ["Piano", "Jazz"]} if number % 2 else {}
        )
        user = uuid4()
        world.profile(
            musician,
            user,
            stage_name=f"Band {number}",
            hourly_rate=f"{10 * number}.00",
            created_at=BEGIN + timedelta(days=number),
            bio="Polka only" if number == 2 else "Everything",
            **place,
            **skills,
        )
        world.user(user, f"u{number}", is_active=number != 4)
        for _ in range(11):
            world.review(musician, 5 if number < 2 else 4 if number < 5 else 1)
    world.request(garden, host.id, skill_ids=[PIANO])
    for number, status in enumerate(("open", "in_progress", "cancelled")):
        starts_at = {
            "starts_at": f"2027-06-0{number + 1}T18:00:00Z",
            "ends_at": f"2027-06-0{number + 1}T20:00:00Z",
        }
        world.request(
            uuid4(),
            host.id,
            title=f"Ball {number}",
            status=status,
            latitude=48.1,
            longitude=11.5,
            **starts_at,
        )
    world.application(garden, musicians[0])
    world.ranking(garden, host.id, musicians[:4], BEGIN)
    async with start() as client:
        await send(redis, world.events)

        async def all_there() -> bool:
            answer = await client.send(
                '{ findRequests { totalCount } rankedMusicians(requestId: "'
                + str(garden)
                + '") { key: rankingPosition } }',
                host,
            )
            return await caught_up(client.service) and len(answer["data"]["rankedMusicians"] or ()) == 4

        await until(all_there)
        yield Town(client, host, garden, musicians)


def names(answer: dict[str, Any]) -> list[str]:
    """Return the names or titles in a list."""
    return [edge["node"].get("stageName") or edge["node"]["title"] for edge in answer["found"]["edges"]]


async def test_musicians_are_found(town: Town) -> None:
    """Each filter and all together restrict the list, in each order; `extensions` has the read model as the
    source.
    """
    berlin = {"latitude": 52.5, "longitude": 13.4, "km": 20}
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [6, 5, 4, 3, 2, 1, 0]),
        ({"text": "polka"}, [2]),
        ({"text": "piano -band"}, []),
        ({"text": '"jazz" piano'}, [5, 3, 1]),
        ({"text": "munich or polka"}, [6, 2]),
        ({"skills": [str(PIANO), str(JAZZ)]}, [5, 3, 1]),
        ({"skills": [str(uuid4())]}, []),
        ({"rating": 4.5}, [1, 0]),
        ({"rate": "20"}, [2, 1, 0]),
        ({"city": "MUNICH"}, [6]),
        ({"available": True}, [6, 5, 3, 2, 1, 0]),
        ({"near": berlin}, [5, 4, 3, 2, 1, 0]),
        ({"near": berlin, "available": True, "rating": 3.5, "skills": [str(JAZZ)], "rate": "30.00"}, [3, 1]),
        ({"order": "RATE_ASC", "rate": "30"}, [0, 1, 2, 3]),
        ({"order": "RATE_DESC", "rate": "30"}, [3, 2, 1, 0]),
    ]
    for variables, expected in cases:
        answer = await town.client.send(MUSICIANS, **variables)
        assert names(answer["data"]) == [f"Band {number}" for number in expected], variables
        assert answer["data"]["found"]["totalCount"] == len(expected)
        told = answer["extensions"]["readModel"]["found"]
        assert (told["source"], told["reason"]) == ("read_model", None)
        assert 0 <= told["secondsBehind"] < 5
    best = names(await town.client.data(MUSICIANS, order="RATING"))
    assert set(best[:2]) == {"Band 0", "Band 1"}
    assert set(best[5:]) == {"Band 5", "Band 6"}
    top = await town.client.data("{ topMusicians { stageName rating totalReviews isAvailable lastActive } }")
    assert {one["stageName"] for one in top["topMusicians"]} == {"Band 0", "Band 1"}
    assert all(
        (one["rating"], one["totalReviews"], one["isAvailable"]) == (5.0, 11, True)
        for one in top["topMusicians"]
    )


async def test_requests_are_found(town: Town) -> None:
    """Each filter restricts the list, in each order."""
    munich = {"latitude": 48.14, "longitude": 11.58, "km": 30}
    garden, balls = "A band for the garden", [f"Ball {number}" for number in range(3)]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [garden, *balls]),
        ({"text": "garden"}, [garden]),
        ({"text": "piano"}, [garden]),
        ({"skills": [str(PIANO)]}, [garden]),
        ({"status": ["OPEN"]}, [garden, "Ball 0"]),
        ({"status": ["OPEN", "CANCELLED"], "near": munich}, ["Ball 0", "Ball 2"]),
        ({"from": "2027-06-02T00:00:00"}, balls[1:]),
        ({"from": "2027-05-02T00:00:00Z", "to": "2027-06-02T18:00:00Z"}, balls[:2]),
        ({"near": {**munich, "km": 0}}, []),
    ]
    for variables, expected in cases:
        answer = await town.client.data(REQUESTS, **variables)
        assert names(answer) == expected, variables
        assert answer["found"]["totalCount"] == len(expected)
    assert set(names(await town.client.data(REQUESTS, order="NEWEST"))) == {garden, *balls}
    (edge,) = (await town.client.data(REQUESTS, text="garden"))["found"]["edges"]
    assert edge["node"] == {
        "title": garden,
        "clientName": "countess",
        "status": "OPEN",
        "totalApplications": None,
        "client": {"id": str(town.host.id)},
        "requiredSkills": [{"id": str(PIANO)}],
        "request": {"id": str(town.garden)},
    }
    summary = "{ activeRequestsSummary { status currency requests meanBudgetMin meanBudgetMax } }"
    money = {"currency": "EUR", "meanBudgetMin": "300.00", "meanBudgetMax": "700.00"}
    assert (await town.client.data(summary))["activeRequestsSummary"] == [
        {"status": "IN_PROGRESS", "requests": 1, **money},
        {"status": "OPEN", "requests": 2, **money},
    ]


async def test_pages_join(town: Town) -> None:
    """Pages of any size, in any order, make the whole list, with two statements each."""
    for query, orders in (
        (MUSICIANS, ("NEWEST", "RATING", "RATE_ASC", "RATE_DESC")),
        (REQUESTS, ("SOONEST", "NEWEST")),
    ):
        for order in orders:
            whole = names(await town.client.data(query, order=order))
            for size in (1, 3):
                found, after, more = [], None, True
                while more:
                    with counted_statements(town.client.service.database) as statements:
                        page = await town.client.data(query, order=order, first=size, after=after)
                    assert (
                        sum("_read_model" in one for one in statements if not one.startswith("SELECT 1 "))
                        == 2
                    )
                    found += names(page)
                    after, more = (
                        page["found"]["pageInfo"]["endCursor"],
                        page["found"]["pageInfo"]["hasNextPage"],
                    )
                assert found == whole


async def test_who_may_see_what(town: Town, keys: SigningKeys) -> None:
    """Lists are public; numbers of applications and rankings are for the client and admins, states of read
    models for admins.
    """
    stranger, admin = ApiUser.make(keys, "client"), ApiUser.make(keys, "admin")
    for person, expected in ((None, None), (stranger, None), (town.host, 1), (admin, 1)):
        (edge,) = (await town.client.data(REQUESTS, person, text="garden"))["found"]["edges"]
        assert edge["node"]["totalApplications"] == expected
    assert await town.client.codes(RANKED, None, id=str(town.garden)) == ["UNAUTHENTICATED"]
    assert await town.client.codes(RANKED, stranger, id=str(town.garden)) == ["FORBIDDEN"]
    for person in (town.host, admin):
        found = (await town.client.data(RANKED, person, id=str(town.garden), first=3))["found"]
        assert [(one["rankingPosition"], one["musician"]["id"], one["isRecommended"]) for one in found] == [
            (place, str(musician), place < 3) for place, musician in enumerate(town.musicians[:3], 1)
        ]
    assert (await town.client.data(RANKED, stranger, id=str(uuid4())))["found"] is None
    for query in ("{ readModels { name } }", 'mutation { rebuildReadModel(name: "requests") { name } }'):
        assert await town.client.codes(query) == ["UNAUTHENTICATED"]
        assert await town.client.codes(query, town.host) == ["FORBIDDEN"]
    assert await town.client.codes('mutation { rebuildReadModel(name: "x; drop") { name } }', admin) == [
        "NOT_FOUND"
    ]


@pytest.mark.parametrize("between", ["", " ", "(", "!-&", "|<"])
async def test_whatever_is_typed_is_a_query(town: Town, between: str) -> None:
    """Any text is a valid search, also one of many minus signs."""
    line = f"-{between}" * 50
    assert await town.client.codes(MUSICIANS, text=line[:200]) == []
    found = await town.client.data(MUSICIANS, text=f"{line[:100]}-piano")
    assert {edge["node"]["stageName"] for edge in found["found"]["edges"]} == {
        "Band 0",
        "Band 2",
        "Band 4",
        "Band 6",
    }


async def test_arguments_that_are_refused(town: Town) -> None:
    """An argument that breaks a rule is refused by both lists, before any query."""
    wrong: list[dict[str, Any]] = [
        *({"first": 0}, {"first": 101}, {"after": "x"}, {"after": "Y29tbWFuZDo="}),
        *({"text": "a\0b"}, {"text": "x" * 201}),
        *({"skills": ["x"]}, {"skills": [str(UUID(int=number)) for number in range(31)]}),
        {"near": {"latitude": 91, "longitude": 0}},
        {"near": {"latitude": 0, "longitude": 0, "km": -1}},
        {"near": {"latitude": 0, "longitude": 0, "km": 1e9}},
    ]
    for variables in wrong:
        for query in (MUSICIANS, REQUESTS):
            assert await town.client.codes(query, **variables) == ["BAD_USER_INPUT"], variables


async def test_more_arguments_that_are_refused(town: Town, host: ApiUser) -> None:
    """An argument that breaks a rule of one query is refused."""
    wrong_dates: list[dict[str, Any]] = [
        {"from": "2027-06-02T00:00:00Z", "to": "2027-06-01T00:00:00Z"},
        {"from": "0001-01-01T00:00:00+14:00"},
    ]
    for more in (
        {"rating": 0},
        {"rating": 5.5},
        {"rate": "-1"},
        {"rate": "NaN"},
        {"rate": "1e9"},
        {"city": "\x07"},
    ):
        assert await town.client.codes(MUSICIANS, **more) == ["BAD_USER_INPUT"], more
    for dates in wrong_dates:
        assert await town.client.codes(REQUESTS, **dates) == ["BAD_USER_INPUT"], dates
    for key, first in (("x", 1), (str(uuid4()), 0), (str(uuid4()), 51)):
        assert await town.client.codes(RANKED, host, id=key, first=first) == ["BAD_USER_INPUT"]
    assert await town.client.codes("{ topMusicians(first: 101) { stageName } }") == ["BAD_USER_INPUT"]
    other = (await town.client.data(MUSICIANS, first=1))["found"]["pageInfo"]["endCursor"]
    assert await town.client.codes(REQUESTS, after=other) == ["BAD_USER_INPUT"]
    assert await town.client.codes(MUSICIANS, after=other, order="RATING") == ["BAD_USER_INPUT"]
    for words in ("'; drop table x --", '"', "()&|!:*", "\\", "-", "or or"):
        assert names(await town.client.data(MUSICIANS, text=words)) == [], words
