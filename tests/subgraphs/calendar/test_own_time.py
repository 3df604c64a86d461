"""Tests of what musicians do with their own time, what others see of it, and how the service learns who is a
musician.
"""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from subgraphs.calendar.handlers import EVENT_HANDLERS
from subgraphs.calendar.model import Span
from subgraphs.kit.messages import Envelope
from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.calendar.conftest import Player, at, hours


async def test_block_and_free(player: Player) -> None:
    """The newest slot replaces the parts of older ones in its span; the rest of them remains."""
    await player.say("blockTime", 10, 20, title="Holidays")
    assert await player.block(12, 13).do() == "CONFLICT"
    freed = await player.say("freeTime", 12, 14, title="After all")
    assert freed["data"]["freeTime"]["kind"] == "FREE"
    assert await player.busy() == [(10, 12), (14, 20)]
    assert await player.calendar() == [
        ("BLOCKED", 10, 12, "Holidays"),
        ("FREE", 12, 14, "After all"),
        ("BLOCKED", 14, 20, "Holidays"),
    ]
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
        assert answer["errors"][0]["extensions"]["code"] == "CONFLICT"
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
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "BAD_USER_INPUT", "field": field}]


async def test_times_have_an_offset_or_are_utc(player: Player) -> None:
    """A time without an offset is in UTC; one with an offset is converted."""
    answer = await player.say(
        "blockTime", 0, 0, startsAt="2027-06-05T10:00:00", endsAt="2027-06-05T14:00:00+02:00"
    )
    assert hours(answer["data"]["blockTime"]["startsAt"]) == 10
    assert await player.busy() == [(10, 12)]


async def test_who_may(client: Client, keys: SigningKeys, player: Player) -> None:
    """Only musicians with a profile have a calendar; everybody sees their busy times and nothing else."""
    query = "mutation($input: TimeInput!) { blockTime(input: $input) { id } }"
    time = {"startsAt": at(1), "endsAt": at(2)}
    assert await client.codes(query, None, input=time) == ["UNAUTHENTICATED"]
    assert await client.codes(query, ApiUser.make(keys, "client"), input=time) == ["FORBIDDEN"]
    assert await client.codes(query, ApiUser.make(keys, "musician"), input=time) == ["FORBIDDEN"]
    calendar = f'{{ myCalendar(from: "{at(0)}", to: "{at(24)}") {{ id }} }}'
    await player.block(20, 22).do()
    assert await client.codes(calendar) == ["UNAUTHENTICATED"]
    assert (await client.data(calendar, ApiUser.make(keys, "musician")))["myCalendar"] == []
    assert len((await client.data(calendar, player.person))["myCalendar"]) == 1


async def test_windows_have_bounds(client: Client, player: Player) -> None:
    """A query for more than 366 days, or for an end before the start, is refused."""
    query = """query($id: ID!, $to: DateTime!) {
        musicianAvailability(musicianId: $id, from: "%s", to: $to) { startsAt } }"""
    for end in (at(-1), at(24 * 367), "9999-12-31T23:59:59-14:00"):
        assert await client.codes(query % at(0), None, id=str(player.musician_id), to=end) == [
            "BAD_USER_INPUT"
        ]
    assert await client.codes(query % at(0), None, id="7", to=at(1)) == ["BAD_USER_INPUT"]


async def test_a_booking_is_named(client: Client, player: Player) -> None:
    """A booked slot has its booking, a blocked slot has none."""
    block = player.block(20, 22)
    await block.do()
    await player.say("blockTime", 10, 12)
    query = f'{{ myCalendar(from: "{at(0)}", to: "{at(24)}") {{ timeZone booking {{ id }} }} }}'
    assert (await client.data(query, player.person))["myCalendar"] == [
        {"timeZone": "UTC", "booking": None},
        {"timeZone": "Europe/Berlin", "booking": {"id": block.given["bookingId"]}},
    ]


async def test_musicians_are_known_by_events(client: Client, keys: SigningKeys) -> None:
    """An event about a profile makes the musician known; a late event changes nothing."""
    person, musician_id = ApiUser.make(keys, "musician"), uuid4()
    await tell(client, musician_id, person.id, 5)
    await tell(client, musician_id, uuid4(), 4)
    player = Player(client, ApiUser.make(keys, "service"), person, musician_id)
    assert "errors" not in await player.say("blockTime", 1, 2)
    assert await player.busy() == [(1, 2)]


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
