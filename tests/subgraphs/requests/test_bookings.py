"""Tests of applications and bookings: each mutation, who may call it, the events, and who may see the
objects.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.errors import Conflict, Forbidden
from subgraphs.kit.global_ids import encode
from subgraphs.kit.messages import Envelope
from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.requests import steps
from subgraphs.requests.handlers import EVENT_HANDLERS
from subgraphs.requests.tables import bookings
from tests.subgraphs.requests.conftest import make_player
from tests.subgraphs.requests.test_requests import eur

Player = tuple[ApiUser, UUID]

PUBLISH = """mutation($input: PublishRequestInput!) {
  publishRequest(input: $input) { request { uuid } userErrors { code field message } } }"""
APPLY = """mutation($id: ID!, $price: Decimal! = "400") {
  applyToRequest(
    requestId: $id, input: {proposedPrice: {amount: $price, currency: "EUR"}, message: "I would"}
  ) { application { uuid status musician { uuid } } userErrors { code field message } } }"""
REQUEST = "query($id: ID!) { request(id: $id) { status booking { uuid status price { amount } } } }"


def step(name: str, fields: str = "application { uuid status } userErrors { code field message }") -> str:
    """Return the mutation of one step, with one id."""
    return f"mutation($id: ID!) {{ {name}(id: $id) {{ {fields} }} }}"


async def publish(client: Client, person: ApiUser) -> str:
    """Publish a request and return its id."""
    day = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    place = {"latitude": 52.5, "longitude": 13.4}
    money = {"budgetMin": eur("1"), "budgetMax": eur("500"), "timeZone": "UTC", "location": place}
    wanted = {"title": "A band", "eventDate": day, "startTime": "20:00", "endTime": "22:00", **money}
    data = await client.data(PUBLISH, person, input=wanted)
    return str(data["publishRequest"]["request"]["uuid"])


async def carry(client: Client, step: Callable[..., Awaitable[Any]], **given: Any) -> Any:
    """Do a step of a saga, and return its result."""
    async with UnitOfWork(client.service.database) as uow:
        return await step(uow, given)


async def booked(client: Client, host: ApiUser, player: Player) -> tuple[str, str, str]:
    """Return the ids of a request, its accepted application, and its booking, which was offered."""
    request = await publish(client, host)
    application = (await client.data(APPLY, player[0], id=request))["applyToRequest"]["application"]["uuid"]
    given = {"requestId": request, "clientId": str(host.id), "musicianId": str(player[1])}
    assign = partial(steps.assign, max_offers=5)
    made = await carry(client, assign, **given, price=None, acceptOutsideBudget=False)
    await carry(client, steps.offer, bookingId=made["bookingId"])
    return request, application, made["bookingId"]


async def events_of(client: Client, aggregate_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the events about one object."""
    rows = await client.service.database.fetch_all(
        text("select event_type, payload from outbox where aggregate_id = :id order by id").bindparams(
            id=UUID(aggregate_id)
        )
    )
    return [(row.event_type, row.payload) for row in rows]


async def end_event(client: Client, booking: str) -> None:
    """Move the booked event into the past."""
    past = datetime.now(UTC) - timedelta(hours=1)
    over = {"starts_at": past - timedelta(hours=2), "ends_at": past}
    await client.service.database.execute(
        bookings.update().where(bookings.c.id == UUID(booking)).values(over)
    )


async def test_from_application_to_completion(client: Client, host: ApiUser, player: Player) -> None:
    """An application becomes a completed booking, with an event for each step."""
    person, musician_id = player
    request, application, booking = await booked(client, host, player)
    assert (await client.data(REQUEST, host, id=request))["request"]["status"] == "ASSIGNED"
    await carry(client, steps.confirm, bookingId=booking, byUserId=str(person.id))
    with pytest.raises(Conflict, match="after its event"):
        await carry(client, steps.complete, bookingId=booking, byUserId=str(host.id))
    await end_event(client, booking)
    await carry(client, steps.complete, bookingId=booking, byUserId=str(host.id))
    assert (await client.data(REQUEST, host, id=request))["request"]["status"] == "COMPLETED"
    told = await events_of(client, booking)
    assert [kind for kind, _ in told] == [
        "BookingMade",
        "BookingOffered",
        "BookingConfirmed",
        "BookingUpdated",
        "BookingCompleted",
    ]
    assert told[0][1]["musician_user_id"] == str(person.id)
    assert told[0][1]["musician_id"] == str(musician_id)
    assert told[0][1]["price"] == "400.00"
    statuses = [facts["status"] for _, facts in await events_of(client, request)]
    assert statuses == ["open", "in_progress", "assigned", "completed"]
    assert [kind for kind, _ in await events_of(client, application)] == ["ApplicationSubmitted"]
    for what in ({"requestId": request, "bookingId": None}, {"requestId": None, "bookingId": booking}):
        with pytest.raises(Conflict):
            await carry(client, steps.cancel, **what, byUserId=str(host.id))


async def test_applying(
    client: Client, host: ApiUser, player: Player, stranger: ApiUser, keys: SigningKeys
) -> None:
    """A musician can apply once, with a valid price, to an open request."""
    request = await publish(client, host)
    assert await client.codes(APPLY, None, id=request) == ["UNAUTHENTICATED"]
    assert await client.codes(APPLY, stranger, id=request) == ["FORBIDDEN"]
    assert await client.codes(APPLY, ApiUser.make(keys, "musician"), id=request) == ["FORBIDDEN"]
    for price in ("-5", "0", "0.00"):
        assert await client.codes(APPLY, player[0], id=request, price=price) == ["BAD_USER_INPUT"]
    assert await client.codes(APPLY, player[0], id=str(uuid4())) == ["NOT_FOUND"]
    mine = (await client.data(APPLY, player[0], id=request))["applyToRequest"]["application"]["uuid"]
    assert await client.codes(APPLY, player[0], id=request) == ["CONFLICT"]
    await client.data(step("withdrawApplication"), player[0], id=mine)
    again = (await client.data(APPLY, player[0], id=request, price="450"))["applyToRequest"]["application"]
    assert again == {"uuid": mine, "status": "PENDING", "musician": {"uuid": str(player[1])}}
    await client.data(step("rejectApplication"), host, id=mine)
    assert await client.codes(APPLY, player[0], id=request) == ["CONFLICT"]


async def test_steps_belong_to_somebody(
    client: Client, host: ApiUser, player: Player, stranger: ApiUser
) -> None:
    """Only the client rejects an application, only the musician withdraws it and confirms a booking."""
    request = await publish(client, host)
    application = (await client.data(APPLY, player[0], id=request))["applyToRequest"]["application"]["uuid"]
    for person in (stranger, player[0]):
        assert await client.codes(step("rejectApplication"), person, id=application) == ["FORBIDDEN"]
    assert await client.codes(step("withdrawApplication"), host, id=application) == ["FORBIDDEN"]
    _, application, booking = await booked(client, host, player)
    for person in (host, stranger):
        with pytest.raises(Forbidden):
            await carry(client, steps.confirm, bookingId=booking, byUserId=str(person.id))
    for do in (steps.cancel, steps.object_to, steps.complete):
        given = {"requestId": None, "bookingId": booking, "byUserId": str(stranger.id), "reason": "x"}
        with pytest.raises(Forbidden):
            await carry(client, do, **given)
    assert await client.codes(step("withdrawApplication"), player[0], id=application) == ["CONFLICT"]


async def test_a_cancelled_booking_opens_the_request(client: Client, host: ApiUser, player: Player) -> None:
    """After a cancellation the request is open again; undoing it restores all statuses."""
    request, application, booking = await booked(client, host, player)
    given = {"requestId": None, "bookingId": booking, "byUserId": str(player[0].id)}
    done = await carry(client, steps.cancel, **given)
    assert (done["percent"], done["by"], done["offered"]) == (100, "musician", True)
    data = (await client.data(REQUEST, host, id=request))["request"]
    assert data == {"status": "OPEN", "booking": None}
    kind, facts = (await events_of(client, booking))[-1]
    assert (kind, facts["cancelled_by"]) == ("BookingCancelled", str(player[0].id))
    ask = "query($id: ID!) { application(id: $id) { status } }"
    assert (await client.data(ask, host, id=application))["application"]["status"] == "WITHDRAWN"
    await carry(client, partial(steps.restore, done=done))
    data = (await client.data(REQUEST, host, id=request))["request"]
    assert data == {
        "status": "ASSIGNED",
        "booking": {"uuid": booking, "status": "PENDING", "price": {"amount": "400.00"}},
    }
    assert (await client.data(ask, host, id=application))["application"]["status"] == "ACCEPTED"


async def test_cancelling_a_request_ends_all(
    client: Client, host: ApiUser, player: Player, keys: SigningKeys
) -> None:
    """Its booking is cancelled, nobody can apply any more, other applications are rejected, and events are
    published for all; undoing it restores all.
    """
    other = await make_player(client, keys)
    request, _, booking = await booked(client, host, player)
    rest = await publish(client, host)
    second = (await client.data(APPLY, other[0], id=rest))["applyToRequest"]["application"]["uuid"]
    for key in (request, rest):
        given = {"requestId": key, "bookingId": None, "byUserId": str(host.id)}
        done = await carry(client, steps.cancel, **given)
        assert [kind for kind, _ in await events_of(client, key)][-2:] == [
            "RequestUpdated",
            "RequestCancelled",
        ]
    assert done["booked"] is False
    data = await client.data("query($id: ID!) { booking(id: $id) { status } }", player[0], id=booking)
    assert data["booking"]["status"] == "CANCELLED"
    assert await client.codes(APPLY, player[0], id=request) == ["CONFLICT"]
    assert [kind for kind, _ in await events_of(client, second)][-1] == "ApplicationRejected"
    await carry(client, partial(steps.restore, done=done))
    ask = "query($id: ID!) { application(id: $id) { status } }"
    assert (await client.data(ask, host, id=second))["application"]["status"] == "PENDING"
    assert (await client.data(REQUEST, host, id=rest))["request"]["status"] == "IN_PROGRESS"


FORGED = {"x-user-id": "", "x-user-role": "admin", "x-role": "admin", "authorization-user": ""}


@pytest.mark.parametrize(
    ("typename", "index", "selection", "public"),
    [
        ("MusicianRequest", 0, "applications { edges { node { uuid } } }", False),
        ("MusicianRequest", 0, "booking { uuid price { amount } }", False),
        ("MusicianRequest", 0, "title budgetMin { amount } client { uuid } requiredSkills { uuid }", True),
        (
            "Application",
            1,
            "message proposedPrice { amount currency } status request { uuid } musician { uuid }",
            False,
        ),
        ("Booking", 2, "price { amount } status request { uuid } client { uuid } musician { uuid }", False),
        ("User", 3, "bookings { edges { node { uuid } } }", False),
        ("User", 3, "requests { totalCount }", True),
    ],
)
async def test_entities_are_guarded(
    client: Client,
    host: ApiUser,
    player: Player,
    stranger: ApiUser,
    typename: str,
    index: int,
    selection: str,
    public: bool,
) -> None:
    """Only the users of a booking and admins see it and its application, by every query."""
    key = [*await booked(client, host, player), str(host.id)][index]
    owner = await client.entities(typename, [key], selection, host)
    assert "errors" not in owner
    assert owner["data"]["_entities"][0]
    for person, code in ((None, "UNAUTHENTICATED"), (stranger, "FORBIDDEN")):
        answer = await client.entities(typename, [key], selection, person)
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
        assert codes == ([] if public else [code])
    forged = {name: value or str(host.id) for name, value in FORGED.items()}
    query = (
        f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {typename} {{ {selection} }} }} }}"
    )
    answer = await client.service.execute(query, {"r": [{"__typename": typename, "uuid": key}]}, None, forged)
    assert ("errors" in answer) is not public


async def test_a_musicians_own_lists(client: Client, host: ApiUser, player: Player, admin: ApiUser) -> None:
    """Only the musician and admins see a musician's applications and bookings."""
    await booked(client, host, player)
    selection = "applications { totalCount edges { node { request { uuid } } } } bookings { totalCount }"
    sighted: list[ApiUser | None] = [player[0], admin]
    for person in sighted:
        answer = await client.entities("Musician", [player[1]], selection, person)
        assert answer["data"]["_entities"][0]["bookings"] == {"totalCount": 1}
    blind: list[tuple[ApiUser | None, str]] = [(None, "UNAUTHENTICATED"), (host, "FORBIDDEN")]
    for person, code in blind:
        answer = await client.entities("Musician", [player[1]], selection, person)
        assert [error["extensions"]["code"] for error in answer["errors"]] == [code, code]
        assert answer["data"]["_entities"] == [{"applications": None, "bookings": None}]


async def test_a_bad_token_refuses_the_whole(client: Client, keys: SigningKeys, tmp_path: Path) -> None:
    """A token of another key refuses the whole request."""
    other = ApiUser.make(SigningKeys.make(tmp_path), "admin")
    answer = await client.send("{ storedRequests { totalCount } }", other)
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_late_events_change_nothing(client: Client, keys: SigningKeys, host: ApiUser) -> None:
    """The newest event decides which user a musician is, in any order of arrival."""
    database, musician_id = client.service.database, uuid4()
    new, old = ApiUser.make(keys, "musician"), ApiUser.make(keys, "musician")
    for position, person in ((7, new), (3, old), (7, new)):
        envelope = Envelope(
            event_id=uuid4(),
            source="musicians",
            position=position,
            event_type="MusicianProfileUpdated",
            aggregate_type="musician",
            aggregate_id=musician_id,
            occurred_at=datetime.now(UTC),
            payload={"musician_id": str(musician_id), "user_id": str(person.id), "stage_name": "x"},
        )
        async with UnitOfWork(database) as uow:
            await EVENT_HANDLERS["MusicianProfileUpdated"](uow, envelope)
    request = await publish(client, host)
    assert await client.codes(APPLY, old, id=request) == ["FORBIDDEN"]
    assert (await client.data(APPLY, new, id=request))["applyToRequest"]["application"]["musician"] == {
        "uuid": str(musician_id)
    }


CHANGE = """mutation($id: ID!, $input: ChangeApplicationInput!) {
  changeApplication(id: $id, input: $input) {
    application { message proposedPrice { amount currency } } userErrors { code field message } } }"""


async def test_a_pending_application_is_changed(
    client: Client, host: ApiUser, player: Player, stranger: ApiUser
) -> None:
    """Its musician changes price and message, until the client has decided; an event is published."""
    request = await publish(client, host)
    application = (await client.data(APPLY, player[0], id=request))["applyToRequest"]["application"]["uuid"]
    key = encode("Application", application)
    cheaper = {"proposedPrice": eur("350")}
    changed = (await client.data(CHANGE, player[0], id=key, input=cheaper))["changeApplication"]
    assert changed["application"] == {"message": "I would", "proposedPrice": eur("350.00")}
    assert [kind for kind, _ in await events_of(client, application)][-1] == "ApplicationChanged"
    wrong = {"proposedPrice": eur("350", "USD"), "message": "x" * 2001}
    assert await client.mistakes(CHANGE, player[0], id=key, input=wrong) == [
        ("BAD_USER_INPUT", "message"),
        ("BAD_USER_INPUT", "proposedPrice.currency"),
    ]
    assert await client.codes(CHANGE, stranger, id=key, input=cheaper) == ["FORBIDDEN"]
    await client.data(step("rejectApplication"), host, id=key)
    assert await client.codes(CHANGE, player[0], id=key, input=cheaper) == ["CONFLICT"]


async def test_nested_lists_are_filtered(client: Client, host: ApiUser, player: Player) -> None:
    """Lists of a user, a musician and a request are filtered by status and time, with their numbers."""
    request, _, _ = await booked(client, host, player)
    await publish(client, host)
    selection = """open: requests(status: [OPEN]) { totalCount edges { node { status } } }
        all: requests { totalCount } none: requests(between: {to: "2020-01-01T00:00:00Z"}) { totalCount }
        pending: bookings(status: [PENDING]) { totalCount }
        confirmed: bookings(status: [CONFIRMED], last: 5) { totalCount edges { node { uuid } } }"""
    answer = await client.entities("User", [host.id], selection, host)
    assert answer["data"]["_entities"][0] == {
        "open": {"totalCount": 1, "edges": [{"node": {"status": "OPEN"}}]},
        "all": {"totalCount": 2},
        "none": {"totalCount": 0},
        "pending": {"totalCount": 1},
        "confirmed": {"totalCount": 0, "edges": []},
    }
    selection = "accepted: applications(status: [ACCEPTED]) { totalCount } all: applications { totalCount }"
    answer = await client.entities("MusicianRequest", [request], selection, host)
    assert answer["data"]["_entities"][0] == {"accepted": {"totalCount": 1}, "all": {"totalCount": 1}}
