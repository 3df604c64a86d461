"""Tests of users as entities and in lists: who sees which fields, how many statements they take,
and pages.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy import text

from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements, load_rows

Register = Callable[..., Awaitable[ApiUser]]
PUBLIC = {"id", "uuid", "username", "userType", "isActive", "createdAt", "profile"}
PRIVATE = {"email", "emailConfirmed", "phone", "dateOfBirth", "preferences", "updatedAt"}
FIELDS = {
    name: "profile { firstName lastName profilePictureUrl }" if name == "profile" else name
    for name in PUBLIC | PRIVATE
}
PAGE = """query($first: Int!, $after: String, $filter: UserFilter) {
  users(first: $first, after: $after, filter: $filter) {
    totalCount pageInfo { hasNextPage hasPreviousPage endCursor }
    edges { cursor node { uuid username userType } }
  }
}"""


async def test_every_field_is_tested(client: Client) -> None:
    """The two sets above have all fields of the entity, so that a new field must be added to one."""
    asked = await client.data('{ __type(name: "User") { fields { name } } }')
    assert {field["name"] for field in asked["__type"]["fields"]} == PUBLIC | PRIVATE


@pytest.mark.parametrize("field", sorted(PUBLIC | PRIVATE))
async def test_who_sees_a_field(
    client: Client, ann: ApiUser, bob: ApiUser, admin: ApiUser, field: str
) -> None:
    """The user and admins see every field; others get null and an error for private ones."""
    for person, refused in [(ann, ""), (admin, ""), (bob, "FORBIDDEN"), (None, "UNAUTHENTICATED")]:
        answer = await client.entities("User", [ann.id], FIELDS[field], person)
        same = await client.send(
            f"query($id: ID!) {{ user(id: $id) {{ {FIELDS[field]} }} }}", person, id=str(ann.id)
        )
        assert answer["data"]["_entities"][0] == same["data"]["user"]
        if field in PUBLIC or not refused:
            assert answer["data"]["_entities"][0][field] is not None
            assert "errors" not in answer
        else:
            assert answer["data"]["_entities"] == [{field: None}]
            assert answer["errors"][0]["path"] == ["_entities", 0, field]
            assert answer["errors"][0]["extensions"] == {"code": refused}


async def test_forged_headers_open_nothing(client: Client, keys: SigningKeys, ann: ApiUser) -> None:
    """Headers that claim an identity are ignored; a forged token refuses the whole request."""
    claims = {
        "sub": str(ann.id),
        "role": "admin",
        "aud": "mussikon",
        "iss": "mussikon",
        "exp": int(time.time()) + 60,
    }
    secret = OctKey.import_key(keys.public.read_bytes().replace(b"-----", b""))
    hs256 = jwt.encode({"alg": "HS256"}, claims, secret, algorithms=["HS256"])
    expired = keys.headers(ann.id, "admin", -1)["authorization"]
    query = "query($id: ID!) { user(id: $id) { username email } }"
    for name in ("x-user-id", "x-user", "x-role", "x-forwarded-user", "x-mussikon-user", "cookie"):
        answer = await client.service.execute(
            query, {"id": str(ann.id)}, None, {name: str(ann.id), "x-role": "admin"}
        )
        assert answer["data"]["user"]["email"] is None
        assert answer["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    for token in (f"Bearer {hs256}", expired, "Bearer eyJhbGciOiJub25lIn0.e30."):
        answer = await client.service.execute(query, {"id": str(ann.id)}, None, {"authorization": token})
        assert answer["data"] is None
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]


async def test_me(client: Client, ann: ApiUser, bob: ApiUser) -> None:
    """`me` is the user in the token; without a token, or with that of an unknown user, it is an error."""
    expected = {"id": encode("User", ann.id), "uuid": str(ann.id)}
    assert (await client.data("{ me { id uuid } }", ann))["me"] == expected
    assert await client.codes("{ me { uuid } }") == ["UNAUTHENTICATED"]
    assert await client.codes("{ me { uuid } }", bob) == ["UNAUTHENTICATED"]


async def test_unknown_users_are_null(client: Client, ann: ApiUser) -> None:
    """An unknown id, and the id of an object of another type, is null without an error."""
    ids = [uuid4(), "x", "' or 1=1 --", ann.id, "", "0" * 5000]
    answer = await client.entities("User", ids, "uuid")
    assert answer == {"data": {"_entities": [None, None, None, {"uuid": str(ann.id)}, None, None]}}
    query = "query($id: ID!) { user(id: $id) { uuid } }"
    for odd in ("%", encode("Musician", ann.id)):
        assert await client.data(query, id=odd) == {"user": None}
    assert await client.data(query, id=encode("User", ann.id)) == {"user": {"uuid": str(ann.id)}}


@pytest.fixture(scope="module")
async def crowd(client: Client) -> list[UUID]:
    """Sixty users with profiles, some of them with the same time of creation."""
    people = """WITH made AS (
        INSERT INTO users (id, username, email, password_hash, user_type, created_at)
        SELECT gen_random_uuid(), 'crowd_' || n, 'crowd' || n || '@mail.example', '',
               (ARRAY['client', 'musician'])[1 + n % 2],
               '2020-01-01'::timestamptz + (n / 7) * interval '1 day'
        FROM generate_series(1, 60) AS n RETURNING id)
    INSERT INTO user_profiles (user_id, first_name) SELECT id, 'One of many' FROM made"""
    await load_rows(client.service.database, people)
    rows = await client.service.database.fetch_all(
        text("SELECT id FROM users WHERE username LIKE 'crowd%' ORDER BY created_at DESC, id DESC")
    )
    return [row.id for row in rows]


async def test_fifty_entities_take_one_statement(client: Client, crowd: list[UUID], admin: ApiUser) -> None:
    """Fifty users with all fields, queried twice, take one statement; so does a page of the list."""
    with counted_statements(client.service.database) as statements:
        answer = await client.entities("User", crowd[:50] * 2, " ".join(FIELDS.values()), admin)
    assert len(statements) == 1
    assert [user["uuid"] for user in answer["data"]["_entities"]] == [str(key) for key in crowd[:50] * 2]
    with counted_statements(client.service.database) as statements:
        await client.data("{ users(first: 50) { edges { node { username profile { firstName } } } } }")
    assert len(statements) == 1


async def test_pages_hold_everybody_once(client: Client, crowd: list[UUID]) -> None:
    """The pages together have every user once, the newest first, also with equal times."""
    found: list[str] = []
    after: str | None = None
    filter_by: dict[str, Any] = {"search": "CROWD_"}
    while True:
        page = (await client.data(PAGE, first=7, after=after, filter=filter_by))["users"]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        found += [edge["node"]["uuid"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == [str(key) for key in crowd]
    assert page["totalCount"] == 60
    beyond = (await client.data(PAGE, first=7, after=after, filter=filter_by))["users"]
    assert (beyond["edges"], beyond["pageInfo"]["hasNextPage"], beyond["pageInfo"]["endCursor"]) == (
        [],
        False,
        None,
    )


async def test_pages_backwards(client: Client, crowd: list[UUID]) -> None:
    """The last pages, from the end to the beginning, have every user once in the list's order."""
    query = """query($before: String) {
      users(last: 25, before: $before, filter: {search: "CROWD_"}) {
        pageInfo { hasNextPage hasPreviousPage startCursor } edges { node { uuid } } } }"""
    found: list[str] = []
    before: str | None = None
    more = True
    while more:
        page = (await client.data(query, before=before))["users"]
        assert page["pageInfo"]["hasNextPage"] == (before is not None)
        found = [edge["node"]["uuid"] for edge in page["edges"]] + found
        before, more = page["pageInfo"]["startCursor"], page["pageInfo"]["hasPreviousPage"]
    assert found == [str(key) for key in crowd]
    both = "{ users(first: 1, last: 1) { totalCount } }"
    assert (await client.send(both))["errors"][0]["extensions"]["field"] == "last"


async def test_filters(client: Client, crowd: list[UUID], admin: ApiUser, bob: ApiUser) -> None:
    """Types and parts of names filter the list; characters of LIKE patterns are not special; only admins can
    search for email addresses.
    """

    async def count(person: ApiUser | None = None, **filter_by: Any) -> int:
        found: int = (await client.data(PAGE, person, first=1, filter=filter_by))["users"]["totalCount"]
        return found

    assert await count(search="crowd_", userType="MUSICIAN") == 30
    assert await count(search="crowd_1") == 11
    assert await count(search="crowd%1") == 0
    assert await count(search="crowd'; drop table users; --") == 0
    assert await count(search="Crowd5@mail.example") == 0
    assert await count(bob, search="Crowd5@mail.example") == 0
    assert await count(admin, search="Crowd5@mail.example") == 1


async def test_bad_pages_are_refused(client: Client) -> None:
    """Texts that are no cursors, cursors of other lists and sizes out of range are errors with a field."""
    cases: list[tuple[dict[str, Any], str]] = [
        ({"first": 0}, "first"),
        ({"first": 101}, "first"),
        ({"first": 5, "after": ""}, "after"),
        ({"first": 5, "after": "WyJtdXNpY2lhbnM6bmV3ZXN0IiwiMjAyNi0wMS0wMVQwMDowMDowMFoiLCIwIl0="}, "after"),
        ({"first": 5, "after": "x" * 100_000}, "after"),
        ({"first": 5, "filter": {"search": "a\0b"}}, "search"),
        ({"first": 5, "filter": {"search": "x" * 101}}, "search"),
    ]
    for variables, field in cases:
        answer = await client.send(PAGE, **variables)
        assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}
    assert await client.codes(PAGE, first=2**40) == ["BAD_USER_INPUT"]
