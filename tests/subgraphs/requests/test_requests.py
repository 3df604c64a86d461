"""Tests of requests by GraphQL: publishing, refused input, lists, and numbers of statements."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements

PUBLISH = """mutation($input: PublishRequestInput!) { publishRequest(input: $input) {
  request {
    uuid title startsAt endsAt durationHours budgetMin { amount currency } status urgencyLevel version
    client { uuid } requiredSkills { uuid } location { city }
  }
  userErrors { code field message }
} }"""
SKILL = str(uuid4())


def eur(amount: str, currency: str = "EUR") -> dict[str, str]:
    """Return an amount of money as an input."""
    return {"amount": amount, "currency": currency}


def wanted(**changes: Any) -> dict[str, Any]:
    """Return a valid input of a request, with these changes."""
    day = (datetime.now(UTC) + timedelta(days=30)).date()
    place = {"latitude": 52.5, "longitude": 13.4, "city": "Berlin", "country": "DE"}
    right = {"title": "Jazz trio", "eventDate": day.isoformat(), "startTime": "20:00", "endTime": "01:00"}
    money = {
        "budgetMin": eur("300"),
        "budgetMax": eur("500.50"),
        "timeZone": "Europe/Berlin",
        "requiredSkills": [SKILL],
    }
    return {**right, **money, "location": place, **changes}


async def publish(client: Client, person: ApiUser, **changes: Any) -> Any:
    """Publish a request and return it."""
    return (await client.data(PUBLISH, person, input=wanted(**changes)))["publishRequest"]["request"]


async def test_a_request_past_midnight_is_published(client: Client, host: ApiUser) -> None:
    """A published request is returned as given, and ends on the next day."""
    made = await publish(client, host)
    assert (made["title"], made["status"], made["urgencyLevel"]) == ("Jazz trio", "OPEN", "MEDIUM")
    assert made["budgetMin"] == eur("300.00")
    assert made["client"] == {"uuid": str(host.id)}
    assert made["requiredSkills"] == [{"uuid": SKILL}]
    assert datetime.fromisoformat(made["endsAt"]) > datetime.fromisoformat(made["startsAt"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"budgetMin": eur("-1")}, "budgetMin"),
        ({"budgetMin": eur("600")}, "budgetMin"),
        ({"budgetMax": eur("1e12")}, "budgetMax"),
        ({"budgetMax": eur("NaN")}, "budgetMax"),
        ({"budgetMin": eur("1.001")}, "budgetMin"),
        ({"budgetMin": eur("1", "euros"), "budgetMax": eur("2", "euros")}, "budgetMin.currency"),
        ({"budgetMin": eur("1", "USD")}, "budgetMax.currency"),
        ({"budgetMin": eur("1.5", "JPY"), "budgetMax": eur("2", "JPY")}, "budgetMin"),
        ({"requiredSkills": [encode("User", uuid4())]}, "requiredSkills"),
        ({"endTime": "20:00"}, "endTime"),
        ({"eventDate": "2020-01-01"}, "eventDate"),
        ({"timeZone": "Berlin"}, "timeZone"),
        ({"title": "   "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\u0000b"}, "title"),
        ({"description": "x" * 5001}, "description"),
        ({"requiredSkills": ["jazz"]}, "requiredSkills"),
        ({"requiredSkills": [str(uuid4()) for _ in range(21)]}, "requiredSkills"),
        ({"location": {"latitude": 91, "longitude": 0}}, "location.latitude"),
        ({"location": {"latitude": 0, "longitude": 181}}, "location.longitude"),
        ({"location": {"latitude": 0, "longitude": 0, "country": "Germany"}}, "location.country"),
    ],
)
async def test_wrong_input_is_refused(
    client: Client, host: ApiUser, changes: dict[str, Any], field: str
) -> None:
    """Each wrong input gets BAD_USER_INPUT with its field."""
    assert await client.mistakes(PUBLISH, host, input=wanted(**changes)) == [("BAD_USER_INPUT", field)]


async def test_all_wrong_fields_are_named_at_once(client: Client, host: ApiUser) -> None:
    """A form with many mistakes gets one user error for each field."""
    place = {"latitude": 91, "longitude": 200, "country": "Germany"}
    wrong = wanted(
        title=" ",
        eventDate="2020-01-01",
        requiredSkills=["jazz"],
        budgetMin=eur("-1"),
        budgetMax=eur("NaN"),
        location=place,
    )
    found = await client.mistakes(PUBLISH, host, input=wrong)
    assert {code for code, _ in found} == {"BAD_USER_INPUT"}
    assert [field for _, field in found] == [
        "requiredSkills",
        "title",
        "eventDate",
        "budgetMin",
        "budgetMax",
        "location.latitude",
        "location.longitude",
        "location.country",
    ]


async def test_sql_in_a_title_is_a_title(client: Client, host: ApiUser) -> None:
    """Text is never read as SQL."""
    title = "'; drop table musician_requests; --"
    assert (await publish(client, host, title=title))["title"] == title


async def test_only_clients_publish(client: Client, keys: SigningKeys) -> None:
    """Callers without a token and musicians are refused."""
    assert await client.codes(PUBLISH, None, input=wanted()) == ["UNAUTHENTICATED"]
    assert await client.codes(PUBLISH, ApiUser.make(keys, "musician"), input=wanted()) == ["FORBIDDEN"]


LIST = """query($f: RequestFilter, $first: Int, $after: String, $last: Int, $before: String,
    $order: RequestOrder! = NEWEST) {
  requests: storedRequests(
    filter: $f, first: $first, after: $after, last: $last, before: $before, orderBy: $order
  ) {
    totalCount edges { node { uuid } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def found(client: Client, **narrow: Any) -> list[str]:
    """Return the ids of the requests that a filter selects."""
    data = await client.data(LIST, None, f=narrow, first=100)
    ids = [edge["node"]["uuid"] for edge in data["requests"]["edges"]]
    assert data["requests"]["totalCount"] == len(ids)
    return ids


def near(latitude: float, longitude: float, radius: float) -> dict[str, float]:
    """Return a circle as an input."""
    return {"latitude": latitude, "longitude": longitude, "radiusKm": radius}


async def test_filters(client: Client, host: ApiUser) -> None:
    """Each filter selects the requests that its description says."""
    skill = str(uuid4())
    fiji = {"latitude": -17.0, "longitude": 179.9}
    made = await publish(client, host, requiredSkills=[skill, SKILL], urgencyLevel="URGENT", location=fiji)
    other = await publish(client, host, requiredSkills=[skill])
    assert await found(client, skills=[skill]) == [other["uuid"], made["uuid"]]
    assert await found(client, skills=[skill, SKILL]) == [made["uuid"]]
    assert await found(client, skills=[skill], urgency=["URGENT"]) == [made["uuid"]]
    assert await found(client, skills=[skill], status=["CANCELLED"]) == []
    assert await found(client, near=near(-17.0, -179.9, 30)) == [made["uuid"]]
    assert await found(client, near=near(-17.0, -179.9, 10)) == []
    assert await found(client, skills=[skill], near=near(52.6, 13.4, 20)) == [other["uuid"]]
    assert await found(client, skills=[skill], near=near(90, 0, 20000)) == [
        other["uuid"],
        made["uuid"],
    ]
    assert await found(client, skills=[skill], between={"from": made["startsAt"]}) == [
        other["uuid"],
        made["uuid"],
    ]
    assert await found(client, skills=[skill], between={"to": "2020-01-01T00:00:00"}) == []


@pytest.mark.parametrize(
    ("side", "time"), [("from", "0001-01-01T00:00:00+02:00"), ("to", "9999-12-31T23:59:59-02:00")]
)
async def test_times_beyond_the_calendar_are_refused(client: Client, side: str, time: str) -> None:
    """A time outside of the calendar in UTC is BAD_USER_INPUT."""
    assert await client.codes(LIST, None, f={"between": {side: time}}) == ["BAD_USER_INPUT"]


async def test_pages_hold_each_request_once(client: Client, host: ApiUser) -> None:
    """The pages together have each request once, in order; a cursor of another order is refused."""
    skill = str(uuid4())
    made = [(await publish(client, host, requiredSkills=[skill]))["uuid"] for _ in range(5)]
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = (await client.data(LIST, None, f={"skills": [skill]}, first=2, after=after))["requests"]
        seen += [edge["node"]["uuid"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == made[::-1]
    backwards: list[str] = []
    before = None
    for _ in range(3):
        page = (await client.data(LIST, None, f={"skills": [skill]}, last=2, before=before))["requests"]
        backwards = [edge["node"]["uuid"] for edge in page["edges"]] + backwards
        before = page["pageInfo"]["startCursor"]
    assert backwards == seen
    assert page["pageInfo"]["hasPreviousPage"] is False
    assert await client.codes(LIST, None, first=1, last=1) == ["BAD_USER_INPUT"]
    assert await client.codes(LIST, None, after=after, order="SOONEST") == ["BAD_USER_INPUT"]
    assert await client.codes(LIST, None, after="x") == ["BAD_USER_INPUT"]
    assert await client.codes(LIST, None, first=101) == ["BAD_USER_INPUT"]


async def test_a_list_takes_few_statements(client: Client, host: ApiUser) -> None:
    """Applications, bookings and their numbers take one statement each, for any number of requests."""
    for _ in range(6):
        await publish(client, host)
    query = """{ requests: storedRequests(first: 6) { totalCount edges { node {
        uuid client { uuid requests(first: 3) { totalCount edges { node { uuid } } } }
        applications(first: 2) { totalCount edges { node { uuid } } }
        booking { uuid } myApplication { uuid } requiredSkills { uuid } } } } }"""
    with counted_statements(client.service.database) as statements:
        await client.data(query, host)
    assert len(statements) == 8
    with counted_statements(client.service.database) as statements:
        answer = await client.entities("MusicianRequest", [uuid4() for _ in range(50)], "uuid title")
    assert len(statements) == 1
    assert answer == {"data": {"_entities": [None] * 50}}


async def test_a_refusal_is_the_same_user_error_when_it_is_repeated(client: Client, host: ApiUser) -> None:
    """The command log repeats a failed change's error; whatever its code, it is a user error both times."""
    made = await publish(client, host)
    update = """mutation($id: ID!, $key: String, $version: Int) { updateRequest(
        id: $id, input: {title: "x"}, expectedVersion: $version, idempotencyKey: $key
      ) { userErrors { code field message } } }"""
    for about in ({"id": made["uuid"], "version": 9}, {"id": str(uuid4())}):
        key = str(uuid4())
        first = await client.mistakes(update, host, key=key, **about)
        assert first
        assert await client.mistakes(update, host, key=key, **about) == first


async def test_update_changes_only_what_is_given(client: Client, host: ApiUser, stranger: ApiUser) -> None:
    """The owner changes single values; the budget is checked with the bound that is not changed."""
    update = """mutation($id: ID!, $input: UpdateRequestInput!, $version: Int) {
        updateRequest(id: $id, input: $input, expectedVersion: $version) {
          request { title budgetMin { amount } budgetMax { amount } eventDate location { city } version }
          userErrors { code field message } } }"""
    made = await publish(client, host)
    data = await client.data(update, host, id=made["uuid"], input={"budgetMax": eur("900")})
    changed = data["updateRequest"]["request"]
    assert (changed["title"], changed["budgetMin"], changed["budgetMax"], changed["version"]) == (
        "Jazz trio",
        {"amount": "300.00"},
        {"amount": "900.00"},
        2,
    )
    day = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    moved = {"eventDate": day, "location": {"latitude": 48.1, "longitude": 11.6, "city": "Munich"}}
    key = encode("MusicianRequest", made["uuid"])
    changed = (await client.data(update, host, id=key, input=moved, version=2))["updateRequest"]["request"]
    assert (changed["eventDate"], changed["location"], changed["version"]) == (day, {"city": "Munich"}, 3)
    assert await client.codes(update, host, id=key, input={"title": "x"}, version=2) == ["VERSION_CONFLICT"]
    assert await client.codes(update, host, id=key, input={"budgetMax": eur("900", "USD")}) == [
        "BAD_USER_INPUT"
    ]
    assert await client.codes(update, host, id=made["uuid"], input={"budgetMin": eur("901")}) == [
        "BAD_USER_INPUT"
    ]
    assert await client.codes(update, stranger, id=made["uuid"], input={"title": "mine"}) == ["FORBIDDEN"]
    assert await client.codes(update, host, id=str(uuid4()), input={}) == ["NOT_FOUND"]
    assert await client.codes(update, host, id="1 or 1=1", input={}) == ["BAD_USER_INPUT"]
