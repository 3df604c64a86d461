"""Tests of the queries of the read models: filters, orders, pages, access, and refused arguments."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements
from tests.subgraphs.read_side.conftest import BEGIN, EventFeed, Start, caught_up, send, until

PIANO, JAZZ = UUID(int=1), UUID(int=2)
_WINDOW = "$first: Int, $after: String, $last: Int, $before: String"
_PAGE = "first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $order"
_INFO = "totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
MUSICIANS = f"""query($filter: MusicianFilter, $order: MusicianOrder! = NEWEST, {_WINDOW}) {{
  found: musicians({_PAGE}) {{ {_INFO}
    edges {{ cursor distanceKm lastActive node {{ uuid stageName rating totalReviews
      hourlyRate {{ amount currency }} location {{ latitude longitude city }} skills {{ uuid }} }} }} }} }}"""
REQUESTS = f"""query($filter: RequestFilter, $order: RequestOrder! = SOONEST, {_WINDOW}) {{
  found: requests({_PAGE}) {{ {_INFO}
    edges {{ cursor distanceKm totalApplications node {{ uuid title status
      location {{ latitude longitude }} client {{ uuid }} requiredSkills {{ uuid }} }} }} }} }}"""
RANKED = """query($id: ID!, $first: Int! = 10) { found: rankedMusicians(requestId: $id, first: $first) {
    rankingPosition totalScore isRecommended musician { uuid } } }"""


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
            currency="CHF" if number == 5 else "EUR",
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
            urgency_level="low" if number == 2 else "high",
            **starts_at,
        )
    world.application(garden, musicians[0])
    world.ranking(garden, host.id, musicians[:4], BEGIN)
    async with start() as client:
        await send(redis, world.events)

        async def all_there() -> bool:
            answer = await client.send(
                f'{{ rankedMusicians(requestId: "{garden}") {{ rankingPosition }} }}',
                host,
            )
            return await caught_up(client.service) and len(answer["data"]["rankedMusicians"] or ()) == 4

        await until(all_there)
        yield Town(client, host, garden, musicians)


def money(amount: str, currency: str = "EUR") -> dict[str, str]:
    """Return an amount as the API shows it, and takes it."""
    return {"amount": amount, "currency": currency}


def names(answer: dict[str, Any]) -> list[str]:
    """Return the names or titles in a list."""
    return [edge["node"].get("stageName") or edge["node"]["title"] for edge in answer["found"]["edges"]]


async def test_musicians_are_found(town: Town) -> None:
    """Each filter and all together restrict the list, in each order; `extensions` has the read model as the
    source. Band 4, whose account is closed, is never listed.
    """
    berlin = {"latitude": 52.5, "longitude": 13.4, "radiusKm": 20}
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [6, 5, 3, 2, 1, 0]),
        ({"text": "polka"}, [2]),
        ({"text": "piano -band"}, []),
        ({"text": '"jazz" piano'}, [5, 3, 1]),
        ({"text": "munich or polka"}, [6, 2]),
        ({"name": "BAND"}, [6, 5, 3, 2, 1, 0]),
        ({"name": "and 3"}, [3]),
        ({"name": "%"}, []),
        ({"skills": [str(PIANO), encode("Skill", JAZZ)]}, [5, 3, 1]),
        ({"skills": [str(uuid4())]}, []),
        ({"minRating": 4.5}, [1, 0]),
        ({"minExperience": 12}, [6, 5, 3, 2, 1, 0]),
        ({"minExperience": 13}, []),
        ({"city": "MUNICH"}, [6]),
        ({"near": berlin}, [5, 3, 2, 1, 0]),
        (
            {"near": berlin, "minRating": 3.5, "skills": [str(JAZZ)], "maxRate": money("30.00")},
            [3, 1],
        ),
    ]
    for wanted, expected in cases:
        answer = await town.client.send(MUSICIANS, filter=wanted)
        assert names(answer["data"]) == [f"Band {number}" for number in expected], wanted
        assert answer["data"]["found"]["totalCount"] == len(expected)
        told = answer["extensions"]["readModel"]["found"]
        assert (told["source"], told["reason"]) == ("read_model", None)
        assert 0 <= told["secondsBehind"] < 5


async def test_rates_are_compared_in_their_currency(town: Town) -> None:
    """A rate restricts the list to musicians with a rate in its currency; Band 5 has one in francs."""
    cases: list[tuple[dict[str, Any], str, list[int]]] = [
        ({"maxRate": money("20")}, "NEWEST", [2, 1, 0]),
        ({"minRate": money("20")}, "NEWEST", [6, 3, 2]),
        ({"minRate": money("10"), "maxRate": money("30")}, "RATE_ASC", [1, 2, 3]),
        ({"minRate": money("10"), "maxRate": money("30")}, "RATE_DESC", [3, 2, 1]),
        ({"minRate": money("20", "CHF")}, "NEWEST", [5]),
        ({"maxRate": money("49.99", "CHF")}, "NEWEST", []),
        ({"minRate": money("20"), "maxRate": money("60", "CHF")}, "NEWEST", []),
    ]
    for wanted, order, expected in cases:
        answer = await town.client.data(MUSICIANS, filter=wanted, order=order)
        assert names(answer) == [f"Band {number}" for number in expected], wanted
    (edge,) = (await town.client.data(MUSICIANS, filter={"minRate": money("20", "CHF")}))["found"]["edges"]
    assert edge["node"]["hourlyRate"] == money("50.00", "CHF")


async def test_orders_by_rating_and_name(town: Town) -> None:
    """The best musicians are first, those of a closed account are no top musicians, either."""
    best = names(await town.client.data(MUSICIANS, order="RATING"))
    assert set(best[:2]) == {"Band 0", "Band 1"}
    assert set(best[4:]) == {"Band 5", "Band 6"}
    by_name = names(await town.client.data(MUSICIANS, order="NAME"))
    assert by_name == sorted(best)
    top = (await town.client.data("{ topMusicians { stageName rating totalReviews } }"))["topMusicians"]
    assert {one["stageName"] for one in top} == {"Band 0", "Band 1"}
    assert all((one["rating"], one["totalReviews"]) == (5.0, 11) for one in top)


async def test_edges_of_musicians(town: Town) -> None:
    """An edge has the distance from the centre of `near`, as SQL computes it, and the newest activity."""
    near = {"latitude": 52.0, "longitude": 13.0, "radiusKm": 1000}
    edges = (await town.client.data(MUSICIANS, filter={"near": near}))["found"]["edges"]
    assert len(edges) == 6
    await same_distances(town, edges, near)
    assert edges[0]["distanceKm"] == pytest.approx(440, abs=10)
    plain = (await town.client.data(MUSICIANS))["found"]["edges"]
    assert {edge["distanceKm"] for edge in plain} == {None}
    active = {edge["node"]["stageName"]: edge["lastActive"] for edge in plain}
    assert active["Band 0"] == max(active.values())
    assert active["Band 1"] < active["Band 2"]


async def same_distances(town: Town, edges: list[dict[str, Any]], near: dict[str, Any]) -> None:
    """Check that the distances of edges are those that the database computes."""
    computed = text("SELECT km_between(:latitude, :longitude, :other_latitude, :other_longitude)")
    centre = {name: near[name] for name in ("latitude", "longitude")}
    for edge in edges:
        place = edge["node"]["location"]
        other = {"other_latitude": place["latitude"], "other_longitude": place["longitude"]}
        expected = await town.client.service.database.fetch_value(computed.bindparams(**centre, **other))
        assert edge["distanceKm"] == pytest.approx(expected, abs=1e-6)


async def test_requests_are_found(town: Town) -> None:
    """Each filter restricts the list, in each order."""
    munich = {"latitude": 48.14, "longitude": 11.58, "radiusKm": 30}
    garden, balls = "A band for the garden", [f"Ball {number}" for number in range(3)]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [garden, *balls]),
        ({"text": "garden"}, [garden]),
        ({"text": "piano"}, [garden]),
        ({"skills": [str(PIANO)]}, [garden]),
        ({"status": ["OPEN"]}, [garden, "Ball 0"]),
        ({"status": ["OPEN", "CANCELLED"], "near": munich}, ["Ball 0", "Ball 2"]),
        ({"urgency": ["URGENT", "LOW"]}, ["Ball 2"]),
        ({"urgency": ["HIGH"]}, [garden, *balls[:2]]),
        ({"between": {"from": "2027-06-02T00:00:00"}}, balls[1:]),
        ({"between": {"to": "2027-06-01T18:00:00Z"}}, [garden]),
        ({"between": {"from": "2027-05-02T00:00:00Z", "to": "2027-06-02T18:00:01Z"}}, balls[:2]),
        ({"near": {**munich, "radiusKm": 0}}, []),
    ]
    for wanted, expected in cases:
        answer = await town.client.data(REQUESTS, filter=wanted)
        assert names(answer) == expected, wanted
        assert answer["found"]["totalCount"] == len(expected)
    assert set(names(await town.client.data(REQUESTS, order="NEWEST"))) == {garden, *balls}
    near = {"latitude": 52.5, "longitude": 13.4, "radiusKm": 700}
    edges = (await town.client.data(REQUESTS, filter={"near": near}))["found"]["edges"]
    assert len(edges) == 4
    await same_distances(town, edges, near)


async def test_what_a_request_shows(town: Town) -> None:
    """An element has the fields of the read model; the summary counts open requests by currency."""
    (edge,) = (await town.client.data(REQUESTS, filter={"text": "garden"}))["found"]["edges"]
    assert (edge["distanceKm"], edge["totalApplications"]) == (None, None)
    assert edge["node"] == {
        "uuid": str(town.garden),
        "title": "A band for the garden",
        "status": "OPEN",
        "location": {"latitude": 52.5, "longitude": 13.3},
        "client": {"uuid": str(town.host.id)},
        "requiredSkills": [{"uuid": str(PIANO)}],
    }
    summary = """{ activeRequestsSummary { status requests
        meanBudgetMin { amount currency } meanBudgetMax { amount currency } } }"""
    means = {"meanBudgetMin": money("300.00"), "meanBudgetMax": money("700.00")}
    assert (await town.client.data(summary))["activeRequestsSummary"] == [
        {"status": "IN_PROGRESS", "requests": 1, **means},
        {"status": "OPEN", "requests": 2, **means},
    ]


LISTS = [
    *((MUSICIANS, order) for order in ("NEWEST", "RATING", "RATE_ASC", "RATE_DESC", "EXPERIENCE", "NAME")),
    *((REQUESTS, order) for order in ("SOONEST", "NEWEST")),
]


async def test_pages_join(town: Town) -> None:
    """Pages of any size, in any order, make the whole list, with two statements each."""
    for query, order in LISTS:
        whole = names(await town.client.data(query, order=order))
        for size in (1, 3):
            found, after, more = [], None, True
            while more:
                with counted_statements(town.client.service.database) as statements:
                    page = await town.client.data(query, order=order, first=size, after=after)
                reads = [one for one in statements if "_read_model" in one and "SELECT 1 " not in one]
                assert len(reads) == 2
                info = page["found"]["pageInfo"]
                assert info["hasPreviousPage"] is (after is not None)
                found += names(page)
                after, more = info["endCursor"], info["hasNextPage"]
            assert found == whole


async def test_pages_join_backwards(town: Town) -> None:
    """Pages from the end of a list, each in the order of the list, make the whole list."""
    for query, order in LISTS:
        whole = names(await town.client.data(query, order=order))
        for size in (1, 3):
            found: list[str] = []
            before, more = None, True
            while more:
                page = await town.client.data(query, order=order, last=size, before=before)
                info = page["found"]["pageInfo"]
                assert info["hasNextPage"] is (before is not None)
                assert info["startCursor"] == page["found"]["edges"][0]["cursor"]
                found = names(page) + found
                before, more = info["startCursor"], info["hasPreviousPage"]
            assert found == whole
    whole = names(await town.client.data(MUSICIANS))
    ends = (await town.client.data(MUSICIANS))["found"]["edges"]
    between = {"after": ends[0]["cursor"], "before": ends[-1]["cursor"]}
    assert names(await town.client.data(MUSICIANS, **between)) == whole[1:-1]
    assert names(await town.client.data(MUSICIANS, last=2, **between)) == whole[-3:-1]


async def test_who_may_see_what(town: Town, keys: SigningKeys) -> None:
    """Lists are public; numbers of applications and rankings are for the client and admins, states of read
    models for admins.
    """
    stranger, admin = ApiUser.make(keys, "client"), ApiUser.make(keys, "admin")
    for person, expected in ((None, None), (stranger, None), (town.host, 1), (admin, 1)):
        (edge,) = (await town.client.data(REQUESTS, person, filter={"text": "garden"}))["found"]["edges"]
        assert edge["totalApplications"] == expected
    assert await town.client.codes(RANKED, None, id=str(town.garden)) == ["UNAUTHENTICATED"]
    assert await town.client.codes(RANKED, stranger, id=str(town.garden)) == ["FORBIDDEN"]
    for person in (town.host, admin):
        found = (await town.client.data(RANKED, person, id=str(town.garden), first=3))["found"]
        assert [(one["rankingPosition"], one["musician"]["uuid"], one["isRecommended"]) for one in found] == [
            (place, str(musician), place < 3) for place, musician in enumerate(town.musicians[:3], 1)
        ]
    assert (await town.client.data(RANKED, stranger, id=str(uuid4())))["found"] is None
    rebuild = """mutation($name: String!) {
        rebuildReadModel(name: $name) { readModel { name } userErrors { code field message } } }"""
    for query in ("{ readModels { name } }", rebuild):
        assert await town.client.codes(query, name="requests") == ["UNAUTHENTICATED"]
        assert await town.client.codes(query, town.host, name="requests") == ["FORBIDDEN"]
    assert await town.client.codes(rebuild, admin, name="x; drop") == ["NOT_FOUND"]


@pytest.mark.parametrize("between", ["", " ", "(", "!-&", "|<"])
async def test_whatever_is_typed_is_a_query(town: Town, between: str) -> None:
    """Any text is a valid search, also one of many minus signs."""
    line = f"-{between}" * 50
    assert await town.client.codes(MUSICIANS, filter={"text": line[:200]}) == []
    found = await town.client.data(MUSICIANS, filter={"text": f"{line[:100]}-piano"})
    assert set(names(found)) == {"Band 0", "Band 2", "Band 6"}


async def test_arguments_that_are_refused(town: Town) -> None:
    """An argument that breaks a rule is refused by both lists, before any query."""
    wrong: list[dict[str, Any]] = [
        *({"first": 0}, {"first": 101}, {"last": 0}, {"last": 101}, {"first": 1, "last": 1}),
        *({"after": "x"}, {"before": "x"}, {"after": "Y29tbWFuZDo="}),
    ]
    wrong_filters: list[dict[str, Any]] = [
        *({"text": "a\0b"}, {"text": "x" * 201}),
        *({"skills": ["x"]}, {"skills": [encode("Musician", PIANO)]}),
        {"skills": [str(UUID(int=number)) for number in range(31)]},
        {"near": {"latitude": 91, "longitude": 0}},
        {"near": {"latitude": 0, "longitude": 0, "radiusKm": -1}},
        {"near": {"latitude": 0, "longitude": 0, "radiusKm": 1e9}},
    ]
    for variables in [*wrong, *({"filter": each} for each in wrong_filters)]:
        for query in (MUSICIANS, REQUESTS):
            assert await town.client.codes(query, **variables) == ["BAD_USER_INPUT"], variables


async def test_more_arguments_that_are_refused(town: Town, host: ApiUser) -> None:
    """An argument that breaks a rule of one query is refused."""
    for more in (
        {"minRating": 0},
        {"minRating": 5.5},
        *({"minRate": money(amount)} for amount in ("-1", "NaN", "1e9", "1.001")),
        *({"maxRate": money(amount)} for amount in ("-1", "NaN", "1e9", "1.001")),
        {"maxRate": money("1", "XXXX")},
        {"minExperience": -1},
        {"city": "\x07"},
        {"name": "x" * 101},
    ):
        assert await town.client.codes(MUSICIANS, filter=more) == ["BAD_USER_INPUT"], more
    for between in (
        {"from": "2027-06-02T00:00:00Z", "to": "2027-06-01T00:00:00Z"},
        {"from": "0001-01-01T00:00:00+14:00"},
    ):
        assert await town.client.codes(REQUESTS, filter={"between": between}) == ["BAD_USER_INPUT"], between
    wrong_id = encode("Booking", town.garden)
    for key, first in (("x", 1), (wrong_id, 1), (str(uuid4()), 0), (str(uuid4()), 51)):
        assert await town.client.codes(RANKED, host, id=key, first=first) == ["BAD_USER_INPUT"]
    assert await town.client.codes("{ topMusicians(first: 101) { stageName } }") == ["BAD_USER_INPUT"]
    other = (await town.client.data(MUSICIANS, first=1))["found"]["pageInfo"]["endCursor"]
    for cursor in ({"after": other}, {"before": other}):
        assert await town.client.codes(REQUESTS, **cursor) == ["BAD_USER_INPUT"]
        assert await town.client.codes(MUSICIANS, **cursor, order="RATING") == ["BAD_USER_INPUT"]
    for words in ("'; drop table x --", '"', "()&|!:*", "\\", "-", "or or"):
        assert names(await town.client.data(MUSICIANS, filter={"text": words})) == [], words


async def test_all_wrong_fields_of_a_filter_are_named(town: Town) -> None:
    """A filter with several wrong fields is refused with each of them."""
    wanted = {"minRating": 9, "minExperience": -1, "minRate": money("-1"), "skills": ["x"]}
    answer = await town.client.send(MUSICIANS, filter=wanted)
    assert answer["data"] == {"found": None}
    told = str(answer["errors"])
    for name in ("minRating", "minExperience", "minRate.amount", "skills"):
        assert f"filter.{name}" in told
