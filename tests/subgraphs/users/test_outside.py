"""Tests of accounts that are changed by SQL: an event is published as for any other change."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from subgraphs.kit.testing import ApiUser, Client
from tests.subgraphs.users.conftest import Register

TOLD = text("SELECT event_type, payload, created_by FROM outbox WHERE aggregate_id = :id ORDER BY id")


async def told(client: Client, person: ApiUser) -> list[Any]:
    """Return the published events about an account."""
    rows = await client.service.database.fetch_all(TOLD, id=person.id)
    return [(row.event_type, row.payload, row.created_by) for row in rows]


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        (
            "UPDATE users SET username = 'by hand', is_active = false WHERE id = :id",
            {"username": "by hand", "is_active": False},
        ),
        ("UPDATE user_profiles SET first_name = 'Hand' WHERE user_id = :id", {"is_active": True}),
    ],
)
async def test_a_change_by_hand_is_told_once(
    client: Client, ann: ApiUser, statement: str, names: dict[str, Any]
) -> None:
    """One event has the same fields as the service's own, and the database's user as its author."""
    before = await told(client, ann)
    await client.service.database.execute(text(statement).bindparams(id=ann.id))
    event, *closed = (await told(client, ann))[len(before) :]
    assert [one[0] for one in closed] == ([] if names["is_active"] else ["AccountClosed"])
    assert event[0] == "UserUpdated"
    assert set(event[1]) == set(before[-1][1])
    assert {name: event[1][name] for name in names} == names
    assert event[2].startswith("database:")


async def test_the_service_tells_by_itself(client: Client, register: Register) -> None:
    """A registration and a change by the service are published once each, with their author."""
    person = await register()
    change = "mutation($p: UpdateProfileInput!) { updateProfile(input: $p) { user { uuid } } }"
    await client.data(change, person, p={"firstName": "Ann"})
    assert [(kind, by) for kind, _, by in await told(client, person)] == [
        ("UserRegistered", ""),
        ("UserUpdated", str(person.id)),
    ]


async def test_an_account_made_by_hand_is_told(client: Client) -> None:
    """An account that SQL has inserted is published."""
    columns = "(id, username, email, password_hash, user_type)"
    made = f"INSERT INTO users {columns} SELECT gen_random_uuid(), 'made', 'm@mail.example', '-', 'client'"
    await client.service.database.execute(text(made))
    rows = await client.service.database.fetch_all(
        text("SELECT event_type FROM outbox WHERE payload ->> 'username' = 'made'")
    )
    assert [row.event_type for row in rows] == ["UserRegistered"]


async def test_accounts_are_not_deleted(client: Client, ann: ApiUser) -> None:
    """The database refuses to delete an account, because other services have its id."""
    with pytest.raises(IntegrityError, match="not deleted"):
        await client.service.database.execute(text("DELETE FROM users WHERE id = :id").bindparams(id=ann.id))
