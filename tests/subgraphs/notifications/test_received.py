"""Tests of NotificationReceived: the event is published once, when the notification appears in the list."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications import steps
from subgraphs.notifications.messages import SendDue
from tests.subgraphs.notifications.delivery_rig import World
from tests.subgraphs.notifications.test_notifications import application, booking, told

RECEIVED = """SELECT payload FROM outbox WHERE event_type = 'NotificationReceived'
    AND payload ->> 'user_id' = :user ORDER BY id"""


async def received(client: Client, person: ApiUser) -> list[str]:
    """Return the ids of the notifications that were published as received."""
    rows = await client.service.database.fetch_all(text(RECEIVED), user=str(person.id))
    return [row.payload["notification_id"] for row in rows]


async def test_at_once(client: Client, tell: Any, person: ApiUser) -> None:
    """A notification that follows from an event is published with it, once for a repeated event."""
    facts, event_id = application(person), uuid4()
    for _ in range(2):
        await tell("ApplicationSubmitted", event_id, **facts)
    [note] = await told(client, person)
    assert await received(client, person) == [note["uuid"]]


async def test_quiet_hours_hide_nothing(client: Client, tell: Any, person: ApiUser) -> None:
    """In quiet hours, and where all channels are off, a notification is in the list at once."""
    off = {"emailEnabled": False, "pushEnabled": False, "quietHoursStart": "00:00", "quietHoursEnd": "23:59"}
    update = """mutation($input: NotificationSettingsInput!) {
      updateNotificationSettings(input: $input) { userErrors { code } } }"""
    await client.data(update, person, input=off)
    await tell("ApplicationSubmitted", **application(person))
    assert len(await received(client, person)) == 1


async def test_reminders_at_their_time(world: World, tell: Any, keys: SigningKeys) -> None:
    """A reminder is published when its time has come, not before, and once."""
    client, person = world.client, world.person
    await tell("BookingConfirmed", **booking(person.id, ApiUser.make(keys, "musician").id))
    await world.bus.handle(SendDue())
    assert await received(client, person) == []
    due = text("UPDATE notifications SET appears_at = now() - interval '1 second' WHERE user_id = :user")
    await client.service.database.execute(due.bindparams(user=person.id))
    for _ in range(2):
        await world.bus.handle(SendDue())
    [note] = await told(client, person)
    assert (note["type"], await received(client, person)) == ("REMINDER", [note["uuid"]])


@pytest.mark.parametrize("ending", ["sent", "discarded", "taken back"])
async def test_after_the_saga(client: Client, person: ApiUser, ending: str) -> None:
    """A held notification is published when it is sent; one that is deleted before is not."""
    given = {"userId": str(person.id), "type": "system", "title": "Hello", "message": "x", "data": {}}
    async with UnitOfWork(client.service.database) as uow:
        done = await steps.notify(uow, {**given, "urgent": False})
    assert await received(client, person) == []
    async with UnitOfWork(client.service.database) as uow:
        if ending == "taken back":
            await steps.retract(uow, given, done)
        else:
            ids = [done["notificationId"]]
            await steps.send(uow, {"notificationIds": ids, "discard": ending == "discarded"})
    assert await received(client, person) == ([done["notificationId"]] if ending == "sent" else [])
    if ending == "sent":
        async with UnitOfWork(client.service.database) as uow:
            taken = await steps.retract(uow, {**given, "urgent": False}, done)
        assert await received(client, person) == [done["notificationId"], taken["notificationId"]]


async def test_rows_from_before(client: Client, person: ApiUser, world: World) -> None:
    """Rows that are loaded in bulk count as old."""
    row = """INSERT INTO notifications (user_id, type, title, message, appears_at)
        VALUES (:user, 'system', 'Old', 'x', :at)"""
    at = datetime.now(UTC) - timedelta(days=1)
    await client.service.database.execute(text(row).bindparams(user=person.id, at=at))
    await world.bus.handle(SendDue())
    assert await received(client, person) == []
    assert UUID((await told(client, person))[0]["uuid"])
