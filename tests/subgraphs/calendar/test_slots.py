"""Tests of the saga steps on slots: time is booked once, never twice at the same time, and released or
undone.
"""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements
from tests.subgraphs.calendar.conftest import Player, at, make_player

INSERT = """insert into slots (musician_id, musician_user_id, kind, booking_id, during, time_zone)
    values ($1, $1, $2, $3, tstzrange($4::text::timestamptz, $5::text::timestamptz), 'UTC')"""


async def events_of(player: Player) -> list[tuple[str, str]]:
    """Return the events about a musician's slots."""
    query = text("select event_type, payload from outbox where payload ->> 'musician_id' = :id order by id")
    rows = await player.client.service.database.fetch_all(query, id=str(player.musician_id))
    return [(row.event_type, row.payload["kind"]) for row in rows]


async def test_a_booking_takes_time_once(player: Player) -> None:
    """A repeated step adds one slot; bookings may follow each other directly, and other musicians are not
    affected.
    """
    block = player.block(20, 24)
    made = await block.do()
    assert UUID(made["slotId"])
    assert await block.do() == made
    assert await player.block(22, 23).do() == "CONFLICT"
    assert await player.block(19, 20.5).do() == "CONFLICT"
    assert "slotId" in await player.block(24, 26).do()
    assert "slotId" in await player.block(18, 20).do()
    assert await player.busy() == [(18, 20), (20, 24), (24, 26)]
    assert await player.calendar() == [
        ("BOOKED", 18, 20, "A wedding"),
        ("BOOKED", 20, 24, "A wedding"),
        ("BOOKED", 24, 26, "A wedding"),
    ]
    assert await player.block(30, 31, UUID(block.given["bookingId"])).do() == "CONFLICT"
    assert await block.do(title="Another") == "IDEMPOTENCY_KEY_REUSED"


async def test_taken_back(player: Player) -> None:
    """An undone booking frees its time; so does a release, until the release is undone."""
    block = player.block(20, 24)
    made = await block.do()
    assert await block.undo() == await block.undo() == {"slotId": made["slotId"]}
    assert await block.do() == "ALREADY_UNDONE"
    assert await player.busy() == []
    block = player.block(20, 24)
    made, release = await block.do(), player.release(block)
    done = await release.do()
    assert await release.do() == done
    assert done["slotId"] == made["slotId"]
    assert await player.busy() == []
    again = player.release(block)
    assert await again.do() == {"slotId": None}, "it was released before"
    await again.undo()
    assert await release.undo() == {"slotId": made["slotId"]}
    assert await player.busy() == [(20, 24)]
    taken, freed = ("SlotTaken", "booked"), ("SlotFreed", "booked")
    assert await events_of(player) == [taken, freed, taken, freed, taken]


async def test_no_time_is_blocked_for_a_booking_that_has_ended(player: Player) -> None:
    """A release that arrives before the block releases nothing, and the block is refused afterwards."""
    block = player.block(20, 24)
    release = player.release(block)
    assert await release.do() == {"slotId": None}
    assert await block.do() == "CONFLICT"
    assert await player.busy() == []
    await release.undo()
    assert "slotId" in await block.do()


async def test_time_that_is_gone_does_not_come_back(player: Player) -> None:
    """A release cannot be undone if the time is booked again or the slot's own step was undone."""
    block = player.block(20, 24)
    release = player.release(block)
    await block.do()
    await release.do()
    other = player.block(21, 22)
    await other.do()
    assert await release.undo() == "CONFLICT"
    await other.undo()
    assert await block.undo() is not None
    assert await release.undo() == "CONFLICT"
    assert await player.busy() == []


async def test_an_undo_that_comes_first_stays(player: Player) -> None:
    """A step that was undone before it arrived is refused."""
    block = player.block(20, 24)
    assert await block.undo() is None
    assert await block.do() == "ALREADY_UNDONE"


async def test_one_of_many_gets_the_time(player: Player) -> None:
    """Of several concurrent sagas one books the time, and the others are refused without other errors."""
    answers = await asyncio.gather(*[player.block(20 + n / 10, 24 + n / 10).do() for n in range(6)])
    assert sum(isinstance(one, dict) for one in answers) == 1
    assert answers.count("CONFLICT") == 5
    assert len(await player.busy()) == 1


async def test_the_database_refuses_what_overlaps(player: Player, client: Client) -> None:
    """Of two concurrent transactions with overlapping slots the second waits, and fails when the first
    commits.
    """
    who = player.musician_id
    first, second = [await asyncpg.connect(client.service.database.url) for _ in range(2)]
    try:
        begun, other = first.transaction(), second.transaction()
        await begun.start()
        await other.start()
        await first.execute(INSERT, who, "booked", uuid4(), at(20), at(22))
        waiting = asyncio.create_task(second.execute(INSERT, who, "blocked", None, at(21), at(23)))
        pid = second.get_server_pid()
        waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
        while not await first.fetchval(waits, pid):
            assert not waiting.done()
        await begun.commit()
        with pytest.raises(asyncpg.ExclusionViolationError, match="slots_do_not_overlap"):
            await waiting
        await other.rollback()
        await first.execute(INSERT, who, "free", None, at(20), at(22))
        await first.execute(INSERT, who, "blocked", None, at(22), at(23))
    finally:
        await first.close()
        await second.close()
    assert await player.busy() == [(20, 22), (22, 23)]


@pytest.mark.parametrize(
    ("kind", "booking", "start", "end"),
    [
        ("booked", None, at(1), at(2)),
        ("blocked", uuid4(), at(1), at(2)),
        ("blocked", None, at(1), at(1)),
        ("blocked", None, at(1), None),
        ("blocked", None, at(1), "infinity"),
    ],
)
async def test_the_database_refuses_what_is_no_slot(
    client: Client, kind: str, booking: UUID | None, start: str, end: str | None
) -> None:
    """The database refuses a booked slot without a booking, other slots with one, and empty ranges."""
    connection = await asyncpg.connect(client.service.database.url)
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(INSERT, uuid4(), kind, booking, start, end)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endsAt": at(20)}, "endsAt"),
        ({"endsAt": at(45)}, "endsAt"),
        ({"startsAt": "0001-01-01T00:00:00+14:00"}, "startsAt"),
        ({"endsAt": "9999-12-31T23:59:59-14:00"}, "endsAt"),
        ({"timeZone": "Berlin"}, "timeZone"),
        ({"title": "x" * 201}, "title"),
        ({"musicianId": "7"}, "musicianId"),
    ],
)
async def test_wrong_orders_are_refused(player: Player, changes: dict[str, str], field: str) -> None:
    """Each wrong value is refused with its field."""
    answer = await player.block(20, 24).send(changes=changes)
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "BAD_USER_INPUT", "field": field}]


async def test_nobody_but_sagas_takes_time_for_bookings(player: Player, keys: SigningKeys) -> None:
    """Neither the musician nor an admin may call the steps."""
    block = player.block(20, 24)
    for person in (player.person, ApiUser.make(keys, "admin")):
        for step in (block, player.release(block)):
            answer = await step.send(by=person)
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]


async def test_many_musicians_take_one_statement(client: Client, keys: SigningKeys, player: Player) -> None:
    """The busy times of all musicians in a GraphQL request are loaded with one statement, in order."""
    other = await make_player(client, keys)
    await player.block(22, 23).do()
    await player.block(20, 21).do()
    await other.block(20, 24).do()
    ids = [player.musician_id, other.musician_id, *[uuid4() for _ in range(40)]]
    selection = f'busyTimes(between: {{from: "{at(0)}", to: "{at(22.5)}"}}) {{ startsAt }}'
    with counted_statements(client.service.database) as statements:
        answer = await client.entities("Musician", ids, selection)
    assert len(statements) == 1
    times = [[one["startsAt"] for one in entity["busyTimes"]] for entity in answer["data"]["_entities"]]
    assert times == [[at(20), at(22)], [at(20)], *[[]] * 40]
