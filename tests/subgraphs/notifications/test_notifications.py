"""Tests of notifications: which events make them for whom, when they are sent, and who may see them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from subgraphs.kit.bus import Bus
from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements
from subgraphs.notifications.handlers import COMMAND_HANDLERS
from subgraphs.notifications.messages import SendDue
from subgraphs.notifications.tables import notifications

OWN = """notifications(first: 20) { totalCount edges { node {
  id uuid type title message isUrgent isRead channels request { uuid } booking { uuid } application { uuid }
  } } } unreadNotificationCount"""
SETTINGS = "notificationSettings { emailEnabled smsEnabled quietHoursStart timeZone types { type enabled } }"
UPDATE = f"""mutation($input: NotificationSettingsInput!, $key: String) {{
  updateNotificationSettings(input: $input, idempotencyKey: $key) {{
    settings {SETTINGS[21:]} userErrors {{ code field message }} }} }}"""
READ = """mutation($id: ID!, $key: String) {
  markNotificationRead(id: $id, idempotencyKey: $key) {
    notification { isRead readAt } userErrors { code field message } } }"""
READ_ALL = """mutation($key: String) {
  markAllNotificationsRead(idempotencyKey: $key) {
    readNotifications user { unreadNotificationCount } userErrors { code field } } }"""


async def told(client: Client, person: ApiUser) -> list[Any]:
    """Return a user's notifications, the newest first."""
    answer = await client.entities("User", [person.id], OWN, person)
    assert "errors" not in answer
    found = answer["data"]["_entities"][0]
    assert found["notifications"]["totalCount"] == len(found["notifications"]["edges"])
    return [edge["node"] for edge in found["notifications"]["edges"]]


def application(person: ApiUser, **more: Any) -> dict[str, Any]:
    """Return the fields of an event about an application to a request of this client."""
    ids = {name: uuid4() for name in ("application_id", "request_id", "musician_id", "musician_user_id")}
    return {**ids, "client_id": person.id, "title": "A band", "urgency_level": "medium", **more}


def booking(client_id: UUID, musician: UUID, days: float = 9) -> dict[str, Any]:
    """Return the fields of an event about a booking of these two users."""
    starts_at = datetime.now(UTC) + timedelta(days=days)
    ids = {name: uuid4() for name in ("booking_id", "request_id", "musician_id")}
    people = {"client_id": client_id, "musician_user_id": musician, "title": "A band", "status": "confirmed"}
    return {**ids, **people, "starts_at": starts_at.isoformat(), "ends_at": starts_at.isoformat()}


async def test_an_application_is_told_once(client: Client, tell: Any, person: ApiUser) -> None:
    """The client gets one notification of an application, however often the event arrives."""
    facts, event_id = application(person), uuid4()
    await tell("ApplicationSubmitted", event_id, **facts)
    await tell("ApplicationSubmitted", event_id, **facts)
    [found] = await told(client, person)
    assert (found["type"], found["title"], found["isRead"]) == (
        "NEW_APPLICATION",
        "New application: A band",
        False,
    )
    assert found["request"] == {"uuid": str(facts["request_id"])}
    assert found["application"] == {"uuid": str(facts["application_id"])}
    assert (found["booking"], found["channels"]) == (None, ["EMAIL", "PUSH"])
    assert not found["isUrgent"]
    await tell("ApplicationSubmitted", **application(person, urgency_level="urgent"))
    assert (await told(client, person))[0]["isUrgent"]


async def test_the_way_of_a_booking(client: Client, tell: Any, person: ApiUser, keys: SigningKeys) -> None:
    """Reminders of a confirmed booking appear at their time, in the zone of the event's place, and are
    deleted with the booking; sagas notify of the rest.
    """
    player = ApiUser.make(keys, "musician")
    facts = {**booking(person.id, player.id), "time_zone": "Asia/Tokyo"}
    await tell("UserRegistered", user_id=person.id, username="ada", user_type="client")
    await tell("BookingConfirmed", **facts)
    assert [item["title"] for item in await told(client, person)] == ["Welcome to MussikOn, ada"]
    assert await told(client, player) == []
    reminders = select(notifications).where(
        notifications.c.type == "reminder", notifications.c.user_id.in_([person.id, player.id])
    )
    for ended in ("BookingCancelled", "BookingUndone", "BookingRestored"):
        made = await client.service.database.fetch_all(reminders)
        assert len(made) == 2
        assert "(Asia/Tokyo)" in made[0].message
        await tell(ended, **facts)
        assert await client.service.database.fetch_all(reminders) == []
        await tell("BookingConfirmed", **facts)
    review = {"review_id": uuid4(), "booking_id": uuid4(), "musician_id": uuid4(), "author_id": person.id}
    await tell("ReviewPublished", **review, musician_user_id=player.id, rating=5)
    assert (await told(client, player))[0]["title"] == "A new review: 5 of 5"


async def test_reading(client: Client, tell: Any, person: ApiUser, keys: SigningKeys) -> None:
    """Only the owner can mark a notification as read; a second time changes nothing; the number of unread
    ones decreases.
    """
    for _ in range(3):
        await tell("ApplicationSubmitted", **application(person))
    item = (await told(client, person))[1]
    key = item["uuid"]
    first = (await client.data(READ, person, id=item["id"], key="read it"))["markNotificationRead"]
    assert first["notification"]["isRead"]
    assert (await client.data(READ, person, id=key, key="read it"))["markNotificationRead"] == first
    other = (await told(client, person))[0]["id"]
    assert await client.codes(READ, person, id=other, key="read it") == ["IDEMPOTENCY_KEY_REUSED"]
    assert await client.mistakes(READ, person, id=encode("User", key)) == [("BAD_USER_INPUT", "id")]
    stranger = ApiUser.make(keys, "client")
    assert await client.codes(READ, stranger, id=key) == ["FORBIDDEN"]
    assert await client.codes(READ, None, id=key) == ["UNAUTHENTICATED"]
    assert await client.codes(READ, person, id=str(uuid4())) == ["NOT_FOUND"]
    unread = "notifications(first: 1, unreadOnly: true) { totalCount pageInfo { hasNextPage endCursor } }"
    found = (await client.entities("User", [person.id], unread, person))["data"]["_entities"][0][
        "notifications"
    ]
    assert found["totalCount"] == 2
    assert found["pageInfo"]["hasNextPage"]
    for number in (2, 0):
        read = (await client.data(READ_ALL, person, key="all"))["markAllNotificationsRead"]
        assert read["readNotifications"] == number
        assert read["user"] == {"unreadNotificationCount": 0}
    assert await client.codes(READ_ALL, None) == ["UNAUTHENTICATED"]
    await tell("ApplicationSubmitted", **application(person))
    later = (await client.data(READ_ALL, person, key="all"))["markAllNotificationsRead"]
    assert (later["readNotifications"], later["user"]) == (0, {"unreadNotificationCount": 1})


async def test_applicants_learn_of_another_date_or_place(
    client: Client, tell: Any, person: ApiUser, keys: SigningKeys
) -> None:
    """Each user whose application is pending gets one notification, in the local time of the place."""
    other, event_id = ApiUser.make(keys, "musician"), uuid4()
    facts = {
        "request_id": uuid4(),
        "client_id": uuid4(),
        "title": "A band",
        "urgency_level": "urgent",
        "starts_at": "2031-06-01T18:00:00Z",
        "time_zone": "Europe/Berlin",
        "address": "Main Street 1",
        "city": "Munich",
        "musician_user_ids": [str(person.id), str(other.id)],
    }
    for _ in range(2):
        await tell("RequestMoved", event_id, **facts)
    for user in (person, other):
        [found] = await told(client, user)
        assert found["title"] == "New date or place: A band"
        assert "2031-06-01 at 20:00 (Europe/Berlin), at Main Street 1, Munich" in found["message"]
        assert found["request"] == {"uuid": str(facts["request_id"])}
        assert found["isUrgent"]


async def test_lists_with_filters_and_backwards(client: Client, tell: Any, person: ApiUser) -> None:
    """Types and read state restrict list and count; the last pages have the rest in the list's order."""
    for number in range(5):
        await tell("ApplicationSubmitted", **application(person, title=f"Band {number}"))
        await tell("ApplicationWithdrawn", **application(person, title=f"Band {number}"))
    await client.data(READ, person, id=(await told(client, person))[1]["id"])

    async def listed(arguments: str) -> Any:
        query = f"""notifications({arguments}) {{ totalCount
            pageInfo {{ hasNextPage hasPreviousPage startCursor }} edges {{ node {{ uuid type }} }} }}"""
        answer = await client.entities("User", [person.id], query, person)
        return answer["data"]["_entities"][0]["notifications"]

    new = await listed("types: [NEW_APPLICATION], unreadOnly: true")
    assert new["totalCount"] == len(new["edges"]) == 4
    assert {edge["node"]["type"] for edge in new["edges"]} == {"NEW_APPLICATION"}
    assert (await listed("types: [NEW_APPLICATION, REQUEST_UPDATE], first: 1"))["totalCount"] == 10
    assert (await listed("types: [SYSTEM]"))["edges"] == []
    assert (await listed("types: []"))["totalCount"] == 10
    expected = [item["uuid"] for item in await told(client, person)]
    last = await listed("last: 4")
    assert [edge["node"]["uuid"] for edge in last["edges"]] == expected[6:]
    before = await listed(f'last: 4, before: "{last["pageInfo"]["startCursor"]}"')
    assert [edge["node"]["uuid"] for edge in before["edges"]] == expected[2:6]
    assert (before["pageInfo"]["hasPreviousPage"], before["pageInfo"]["hasNextPage"]) == (True, True)


async def test_settings(client: Client, person: ApiUser) -> None:
    """Absent settings are not changed, types are merged, and wrong values are refused."""
    await client.data(UPDATE, person, input={"types": [{"type": "REMINDER", "enabled": False}]})
    data = await client.data(
        UPDATE,
        person,
        input={
            "smsEnabled": True,
            "timeZone": "Europe/Berlin",
            "types": [{"type": "SYSTEM", "enabled": False}],
        },
    )
    changed = data["updateNotificationSettings"]["settings"]
    assert (changed["emailEnabled"], changed["smsEnabled"], changed["timeZone"]) == (
        True,
        True,
        "Europe/Berlin",
    )
    assert changed["quietHoursStart"] == "22:00:00"
    assert [item["type"] for item in changed["types"] if not item["enabled"]] == ["REMINDER", "SYSTEM"]
    answer = await client.entities("User", [person.id], SETTINGS, person)
    assert answer["data"]["_entities"][0]["notificationSettings"] == changed
    wrong = {"timeZone": "Berlin", "emailEnabled": None, "quietHoursStart": "22:00:00+02:00", "types": None}
    for name, value in wrong.items():
        assert await client.mistakes(UPDATE, person, input={name: value}) == [("BAD_USER_INPUT", name)]
    mistakes = await client.mistakes(UPDATE, person, input=wrong)
    assert sorted(field or "" for _, field in mistakes) == sorted(wrong)
    assert await client.codes(UPDATE, None, input={}) == ["UNAUTHENTICATED"]


async def test_settings_change_once_for_a_key(client: Client, person: ApiUser) -> None:
    """A late repetition does not undo a newer change; another change with the key is refused."""
    for given, key in ((True, "first"), (False, "second"), (True, "first")):
        data = await client.data(UPDATE, person, input={"smsEnabled": given}, key=key)
    assert data["updateNotificationSettings"]["settings"]["smsEnabled"] is False
    reused = await client.codes(UPDATE, person, input={"smsEnabled": False}, key="first")
    assert reused == ["IDEMPOTENCY_KEY_REUSED"]


async def test_quiet_hours_hold_back(client: Client, tell: Any, person: ApiUser) -> None:
    """In quiet hours only urgent notifications are sent, the others at the end; each is sent once."""
    now = datetime.now(UTC)
    quiet = {
        "quietHoursStart": f"{now - timedelta(hours=1):%H:%M}",
        "quietHoursEnd": f"{now + timedelta(hours=1):%H:%M}",
    }
    await client.data(UPDATE, person, input=quiet)
    await tell("ApplicationSubmitted", **application(person))
    await tell("ApplicationSubmitted", **application(person, urgency_level="urgent"))
    database = client.service.database
    bus = Bus(database, COMMAND_HANDLERS)
    while await bus.handle(SendDue(most=7)):
        pass
    sent = text(
        "select payload from outbox where event_type = 'NotificationDue' and payload ->> 'user_id' = :id"
    )
    rows = await database.fetch_all(sent.bindparams(id=str(person.id)))
    assert [row.payload["is_urgent"] for row in rows] == [True]
    assert rows[0].payload["channels"] == ["email", "push"]
    own = notifications.c.user_id == person.id
    await database.execute(notifications.update().where(own).values(deliver_after=now))
    await bus.handle(SendDue())
    assert len(await database.fetch_all(sent.bindparams(id=str(person.id)))) == 2
    assert await bus.handle(SendDue()) == 0


@pytest.mark.parametrize("selection", ["notifications { totalCount }", "unreadNotificationCount", SETTINGS])
async def test_all_of_it_is_ones_own(
    client: Client, tell: Any, person: ApiUser, keys: SigningKeys, selection: str
) -> None:
    """Without a token, as another user and with forged headers each field is an error; an admin sees it."""
    await tell("ApplicationSubmitted", **application(person))
    stranger, admin = ApiUser.make(keys, "musician"), ApiUser.make(keys, "admin")
    expected: list[tuple[ApiUser | None, list[str]]] = [
        (None, ["UNAUTHENTICATED"]),
        (stranger, ["FORBIDDEN"]),
        (person, []),
        (admin, []),
    ]
    for asking, codes in expected:
        answer = await client.entities("User", [person.id], selection, asking)
        assert [error["extensions"]["code"] for error in answer.get("errors", [])] == codes
    forged = {"x-user-id": str(person.id), "x-user-role": "admin"}
    query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on User {{ {selection} }} }} }}"
    answer = await client.service.execute(
        query, {"r": [{"__typename": "User", "uuid": str(person.id)}]}, None, forged
    )
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_notification_is_ones_own(
    client: Client, tell: Any, person: ApiUser, keys: SigningKeys
) -> None:
    """Only its user and admins see a notification, as an entity and by the root field."""
    await tell("ApplicationSubmitted", **application(person))
    item = (await told(client, person))[0]
    key = item["uuid"]
    query = "query($id: ID!) { notification(id: $id) { title } }"
    for one in (key, item["id"]):
        found = (await client.data(query, person, id=one))["notification"]
        assert found["title"] == "New application: A band"
    for wrong in ("x", encode("Booking", key)):
        assert await client.data(query, person, id=wrong) == {"notification": None}
    expected: list[tuple[ApiUser | None, str]] = [
        (None, "UNAUTHENTICATED"),
        (ApiUser.make(keys, "client"), "FORBIDDEN"),
    ]
    for asking, code in expected:
        assert await client.codes(query, asking, id=key) == [code]
        answer = await client.entities("Notification", [key], "title message", asking)
        assert answer["data"]["_entities"] == [None]
        assert answer["errors"][0]["extensions"]["code"] == code


async def test_many_users_take_few_statements(
    client: Client, tell: Any, person: ApiUser, keys: SigningKeys
) -> None:
    """Each field takes one statement for any number of users."""
    await tell("ApplicationSubmitted", **application(person))
    admin = ApiUser.make(keys, "admin")
    users = [person.id, *(uuid4() for _ in range(30))]
    with counted_statements(client.service.database) as statements:
        answer = await client.entities("User", users, OWN + " " + SETTINGS, admin)
    assert "errors" not in answer
    assert len(statements) == 4
