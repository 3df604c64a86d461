"""Profiles as their events tell them, with the skills and documents that other tables hold."""

from uuid import UUID

from sqlalchemy import text

from subgraphs.kit.testing import Client, Person
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.musicians.aggregates import PROFILES
from tests.subgraphs.musicians.conftest import CROWD
from tests.subgraphs.musicians.test_profiles import UPDATE, make

AS_OF = "query($id: ID!, $version: Int) { musicianAsOf(id: $id, version: $version) { version state } }"
HISTORY = "query($id: ID!) { musicianHistory(id: $id) { version type changes createdBy } }"


async def test_a_profile_is_rebuilt(client: Client, player: Person, host: Person) -> None:
    """Each version comes back with its skills and its document; nobody else sees them."""
    made = await make(client, player)
    await client.data(UPDATE, player, input={"skills": ["drums"], "profileDocument": None})
    first = (await client.data(AS_OF, player, id=made["id"], version=1))["musicianAsOf"]["state"]
    assert (len(first["skill_ids"]), first["profile_document"]) == (
        2,
        {"riders": [{"needs": "a grand piano"}], "press": None},
    )
    now = (await client.data(AS_OF, player, id=made["id"]))["musicianAsOf"]
    assert (now["version"], len(now["state"]["skill_ids"]), now["state"]["profile_document"]) == (2, 1, None)
    assert await client.codes(HISTORY, host, id=made["id"]) == ["FORBIDDEN"]


async def test_skills_given_by_hand_belong_to_the_history(client: Client, player: Person) -> None:
    """A skill that somebody adds at the database's prompt, with the name in the same transaction, is recorded and told once each."""
    made = await make(client, player, skills=["piano"])
    async with UnitOfWork(client.service.database) as uow:
        about = {"id": UUID(made["id"])}
        rename = text("UPDATE musician_profiles SET stage_name = 'By hand' WHERE id = :id")
        await uow.execute(rename.bindparams(**about))
        skill = (
            "INSERT INTO musician_skills SELECT :id, id FROM musical_skills WHERE name = ANY (ARRAY['Jazz', 'Drums'])"
        )
        await uow.execute(text(skill).bindparams(**about))
    entries = (await client.data(HISTORY, player, id=made["id"]))["musicianHistory"]
    assert [one["version"] for one in entries] == [3, 2, 1]
    assert entries[1]["changes"] == {"stage_name": "By hand"}
    assert len(entries[0]["changes"]["skill_ids"]) == 3
    told = text("SELECT version, payload FROM outbox WHERE aggregate_id = :id ORDER BY id")
    rows = await client.service.database.fetch_all(told, id=UUID(made["id"]))
    assert [row.version for row in rows] == [1, 2, 3]
    assert set(rows[2].payload) == set(rows[0].payload)
    assert len(rows[2].payload["skill_ids"]) == 3
    await client.data(UPDATE, player, input={"bio": "Still here"})
    state = (await client.data(AS_OF, player, id=made["id"]))["musicianAsOf"]
    assert (state["version"], state["state"]["stage_name"], len(state["state"]["skill_ids"])) == (4, "By hand", 3)


async def test_profiles_are_what_their_events_say(client: Client, player: Person) -> None:
    """Rows of the service and rows from outside alike."""
    await make(client, player)
    await client.service.database.execute(text(CROWD))
    assert await client.service.database.fetch_value(text("SELECT count(*) FROM event_streams")) > 60
    async with UnitOfWork(client.service.database) as uow:
        verified = await PROFILES.verify(uow)
        assert (list(verified.drifts), verified.next) == ([], None)
        assert verified.compared > 60
