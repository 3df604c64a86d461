"""Tests of requests by GraphQL: publishing, refused input, lists, and numbers of statements."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements

PUBLISH = """mutation($input: PublishRequestInput!) { publishRequest(input: $input) {
  id title startsAt endsAt durationHours budgetMin status urgencyLevel
  client { id } requiredSkills { id } location { city }
} }"""
SKILL = str(uuid4())


def wanted(**changes: Any) -> dict[str, Any]:
    """Return a valid input of a request, with these changes."""
    day = (datetime.now(UTC) + timedelta(days=30)).date()
    place = {"latitude": 52.5, "longitude": 13.4, "city": "Berlin", "country": "DE"}
    right = {"title": "Jazz trio", "eventDate": day.isoformat(), "startTime": "20:00", "endTime": "01:00"}
    money = {
        "budgetMin": "300",
        "budgetMax": "500.50",
        "timeZone": "Europe/Berlin",
        "requiredSkills": [SKILL],
    }
    return {**right, **money, "location": place, **changes}


async def publish(client: Client, person: ApiUser, **changes: Any) -> Any:
    """Publish a request and return it."""
    return (await client.data(PUBLISH, person, input=wanted(**changes)))["publishRequest"]


async def test_a_request_past_midnight_is_published(client: Client, host: ApiUser) -> None:
    """A published request is returned as given, and ends on the next day."""
    made = await publish(client, host)
    assert (made["title"], made["status"], made["urgencyLevel"]) == ("Jazz trio", "OPEN", "MEDIUM")
    assert made["budgetMin"] == "300.00"
    assert made["client"] == {"id": str(host.id)}
    assert made["requiredSkills"] == [{"id": SKILL}]
    assert datetime.fromisoformat(made["endsAt"]) > datetime.fromisoformat(made["startsAt"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"budgetMin": "-1"}, "budgetMin"),
        ({"budgetMin": "600"}, "budgetMin"),
        ({"budgetMax": "1e12"}, "budgetMax"),
        ({"budgetMax": "NaN"}, "budgetMax"),
        ({"budgetMin": "1.001"}, "budgetMin"),
        ({"currency": "euros"}, "currency"),
        ({"endTime": "20:00"}, "endTime"),
        ({"eventDate": "2020-01-01"}, "eventDate"),
        ({"timeZone": "Berlin"}, "timeZone"),
        ({"title": "   "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\u0000b"}, "title"),
        ({"description": "x" * 5001}, "description"),
        ({"requiredSkills": ["jazz"]}, "requiredSkills"),
        ({"requiredSkills": [str(uuid4()) for _ in range(21)]}, "requiredSkills"),
        ({"location": {"latitude": 91, "longitude": 0}}, "latitude"),
        ({"location": {"latitude": 0, "longitude": 181}}, "longitude"),
        ({"location": {"latitude": 0, "longitude": 0, "country": "Germany"}}, "country"),
    ],
)
async def test_wrong_input_is_refused(
    client: Client, host: ApiUser, changes: dict[str, Any], field: str
) -> None:
    """Each wrong input gets BAD_USER_INPUT with its field."""
    answer = await client.send(PUBLISH, host, input=wanted(**changes))
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "BAD_USER_INPUT", "field": field}]


async def test_sql_in_a_title_is_a_title(client: Client, host: ApiUser) -> None:
    """Text is never read as SQL."""
    title = "'; drop table musician_requests; --"
    assert (await publish(client, host, title=title))["title"] == title


async def test_only_clients_publish(client: Client, keys: SigningKeys) -> None:
    """Callers without a token and musicians are refused."""
    assert await client.codes(PUBLISH, None, input=wanted()) == ["UNAUTHENTICATED"]
    assert await client.codes(PUBLISH, ApiUser.make(keys, "musician"), input=wanted()) == ["FORBIDDEN"]


LIST = """query($f: RequestFilterInput, $first: Int! = 20, $after: String, $order: RequestOrder! = NEWEST) {
  requests(filter: $f, first: $first, after: $after, orderBy: $order) {
    totalCount edges { node { id } } pageInfo { hasNextPage endCursor } } }"""


async def found(client: Client, **narrow: Any) -> list[str]:
    """Return the ids of the requests that a filter selects."""
    data = await client.data(LIST, None, f=narrow, first=100)
    ids = [edge["node"]["id"] for edge in data["requests"]["edges"]]
    assert data["requests"]["totalCount"] == len(ids)
    return ids


async def test_filters(client: Client, host: ApiUser) -> None:
    """Each filter selects the requests that its description says."""
    skill = str(uuid4())
    fiji = {"latitude": -17.0, "longitude": 179.9}
    made = await publish(client, host, requiredSkills=[skill, SKILL], urgencyLevel="URGENT", location=fiji)
    other = await publish(client, host, requiredSkills=[skill])
    assert await found(client, skills=[skill]) == [other["id"], made["id"]]
    assert await found(client, skills=[skill, SKILL]) == [made["id"]]
    assert await found(client, skills=[skill], urgency=["URGENT"]) == [made["id"]]
    assert await found(client, skills=[skill], status=["CANCELLED"]) == []
    assert await found(client, near={"lat": -17.0, "lng": -179.9, "km": 30}) == [made["id"]]
    assert await found(client, near={"lat": -17.0, "lng": -179.9, "km": 10}) == []
    assert await found(client, skills=[skill], near={"lat": 52.6, "lng": 13.4, "km": 20}) == [other["id"]]
    assert await found(client, skills=[skill], near={"lat": 90, "lng": 0, "km": 20000}) == [
        other["id"],
        made["id"],
    ]
    assert await found(client, skills=[skill], **{"from": made["startsAt"], "to": made["startsAt"]}) == [
        other["id"],
        made["id"],
    ]
    assert await found(client, skills=[skill], to="2020-01-01T00:00:00") == []


@pytest.mark.parametrize(
    ("side", "time"), [("from", "0001-01-01T00:00:00+02:00"), ("to", "9999-12-31T23:59:59-02:00")]
)
async def test_times_beyond_the_calendar_are_refused(client: Client, side: str, time: str) -> None:
    """A time outside of the calendar in UTC is BAD_USER_INPUT."""
    assert await client.codes(LIST, None, f={side: time}) == ["BAD_USER_INPUT"]


async def test_pages_hold_each_request_once(client: Client, host: ApiUser) -> None:
    """The pages together have each request once, in order; a cursor of another order is refused."""
    skill = str(uuid4())
    made = [(await publish(client, host, requiredSkills=[skill]))["id"] for _ in range(5)]
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = (await client.data(LIST, None, f={"skills": [skill]}, first=2, after=after))["requests"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == made[::-1]
    assert await client.codes(LIST, None, after=after, order="SOONEST") == ["BAD_USER_INPUT"]
    assert await client.codes(LIST, None, after="x") == ["BAD_USER_INPUT"]
    assert await client.codes(LIST, None, first=101) == ["BAD_USER_INPUT"]


async def test_a_list_takes_few_statements(client: Client, host: ApiUser) -> None:
    """Applications, bookings and their numbers take one statement each, for any number of requests."""
    for _ in range(6):
        await publish(client, host)
    query = """{ requests(first: 6) { totalCount edges { node { id client { id requests(first: 3) {
        totalCount edges { node { id } } } } applications(first: 2) { totalCount edges { node { id } } }
        booking { id } myApplication { id } requiredSkills { id } } } } }"""
    with counted_statements(client.service.database) as statements:
        await client.data(query, host)
    assert len(statements) == 8
    with counted_statements(client.service.database) as statements:
        answer = await client.entities("MusicianRequest", [uuid4() for _ in range(50)], "id title")
    assert len(statements) == 1
    assert answer == {"data": {"_entities": [None] * 50}}


async def test_update_changes_only_what_is_given(client: Client, host: ApiUser, stranger: ApiUser) -> None:
    """The owner changes single values; the budget is checked with the bound that is not changed."""
    update = """mutation($id: ID!, $input: UpdateRequestInput!) {
        updateRequest(id: $id, input: $input) { title budgetMin budgetMax } }"""
    made = await publish(client, host)
    data = await client.data(update, host, id=made["id"], input={"budgetMax": "900"})
    assert data["updateRequest"] == {"title": "Jazz trio", "budgetMin": "300.00", "budgetMax": "900.00"}
    assert await client.codes(update, host, id=made["id"], input={"budgetMin": "901"}) == ["BAD_USER_INPUT"]
    assert await client.codes(update, stranger, id=made["id"], input={"title": "mine"}) == ["FORBIDDEN"]
    assert await client.codes(update, host, id=str(uuid4()), input={}) == ["NOT_FOUND"]
    assert await client.codes(update, host, id="1 or 1=1", input={}) == ["BAD_USER_INPUT"]
