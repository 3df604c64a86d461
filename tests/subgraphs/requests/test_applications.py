"""Tests of what follows from applications: who is known, when a request is open, who learns of a change."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from subgraphs.requests import steps, store
from tests.subgraphs.requests.conftest import make_player
from tests.subgraphs.requests.test_bookings import APPLY, REQUEST, Player, carry, publish, step
from tests.subgraphs.requests.test_history import UPDATE
from tests.subgraphs.requests.test_requests import eur


async def test_an_applicant_is_known_without_the_profiles_event(
    client: Client, host: ApiUser, player: Player
) -> None:
    """Whoever has applied can be assigned at once, though the event about the profile comes later."""
    request = await publish(client, host)
    await client.data(APPLY, player[0], id=request)
    database = client.service.database
    forget = text("DELETE FROM known_musicians WHERE musician_id = :id").bindparams(id=player[1])
    assert await store.user_to_assign(database, UUID(request), player[1]) == player[0].id
    await database.execute(forget)
    assert await store.user_to_assign(database, UUID(request), player[1]) == player[0].id
    assert await store.user_to_assign(database, uuid4(), player[1]) is None


async def test_a_request_without_pending_applications_is_open(
    client: Client, host: ApiUser, player: Player, keys: SigningKeys
) -> None:
    """After its last application has been withdrawn or rejected, or its musician has left, a request is
    open.
    """
    request = await publish(client, host)
    other = await make_player(client, keys)

    async def apply(who: Player) -> str:
        return str((await client.data(APPLY, who[0], id=request))["applyToRequest"]["application"]["uuid"])

    async def status() -> str:
        return str((await client.data(REQUEST, host, id=request))["request"]["status"])

    first, second = await apply(player), await apply(other)
    await client.data(step("withdrawApplication"), player[0], id=first)
    assert await status() == "IN_PROGRESS"
    await client.data(step("rejectApplication"), host, id=second)
    assert await status() == "OPEN"
    await apply(player)
    assert await status() == "IN_PROGRESS"
    await carry(client, steps.close_account, userId=str(player[0].id))
    assert await status() == "OPEN"


async def test_applicants_learn_of_another_date_or_place(
    client: Client, host: ApiUser, player: Player, keys: SigningKeys
) -> None:
    """RequestMoved names those whose application is pending, and is not published for other changes."""
    request, withdrawn = await publish(client, host), await make_player(client, keys)
    moved = text("SELECT payload FROM outbox WHERE event_type = 'RequestMoved' AND aggregate_id = :id")

    async def change(**values: Any) -> list[Any]:
        data = await client.data(UPDATE, host, id=request, input=values)
        assert data["updateRequest"]["userErrors"] == []
        found = await client.service.database.fetch_all(moved, id=UUID(request))
        return [row.payload["musician_user_ids"] for row in found]

    assert await change(startTime="19:00") == []
    await client.data(APPLY, player[0], id=request)
    gone = (await client.data(APPLY, withdrawn[0], id=request))["applyToRequest"]["application"]["uuid"]
    await client.data(step("withdrawApplication"), withdrawn[0], id=gone)
    assert await change(title="A quartet", budgetMax=eur("600")) == []
    assert await change(startTime="20:00") == [[str(player[0].id)]]
    assert len(await change(location={"latitude": 48.1, "longitude": 11.6, "city": "Munich"})) == 2
    assert len(await change(startTime="20:00")) == 2
