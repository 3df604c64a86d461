"""Tests of what musicians do with their own time, what others see of it, and how the service learns who is a
musician.
"""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.calendar.handlers import EVENT_HANDLERS
from subgraphs.calendar.model import Span
from subgraphs.kit import own_writes
from subgraphs.kit.global_ids import encode
from subgraphs.kit.messages import Envelope
from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.calendar.conftest import SAY, Player, at, hours, make_player

REMOVE = """mutation($id: ID!, $key: String) { removeTime(id: $id, idempotencyKey: $key) {
    slot { uuid } userErrors { code field message } } }"""


async def test_block_and_free(player: Player) -> None:
    """The newest slot replaces the parts of older ones in its span; the rest of them remains."""
    await player.say("blockTime", 10, 20, title="Holidays")
    assert await player.block(12, 13).do() == "CONFLICT"
    freed = await player.say("freeTime", 12, 14, title="After all")
    assert freed["slot"]["kind"] == "FREE"
    assert await player.busy() == [(10, 12), (14, 20)]
    assert await player.calendar() == [
        ("BLOCKED", 10, 12, "Holidays"),
        ("FREE", 12, 14, "After all"),
        ("BLOCKED", 14, 20, "Holidays"),
    ]
    assert await player.calendar("FREE") == [("FREE", 12, 14, "After all")]
    await player.say("blockTime", 13, 15)
    assert await player.calendar() == [
        ("BLOCKED", 10, 12, "Holidays"),
        ("FREE", 12, 13, "After all"),
        ("BLOCKED", 13, 15, ""),
        ("BLOCKED", 15, 20, "Holidays"),
    ]
    assert "slotId" in await player.block(12, 13).do()


async def test_what_is_booked_stays(player: Player) -> None:
    """A musician can neither block nor free the time of a booking, and a refused attempt changes nothing."""
    await player.say("blockTime", 10, 12)
    await player.block(12, 14).do()
    for what in ("blockTime", "freeTime"):
        answer = await player.say(what, 11, 13)
        assert (answer["slot"], answer["userErrors"][0]["code"]) == (None, "CONFLICT")
    assert await player.busy() == [(10, 12), (12, 14)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endsAt": at(9)}, "endsAt"),
        ({"endsAt": at(24 * 400)}, "endsAt"),
        ({"startsAt": "1970-01-01T00:00:00"}, "startsAt"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"title": "a\u0000b"}, "title"),
    ],
)
async def test_wrong_input_is_refused(player: Player, changes: dict[str, str], field: str) -> None:
    """Each wrong value is refused with its field."""
    answer = await player.say("blockTime", 10, 12, **changes)
    assert [(error["code"], error["field"]) for error in answer["userErrors"]] == [("BAD_USER_INPUT", field)]


async def test_all_wrong_fields_at_once(player: Player) -> None:
    """Every wrong field has its user error."""
    changes = {"startsAt": "1970-01-01T00:00:00", "timeZone": "Mars/Olympus", "title": "x" * 201}
    answer = await player.say("freeTime", 10, 12, **changes)
    assert [error["field"] for error in answer["userErrors"]] == ["startsAt", "timeZone", "title"]


async def test_a_key_blocks_once(client: Client, player: Player) -> None:
    """The same mutation with the same key returns the first slot; with other input it is refused."""
    time = {"startsAt": at(1), "endsAt": at(2)}
    block, free = SAY % "blockTime", SAY % "freeTime"
    first = await client.data(block, player.person, input=time, key="mine")
    await player.say("freeTime", 1, 2)
    assert await client.data(block, player.person, input=time, key="mine") == first
    assert [slot[0] for slot in await player.calendar()] == ["FREE"], "it was not executed again"
    later = {**time, "endsAt": at(3)}
    assert await client.codes(block, player.person, input=later, key="mine") == ["IDEMPOTENCY_KEY_REUSED"]
    assert await client.codes(free, player.person, input=time, key="mine") == ["IDEMPOTENCY_KEY_REUSED"]
    assert await client.mistakes(block, player.person, input=time, key="") == [
        ("BAD_USER_INPUT", "idempotencyKey")
    ]
    status = '{ calendarCommand(idempotencyKey: "mine") { type status } }'
    assert (await client.data(status, player.person))["calendarCommand"] == {
        "type": "BlockTime",
        "status": "COMPLETED",
    }


async def test_a_slot_is_removed(client: Client, keys: SigningKeys, player: Player) -> None:
    """A musician removes an own blocked or free slot, once; not a booked one, and nobody else's."""
    blocked = (await player.say("blockTime", 10, 12))["slot"]
    free = (await player.say("freeTime", 14, 15))["slot"]
    booked = (await player.block(20, 22).do())["slotId"]
    other = await make_player(client, keys)
    assert await client.codes(REMOVE, other.person, id=blocked["id"]) == ["NOT_FOUND"]
    assert await client.codes(REMOVE, None, id=blocked["id"]) == ["UNAUTHENTICATED"]
    removed = await client.data(REMOVE, player.person, id=blocked["id"], key="away")
    assert removed["removeTime"]["slot"]["uuid"] == blocked["uuid"]
    assert await client.data(REMOVE, player.person, id=blocked["id"], key="away") == removed
    assert await client.codes(REMOVE, player.person, id=blocked["id"]) == ["NOT_FOUND"]
    await client.data(REMOVE, player.person, id=free["uuid"])
    assert await client.codes(REMOVE, player.person, id=booked) == ["CONFLICT"]
    wrong = encode("Booking", booked)
    assert await client.mistakes(REMOVE, player.person, id=wrong) == [("BAD_USER_INPUT", "id")]
    assert await player.busy() == [(20, 22)]
    freed = text("select payload ->> 'slot_id' from outbox where event_type = 'SlotFreed' order by id")
    rows = await client.service.database.fetch_all(freed)
    assert [row[0] for row in rows if row[0] in (blocked["uuid"], free["uuid"])] == [blocked["uuid"]]


async def test_a_slot_is_an_entity(client: Client, keys: SigningKeys, player: Player) -> None:
    """Its musician and admins find a slot by its key, others do not; a removed slot is not found."""
    slot = (await player.say("blockTime", 10, 12))["slot"]
    expected = {"data": {"_entities": [{"kind": "BLOCKED"}, None]}}
    for person in (player.person, ApiUser.make(keys, "admin")):
        assert await client.entities("CalendarSlot", [slot["uuid"], "x"], "kind", person) == expected
    for stranger, code in ((ApiUser.make(keys, "musician"), "FORBIDDEN"), (None, "UNAUTHENTICATED")):
        answer = await client.entities("CalendarSlot", [slot["uuid"]], "kind", stranger)
        assert [error["extensions"]["code"] for error in answer["errors"]] == [code]
    await client.data(REMOVE, player.person, id=slot["id"])
    answer = await client.entities("CalendarSlot", [slot["uuid"]], "kind", player.person)
    assert answer == {"data": {"_entities": [None]}}


async def test_times_have_an_offset_or_are_utc(player: Player) -> None:
    """A time without an offset is in UTC; one with an offset is converted."""
    answer = await player.say(
        "blockTime", 0, 0, startsAt="2027-06-05T10:00:00", endsAt="2027-06-05T14:00:00+02:00"
    )
    assert hours(answer["slot"]["startsAt"]) == 10
    assert await player.busy() == [(10, 12)]


async def test_who_may(
    client: Client, keys: SigningKeys, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only musicians with a profile have a calendar; everybody sees their busy times and nothing else."""
    monkeypatch.setattr(own_writes, "PAUSES", (0.01,))
    query = SAY % "blockTime"
    time = {"startsAt": at(1), "endsAt": at(2)}
    assert await client.codes(query, None, input=time) == ["UNAUTHENTICATED"]
    assert await client.codes(query, ApiUser.make(keys, "client"), input=time) == ["FORBIDDEN"]
    assert await client.codes(query, ApiUser.make(keys, "musician"), input=time) == ["FORBIDDEN"]
    calendar = f'{{ myCalendar(between: {{from: "{at(0)}", to: "{at(24)}"}}) {{ uuid }} }}'
    await player.block(20, 22).do()
    assert await client.codes(calendar) == ["UNAUTHENTICATED"]
    assert (await client.data(calendar, ApiUser.make(keys, "musician")))["myCalendar"] == []
    assert len((await client.data(calendar, player.person))["myCalendar"]) == 1


async def test_windows_have_bounds(client: Client, player: Player) -> None:
    """A query for more than 366 days, for an end before the start, or without an end is refused."""
    query = """query($id: ID!, $to: DateTime) {
        musicianAvailability(musicianId: $id, between: {from: "%s", to: $to}) { startsAt } }"""
    for end in (None, at(-1), at(24 * 367), "9999-12-31T23:59:59-14:00"):
        assert await client.codes(query % at(0), None, id=str(player.musician_id), to=end) == [
            "BAD_USER_INPUT"
        ]
    answer = await client.send(query % at(0), None, id=str(player.musician_id))
    assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "between.to"}
    for wrong in ("7", encode("User", player.musician_id)):
        assert await client.codes(query % at(0), None, id=wrong, to=at(1)) == ["BAD_USER_INPUT"]
    found = await client.data(query % at(0), None, id=encode("Musician", player.musician_id), to=at(1))
    assert found == {"musicianAvailability": []}


async def test_a_booking_is_named(client: Client, player: Player) -> None:
    """A booked slot has its booking, a blocked slot has none."""
    block = player.block(20, 22)
    await block.do()
    await player.say("blockTime", 10, 12)
    query = (
        f'{{ myCalendar(between: {{from: "{at(0)}", to: "{at(24)}"}}) {{ timeZone booking {{ uuid }} }} }}'
    )
    assert (await client.data(query, player.person))["myCalendar"] == [
        {"timeZone": "UTC", "booking": None},
        {"timeZone": "Europe/Berlin", "booking": {"uuid": block.given["bookingId"]}},
    ]


async def test_musicians_are_known_by_events(client: Client, keys: SigningKeys) -> None:
    """An event about a profile makes the musician known; a late event changes nothing."""
    person, musician_id = ApiUser.make(keys, "musician"), uuid4()
    await tell(client, musician_id, person.id, 5)
    await tell(client, musician_id, uuid4(), 4)
    player = Player(client, ApiUser.make(keys, "service"), person, musician_id)
    assert (await player.say("blockTime", 1, 2))["userErrors"] == []
    assert await player.busy() == [(1, 2)]


async def test_a_profile_that_was_just_created(client: Client, keys: SigningKeys) -> None:
    """The mutation waits for the event about a profile that the service does not know yet."""
    person, musician_id = ApiUser.make(keys, "musician"), uuid4()

    async def tell_later() -> None:
        await asyncio.sleep(0.1)
        await tell(client, musician_id, person.id, 1)

    telling = asyncio.create_task(tell_later())
    player = Player(client, ApiUser.make(keys, "service"), person, musician_id)
    assert (await player.say("blockTime", 1, 2))["slot"]["kind"] == "BLOCKED"
    await telling


async def tell(client: Client, musician_id: UUID, user_id: UUID, position: int) -> None:
    """Call the service's handler with an event of the musicians service."""
    envelope = Envelope(
        event_id=uuid4(),
        source="musicians",
        position=position,
        event_type="MusicianProfileUpdated",
        aggregate_type="musician",
        aggregate_id=musician_id,
        occurred_at=datetime.now(UTC),
        payload={"musician_id": str(musician_id), "user_id": str(user_id), "stage_name": "Velvet Birds"},
    )
    async with UnitOfWork(client.service.database) as uow:
        await EVENT_HANDLERS[envelope.event_type](uow, envelope)


def test_what_is_left_of_a_span() -> None:
    """A part before it, after it, both, or nothing remains."""
    one, two, three, four = [datetime(2027, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)]
    assert Span(one, four).without(Span(two, three)) == [Span(one, two), Span(three, four)]
    assert Span(one, three).without(Span(two, four)) == [Span(one, two)]
    assert Span(two, four).without(Span(one, three)) == [Span(three, four)]
    assert Span(two, three).without(Span(one, four)) == []
    assert Span(one, two).without(Span(two, three)) == [Span(one, two)]
