"""Tests of creating and changing a musician's profile."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys

WHOLE = """{
  uuid user { uuid } stageName bio hourlyRate { amount currency } experienceYears availability version
  portfolioUrls profileDocument
  location { latitude longitude address city country } skills { name category }
}"""
CREATE = f"""mutation($input: CreateMusicianProfileInput!, $key: String) {{
  createMusicianProfile(input: $input, idempotencyKey: $key) {{
    musician {WHOLE} userErrors {{ code field message }}
  }} }}"""
UPDATE = f"""mutation($input: UpdateMusicianProfileInput!, $version: Int, $key: String) {{
  updateMusicianProfile(input: $input, expectedVersion: $version, idempotencyKey: $key) {{
    musician {WHOLE} userErrors {{ code field message }}
  }} }}"""
PLACE = {"latitude": 48.1, "longitude": 11.6, "address": "Am Platz 1", "city": "München", "country": "DE"}
PROFILE: dict[str, Any] = {
    "stageName": "Robert'); DROP TABLE musician_profiles;--",
    "bio": "Plays\nanything.",
    "hourlyRate": {"amount": "85.5", "currency": "EUR"},
    "experienceYears": 12,
    "location": PLACE,
    "availability": {"friday": [{"from": "18:00", "to": "02:00"}], "sunday": []},
    "portfolioUrls": ["https://music.example/robert"],
    "skills": ["piano", "Jazz", "PIANO"],
    "profileDocument": {"riders": [{"needs": "a grand piano"}], "press": None},
}


def money(amount: str, currency: str = "EUR") -> dict[str, str]:
    """Return an amount of money as it is sent and returned."""
    return {"amount": amount, "currency": currency}


async def make(client: Client, person: ApiUser, **changes: Any) -> Any:
    """Create a profile from a valid input with these changes, and return it."""
    made = await client.data(CREATE, person, input={**PROFILE, **changes})
    return made["createMusicianProfile"]["musician"]


async def test_a_profile_comes_back_whole(client: Client, player: ApiUser) -> None:
    """A profile is stored as given, with skills by name or id, and published."""
    made = await make(client, player)
    expected = {**PROFILE, "hourlyRate": money("85.50"), "user": {"uuid": str(player.id)}}
    expected["skills"] = [{"name": "Jazz", "category": "GENRE"}, {"name": "Piano", "category": "INSTRUMENT"}]
    assert {name: made[name] for name in expected} == expected
    told = text("SELECT event_type, payload FROM outbox WHERE aggregate_id = :id").bindparams(
        id=UUID(made["uuid"])
    )
    row = await client.service.database.fetch_one(told)
    assert row is not None
    assert row.event_type == "MusicianProfileCreated"
    ids = await client.service.database.fetch_value(
        text("SELECT array_agg(id::text ORDER BY id) FROM musical_skills WHERE name IN ('Piano', 'Jazz')")
    )
    names = await client.service.database.fetch_value(
        text("SELECT array_agg(name ORDER BY id) FROM musical_skills WHERE name IN ('Piano', 'Jazz')")
    )
    assert row.payload.pop("created_at")
    assert row.payload == {
        "musician_id": made["uuid"],
        "user_id": str(player.id),
        "stage_name": PROFILE["stageName"],
        "hourly_rate": "85.50",
        "currency": "EUR",
        "experience_years": 12,
        "latitude": 48.1,
        "longitude": 11.6,
        "skill_ids": ids,
        "skills": names,
        "bio": PROFILE["bio"],
        **{name: PLACE[name] for name in ("address", "city", "country")},
        "availability_schedule": PROFILE["availability"],
        "portfolio_urls": PROFILE["portfolioUrls"],
    }


async def test_a_small_profile_is_enough(client: Client, player: ApiUser) -> None:
    """A name and a rate are enough for a profile; the rest is empty."""
    given = {"stageName": "Solo", "hourlyRate": money("0", "JPY")}
    made = (await client.data(CREATE, player, input=given))["createMusicianProfile"]["musician"]
    assert (made["hourlyRate"], made["location"], made["skills"], made["availability"]) == (
        money("0", "JPY"),
        None,
        [],
        {},
    )
    assert made["profileDocument"] is None


async def test_a_user_has_one_profile(client: Client, player: ApiUser) -> None:
    """A second profile is a conflict and changes nothing."""
    made = await make(client, player)
    assert await client.codes(CREATE, player, input={**PROFILE, "stageName": "Another"}) == ["CONFLICT"]
    answer = await client.entities("User", [player.id], "musicianProfile { uuid stageName }")
    assert answer["data"]["_entities"][0]["musicianProfile"] == {
        "uuid": made["uuid"],
        "stageName": PROFILE["stageName"],
    }


async def test_only_musicians_have_profiles(client: Client, host: ApiUser) -> None:
    """Clients and callers without a token cannot create a profile."""
    for mutation in (CREATE, UPDATE):
        assert await client.codes(mutation, host, input=PROFILE) == ["FORBIDDEN"]
        assert await client.codes(mutation, None, input=PROFILE) == ["UNAUTHENTICATED"]


async def test_a_change_keeps_the_rest(client: Client, player: ApiUser, keys: SigningKeys) -> None:
    """Provided fields are changed, null clears optional ones, the rest is not changed, and an event is
    published.
    """
    made = await make(client, player)
    given: dict[str, Any] = {"location": None, "skills": [], "profileDocument": {"a": 1}}
    changed = await client.data(UPDATE, player, input={**given, "hourlyRate": money("90")})
    expected = {**made, **given, "hourlyRate": money("90.00"), "version": 2}
    assert changed["updateMusicianProfile"]["musician"] == expected
    events = text("SELECT event_type FROM outbox WHERE aggregate_id = :id ORDER BY id").bindparams(
        id=UUID(made["uuid"])
    )
    rows = await client.service.database.fetch_all(events)
    assert [row.event_type for row in rows] == ["MusicianProfileCreated", "MusicianProfileUpdated"]
    assert await client.codes(UPDATE, ApiUser.make(keys, "musician"), input=given) == ["NOT_FOUND"]
    for name in ("stageName", "hourlyRate", "experienceYears"):
        assert await client.mistakes(UPDATE, player, input={name: None}) == [("BAD_USER_INPUT", name)]


async def test_lost_updates_are_refused(client: Client, player: ApiUser) -> None:
    """A change of another version than the expected one is refused, and changes nothing."""
    made = await make(client, player)
    first = await client.data(UPDATE, player, input={"bio": "First"}, version=made["version"])
    assert first["updateMusicianProfile"]["musician"]["version"] == made["version"] + 1
    late = await client.mistakes(UPDATE, player, input={"bio": "Late"}, version=made["version"])
    assert late == [("VERSION_CONFLICT", None)]
    now = (await client.data(UPDATE, player, input={}))["updateMusicianProfile"]["musician"]
    assert now["bio"] == "First"


async def test_a_key_changes_once(client: Client, player: ApiUser) -> None:
    """The same mutation with the same key returns the first profile; with other input it is refused."""
    first = await client.data(CREATE, player, input=PROFILE, key="mine")
    assert await client.data(CREATE, player, input=PROFILE, key="mine") == first
    for query in (CREATE, UPDATE):
        changed = {**PROFILE, "bio": "Other"}
        assert await client.codes(query, player, input=changed, key="mine") == ["IDEMPOTENCY_KEY_REUSED"]
    assert await client.mistakes(UPDATE, player, input={}, key="") == [("BAD_USER_INPUT", "idempotencyKey")]
    status = '{ musicianCommand(idempotencyKey: "mine") { type status } }'
    expected = {"type": "CreateProfile", "status": "COMPLETED"}
    assert (await client.data(status, player))["musicianCommand"] == expected


async def test_all_wrong_fields_at_once(client: Client, player: ApiUser) -> None:
    """A profile with several wrong fields names all of them, and all unknown skills."""
    wrong = {
        "stageName": "",
        "hourlyRate": {"amount": "-1", "currency": "ZZZ"},
        "experienceYears": 99,
        "location": {"latitude": 91, "longitude": 181},
        "profileDocument": "text",
        "skills": ["Air Guitar", "Piano", encode("Musician", player.id)],
    }
    answer = await client.send(CREATE, player, input=wrong)
    errors = answer["data"]["createMusicianProfile"]["userErrors"]
    fields = ["stageName", "hourlyRate.currency", "hourlyRate.amount", "experienceYears"]
    fields += ["location.latitude", "location.longitude", "profileDocument", "skills"]
    assert [error["field"] for error in errors] == fields
    assert "'Air Guitar', " in errors[-1]["message"]
    assert "Piano" not in errors[-1]["message"]


async def test_skills_by_global_id(client: Client, player: ApiUser) -> None:
    """Skills are named by their global ids, UUIDs or names."""
    skills = (await client.data("{ skills(category: STYLE) { id uuid name } }"))["skills"][:3]
    keys = [skills[0]["id"], skills[1]["uuid"], skills[2]["name"], skills[2]["id"]]
    made = await make(client, player, skills=keys)
    assert [one["name"] for one in made["skills"]] == [one["name"] for one in skills]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stageName": " "}, "stageName"),
        ({"stageName": "x" * 101}, "stageName"),
        ({"stageName": "a\0b"}, "stageName"),
        ({"bio": "x" * 5001}, "bio"),
        ({"hourlyRate": {"amount": "-1", "currency": "EUR"}}, "hourlyRate.amount"),
        ({"hourlyRate": {"amount": "1.001", "currency": "EUR"}}, "hourlyRate.amount"),
        ({"hourlyRate": {"amount": "1e9", "currency": "EUR"}}, "hourlyRate.amount"),
        ({"hourlyRate": {"amount": "NaN", "currency": "EUR"}}, "hourlyRate.amount"),
        ({"hourlyRate": {"amount": "1.5", "currency": "JPY"}}, "hourlyRate.amount"),
        ({"hourlyRate": {"amount": "1", "currency": "euro"}}, "hourlyRate.currency"),
        ({"experienceYears": -1}, "experienceYears"),
        ({"experienceYears": 81}, "experienceYears"),
        ({"location": {"latitude": 90.1, "longitude": 0}}, "location.latitude"),
        ({"location": {"latitude": 0, "longitude": -181}}, "location.longitude"),
        ({"location": {**PLACE, "country": "Germany"}}, "location.country"),
        ({"location": {**PLACE, "city": "x" * 101}}, "location.city"),
        ({"availability": {"someday": []}}, "availability"),
        ({"availability": {"monday": [{"from": "18:00", "to": "18:00"}]}}, "availability"),
        ({"availability": {"monday": [{"from": "25:00", "to": "18:00"}]}}, "availability"),
        ({"availability": {"monday": [{"from": "18:00"}]}}, "availability"),
        ({"availability": [1]}, "availability"),
        ({"portfolioUrls": ["javascript:alert(1)"]}, "portfolioUrls"),
        ({"portfolioUrls": ["https://a.example"] * 21}, "portfolioUrls"),
        ({"skills": ["Air Guitar"]}, "skills"),
        ({"skills": ["' or 1=1 --"]}, "skills"),
        ({"skills": [f"skill {n}" for n in range(31)]}, "skills"),
        ({"profileDocument": "text"}, "profileDocument"),
        ({"profileDocument": {"a": "x" * 70_000}}, "profileDocument"),
    ],
)
async def test_wrong_input_is_named(
    client: Client, player: ApiUser, changes: dict[str, Any], field: str
) -> None:
    """Each wrong value is refused with its field, and changes nothing."""
    mistakes = await client.mistakes(CREATE, player, input={**PROFILE, **changes})
    assert mistakes == [("BAD_USER_INPUT", field)]
    answer = await client.entities("User", [player.id], "musicianProfile { uuid }")
    assert answer["data"]["_entities"][0]["musicianProfile"] is None
