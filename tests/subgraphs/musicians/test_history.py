"""Tests of the history of profiles, whose skills and documents have tables of their own."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.kit.global_ids import decode, encode
from subgraphs.kit.testing import ApiUser, Client
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.musicians.aggregates import PROFILES
from subgraphs.musicians.handlers import update_profile
from subgraphs.musicians.messages import UpdateProfile
from subgraphs.musicians.tables import PROFILE_ROWS
from tests.subgraphs.musicians.conftest import CROWD
from tests.subgraphs.musicians.test_profiles import UPDATE, make

AS_OF = "query($id: ID!, $version: Int) { musicianAsOf(id: $id, version: $version) { version state } }"
HISTORY = "query($id: ID!) { musicianHistory(id: $id) { version type changes createdBy } }"


async def test_a_profile_is_rebuilt(client: Client, player: ApiUser, host: ApiUser) -> None:
    """Each past version has its skills and document; other users cannot see it."""
    made = await make(client, player)
    await client.data(UPDATE, player, input={"skills": ["drums"], "profileDocument": None})
    first = (await client.data(AS_OF, player, id=made["uuid"], version=1))["musicianAsOf"]["state"]
    assert (len(first["skillIds"]), first["profileDocument"]) == (
        2,
        {"riders": [{"needs": "a grand piano"}], "press": None},
    )
    now = (await client.data(AS_OF, player, id=encode("Musician", made["uuid"])))["musicianAsOf"]
    assert (now["version"], len(now["state"]["skillIds"]), now["state"]["profileDocument"]) == (2, 1, None)
    assert await client.codes(HISTORY, host, id=made["uuid"]) == ["FORBIDDEN"]
    assert await client.codes(HISTORY, player, id=encode("User", made["uuid"])) == ["BAD_USER_INPUT"]


async def test_skills_given_by_hand_belong_to_the_history(client: Client, player: ApiUser) -> None:
    """A skill that SQL adds, with a new name in the same transaction, is an event and is published once."""
    made = await make(client, player, skills=["piano"])
    async with UnitOfWork(client.service.database) as uow:
        about = {"id": UUID(made["uuid"])}
        rename = text("UPDATE musician_profiles SET stage_name = 'By hand' WHERE id = :id")
        await uow.execute(rename.bindparams(**about))
        skills = text(
            "INSERT INTO musician_skills"
            " SELECT :id, id FROM musical_skills WHERE name = ANY (ARRAY['Jazz', 'Drums'])"
        )
        await uow.execute(skills.bindparams(**about))
    entries = (await client.data(HISTORY, player, id=made["uuid"]))["musicianHistory"]
    assert [one["version"] for one in entries] == [3, 2, 1]
    assert entries[1]["changes"] == {"stageName": "By hand"}
    skills_after = [decode(one) for one in entries[0]["changes"]["skillIds"]]
    assert [one.kind for one in skills_after if one] == ["Skill"] * 3
    told = text("SELECT version, payload FROM outbox WHERE aggregate_id = :id ORDER BY id")
    rows = await client.service.database.fetch_all(told, id=UUID(made["uuid"]))
    assert [row.version for row in rows] == [1, 2, 3]
    assert set(rows[2].payload) == set(rows[0].payload)
    assert len(rows[2].payload["skill_ids"]) == 3
    await client.data(UPDATE, player, input={"bio": "Still here"})
    state = (await client.data(AS_OF, player, id=made["uuid"]))["musicianAsOf"]
    assert (state["version"], state["state"]["stageName"], len(state["state"]["skillIds"])) == (
        4,
        "By hand",
        3,
    )


WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def take_skills(database: Database, key: UUID) -> None:
    """Remove skills by SQL."""
    async with UnitOfWork(database) as hand:
        await hand.execute(text("DELETE FROM musician_skills WHERE musician_id = :id").bindparams(id=key))


@pytest.mark.parametrize("late", [False, True])
async def test_a_hand_that_takes_skills_waits_for_the_service(
    client: Client, player: ApiUser, late: bool
) -> None:
    """A change by SQL and one by the service both succeed in either order, and the published profile is the
    final one.
    """
    key, database = UUID((await make(client, player))["uuid"]), client.service.database
    change = UpdateProfile(player.id, {"bio": "Newer"})
    async with asyncio.TaskGroup() as group, UnitOfWork(database) as uow:
        await (PROFILE_ROWS.lock(uow, key, "no profile") if late else update_profile(uow, change))
        taking = group.create_task(take_skills(database, key))
        while not taking.done() and not await database.fetch_value(WAITING):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        if late:
            await update_profile(uow, change)
    told = text("SELECT version, payload FROM outbox WHERE aggregate_id = :id ORDER BY id DESC LIMIT 1")
    newest = await database.fetch_one(told, id=key)
    assert newest is not None
    assert (newest.version, newest.payload["bio"], newest.payload["skill_ids"]) == (3, "Newer", [])


async def test_profiles_are_what_their_events_say(client: Client, player: ApiUser) -> None:
    """Rows that the service or SQL has written agree with their events."""
    await make(client, player)
    await client.service.database.execute(text(CROWD))
    assert await client.service.database.fetch_value(text("SELECT count(*) FROM event_streams")) > 60
    async with UnitOfWork(client.service.database) as uow:
        verified = await PROFILES.verify(uow)
        assert (list(verified.drifts), verified.next) == ([], None)
        assert verified.compared > 60
