"""Tests of musicians as entities and in lists: who sees them, how many statements they take, and pages."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements

PLAIN = (
    "id",
    "uuid",
    "stageName",
    "bio",
    "experienceYears",
    "version",
    "availability",
    "portfolioUrls",
)
MUSICIAN = {
    "hourlyRate": "hourlyRate { amount currency }",
    "location": "location { latitude longitude address city country }",
    "user": "user { uuid }",
    "skills": "skills { uuid name category description iconUrl }",
    **{name: name for name in (*PLAIN, "profileDocument", "createdAt", "updatedAt")},
}
PAGE = """query(
  $first: Int!, $after: String, $filter: MusicianProfileFilter, $order: MusicianProfileOrder! = NEWEST
) {
  musicianProfiles(first: $first, after: $after, filter: $filter, orderBy: $order) {
    totalCount pageInfo { hasNextPage hasPreviousPage endCursor }
    edges { cursor node { uuid stageName hourlyRate { amount } experienceYears location { city } } }
  }
}"""


async def test_every_field_is_tested(client: Client) -> None:
    """The fields in these tests are all fields of the entities."""
    for name, fields in [("Musician", set(MUSICIAN)), ("User", {"id", "uuid", "musicianProfile"})]:
        asked = await client.data(f'{{ __type(name: "{name}") {{ fields {{ name }} }} }}')
        assert {field["name"] for field in asked["__type"]["fields"]} == fields


async def test_everybody_sees_everything(
    client: Client, crowd: list[UUID], host: ApiUser, keys: SigningKeys
) -> None:
    """A profile is public: without a token, as client, admin or with forged headers the response is
    the same.
    """
    selection = " ".join(MUSICIAN.values())
    expected = await client.entities("Musician", crowd[:3], selection)
    assert "errors" not in expected
    for person in (host, ApiUser.make(keys, "admin"), ApiUser(uuid4(), "none", {"x-user-id": str(uuid4())})):
        assert await client.entities("Musician", crowd[:3], selection, person) == expected
    user = expected["data"]["_entities"][0]["user"]["uuid"]
    answer = await client.entities("User", [user], f"musicianProfile {{ {selection} }}")
    assert answer["data"]["_entities"][0]["musicianProfile"] == expected["data"]["_entities"][0]
    refused = ApiUser(uuid4(), "none", {"authorization": "Bearer a.b.c"})
    assert (await client.entities("Musician", crowd, selection, refused))["data"] is None


async def test_fifty_entities_take_one_statement_a_table(client: Client, crowd: list[UUID]) -> None:
    """Fifty musicians with skills and documents take three statements; by their users, too."""
    selection = " ".join(MUSICIAN.values())
    with counted_statements(client.service.database) as statements:
        answer = await client.entities("Musician", crowd[:50], selection)
    assert len(statements) == 3
    users = [musician["user"]["uuid"] for musician in answer["data"]["_entities"]]
    with counted_statements(client.service.database) as statements:
        by_users = await client.entities("User", users, f"musicianProfile {{ {selection} }}")
    assert len(statements) == 3
    assert [user["musicianProfile"] for user in by_users["data"]["_entities"]] == answer["data"]["_entities"]
    skills = [musician["skills"][0]["uuid"] for musician in answer["data"]["_entities"]]
    with counted_statements(client.service.database) as statements:
        await client.entities("Skill", skills, "name category description iconUrl")
    assert len(statements) == 1
    with counted_statements(client.service.database) as statements:
        await client.data(
            "{ musicianProfiles(first: 50) { edges { node { stageName skills { name } profileDocument } } } }"
        )
    assert len(statements) == 3


async def test_unknown_ids_are_null(client: Client) -> None:
    """An unknown id, and the id of an object of another type, is null without an error."""
    assert await client.entities("Musician", [uuid4(), "x", "' or 1=1"], "id") == {
        "data": {"_entities": [None] * 3}
    }
    assert await client.entities("Skill", [uuid4(), ""], "id") == {"data": {"_entities": [None] * 2}}
    answer = await client.entities("User", [uuid4(), "x"], "musicianProfile { uuid }")
    assert answer == {"data": {"_entities": [{"musicianProfile": None}] * 2}}
    query = "query($m: ID!, $s: ID!) { musician(id: $m) { id } skill(id: $s) { id } }"
    skill, user = "a" * 32, encode("User", uuid4())
    for one in ({"m": "x", "s": "y"}, {"m": encode("Skill", skill), "s": encode("Musician", skill)}):
        assert await client.data(query, **one) == {"musician": None, "skill": None}
    assert await client.data(query, m=user, s=user) == {"musician": None, "skill": None}


async def test_the_catalogue(client: Client) -> None:
    """Skills are listed by category and name, and each can be queried by its id."""
    skills = (await client.data("{ skills { uuid name category } }"))["skills"]
    assert len(skills) == 90
    genres = (await client.data("{ skills(category: GENRE) { uuid name category } }"))["skills"]
    assert genres == [skill for skill in skills if skill["category"] == "GENRE"]
    assert genres == sorted(genres, key=lambda skill: skill["name"])
    for key in (genres[0]["uuid"], encode("Skill", genres[0]["uuid"])):
        one = await client.data("query($id: ID!) { skill(id: $id) { uuid name category } }", id=key)
        assert one["skill"] == genres[0]


KEYS = {
    "NEWEST": None,
    "RATE_ASC": lambda node: float(node["hourlyRate"]["amount"]),
    "RATE_DESC": lambda node: -float(node["hourlyRate"]["amount"]),
    "EXPERIENCE_DESC": lambda node: -node["experienceYears"],
    "NAME_ASC": lambda node: node["stageName"],
}


@pytest.mark.parametrize("order", list(KEYS))
async def test_pages_hold_everybody_once(client: Client, crowd: list[UUID], order: str) -> None:
    """In each order the pages together have each musician once, in order, also with equal values."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    more = True
    while more:
        asked: dict[str, Any] = {"first": 11, "after": after, "order": order, "filter": {"search": "crowd"}}
        page = (await client.data(PAGE, **asked))["musicianProfiles"]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        found += [edge["node"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert {node["uuid"] for node in found} == {str(key) for key in crowd}
    assert len(found) == page["totalCount"] == 60
    key = KEYS[order]
    if key:
        assert [key(node) for node in found] == sorted(key(node) for node in found)
    else:
        assert [node["uuid"] for node in found] == [str(key) for key in crowd]


async def test_pages_backwards(client: Client, crowd: list[UUID]) -> None:
    """The last pages, from the end to the beginning, have everybody once in the list's order."""
    query = """query($before: String) {
      musicianProfiles(last: 17, before: $before, filter: {search: "crowd"}) {
        pageInfo { hasPreviousPage startCursor } edges { node { uuid } } } }"""
    found: list[str] = []
    before: str | None = None
    more = True
    while more:
        page = (await client.data(query, before=before))["musicianProfiles"]
        found = [edge["node"]["uuid"] for edge in page["edges"]] + found
        before, more = page["pageInfo"]["startCursor"], page["pageInfo"]["hasPreviousPage"]
    assert found == [str(key) for key in crowd]


async def test_filters(client: Client, crowd: list[UUID]) -> None:
    """Each filter restricts the list, and they combine; characters of LIKE patterns are not special."""
    skills = {
        skill["name"]: skill["uuid"] for skill in (await client.data("{ skills { uuid name } }"))["skills"]
    }

    async def count(**filter_by: Any) -> int:
        page = (await client.data(PAGE, first=100, filter={"search": "crowd", **filter_by}))[
            "musicianProfiles"
        ]
        assert len(page["edges"]) == page["totalCount"]
        return int(page["totalCount"])

    assert await count() == 60
    assert await count(city="münchen") == await count(city=" MÜNCHEN ") == 30
    assert await count(skills=[skills["Piano"]]) == 60
    assert await count(skills=["piano", skills["Jazz"], encode("Skill", skills["Jazz"])]) == 24
    assert await count(skills=["Piano", "Tuba"]) == 0
    assert await count(minRate="28") == 6
    assert await count(maxRate="20.00", minRate=0) == 6
    assert await count(minExperience=4, skills=["jazz"], city="Berlin") == 6
    assert await count(search="crowd 1") == 11
    assert (
        await count(search="crowd_1") == await count(search="crowd%") == await count(search="' or ''='") == 0
    )


async def test_bad_arguments_are_refused(client: Client) -> None:
    """Wrong pages and filters raise errors that name the argument; a cursor belongs to one order."""
    newest = (await client.data(PAGE, first=1))["musicianProfiles"]["pageInfo"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"first": 0}, "first"),
        ({"first": 1000}, "first"),
        ({"first": 5, "after": "x"}, "after"),
        ({"first": 5, "after": newest["endCursor"], "order": "RATE_ASC"}, "after"),
        ({"first": 5, "filter": {"minRate": "-1"}}, "minRate"),
        ({"first": 5, "filter": {"maxRate": "NaN"}}, "maxRate"),
        ({"first": 5, "filter": {"minRate": "20", "maxRate": "10"}}, "minRate"),
        ({"first": 5, "filter": {"skills": ["Air Guitar"]}}, "skills"),
        ({"first": 5, "filter": {"city": "a\0b"}}, "city"),
    ]
    for variables, field in cases:
        answer = await client.send(PAGE, **variables)
        assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}
    assert await client.codes(PAGE, first=5, order="random") == ["BAD_USER_INPUT"]
