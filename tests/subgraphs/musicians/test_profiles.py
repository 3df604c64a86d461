"""Tests of creating and changing a musician's profile."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client, SigningKeys

WHOLE = """{
  id user { id } stageName bio hourlyRate currency experienceYears availability portfolioUrls profileDocument
  location { latitude longitude address city country } skills { name category }
}"""
CREATE = f"mutation($input: CreateMusicianProfileInput!) {{ createMusicianProfile(input: $input) {WHOLE} }}"
UPDATE = f"mutation($input: UpdateMusicianProfileInput!) {{ updateMusicianProfile(input: $input) {WHOLE} }}"
PLACE = {"latitude": 48.1, "longitude": 11.6, "address": "Am Platz 1", "city": "München", "country": "DE"}
PROFILE: dict[str, Any] = {
    "stageName": "Robert'); DROP TABLE musician_profiles;--",
    "bio": "Plays\nanything.",
    "hourlyRate": "85.5",
    "experienceYears": 12,
    "location": PLACE,
    "availability": {"friday": [{"from": "18:00", "to": "02:00"}], "sunday": []},
    "portfolioUrls": ["https://music.example/robert"],
    "skills": ["piano", "Jazz", "PIANO"],
    "profileDocument": {"riders": [{"needs": "a grand piano"}], "press": None},
}


async def make(client: Client, person: ApiUser, **changes: Any) -> Any:
    """Create a profile from a valid input with these changes, and return it."""
    return (await client.data(CREATE, person, input={**PROFILE, **changes}))["createMusicianProfile"]


async def test_a_profile_comes_back_whole(client: Client, player: ApiUser) -> None:
    """A profile is stored as given, with skills by name or id, and published."""
    made = await make(client, player)
    expected = {**PROFILE, "hourlyRate": "85.50", "currency": "EUR", "user": {"id": str(player.id)}}
    expected["skills"] = [{"name": "Jazz", "category": "GENRE"}, {"name": "Piano", "category": "INSTRUMENT"}]
    assert {name: made[name] for name in expected} == expected
    told = text("SELECT event_type, payload FROM outbox WHERE aggregate_id = :id").bindparams(
        id=UUID(made["id"])
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
        "musician_id": made["id"],
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
    made = (await client.data(CREATE, player, input={"stageName": "Solo", "hourlyRate": 0}))[
        "createMusicianProfile"
    ]
    assert (made["hourlyRate"], made["location"], made["skills"], made["availability"]) == (
        "0.00",
        None,
        [],
        {},
    )
    assert made["profileDocument"] is None


async def test_a_user_has_one_profile(client: Client, player: ApiUser) -> None:
    """A second profile is a conflict and changes nothing."""
    made = await make(client, player)
    assert await client.codes(CREATE, player, input={**PROFILE, "stageName": "Another"}) == ["CONFLICT"]
    answer = await client.entities("User", [player.id], "musicianProfile { id stageName }")
    assert answer["data"]["_entities"][0]["musicianProfile"] == {
        "id": made["id"],
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
    given: dict[str, Any] = {"hourlyRate": "90", "location": None, "skills": [], "profileDocument": {"a": 1}}
    changed = (await client.data(UPDATE, player, input=given))["updateMusicianProfile"]
    assert changed == {**made, **given, "hourlyRate": "90.00"}
    events = text("SELECT event_type FROM outbox WHERE aggregate_id = :id ORDER BY id").bindparams(
        id=UUID(made["id"])
    )
    rows = await client.service.database.fetch_all(events)
    assert [row.event_type for row in rows] == ["MusicianProfileCreated", "MusicianProfileUpdated"]
    assert await client.codes(UPDATE, ApiUser.make(keys, "musician"), input=given) == ["NOT_FOUND"]
    for name in ("stageName", "hourlyRate", "currency", "experienceYears"):
        assert await client.codes(UPDATE, player, input={name: None}) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stageName": " "}, "stageName"),
        ({"stageName": "x" * 101}, "stageName"),
        ({"stageName": "a\0b"}, "stageName"),
        ({"bio": "x" * 5001}, "bio"),
        ({"hourlyRate": "-1"}, "hourlyRate"),
        ({"hourlyRate": "1.001"}, "hourlyRate"),
        ({"hourlyRate": "1e9"}, "hourlyRate"),
        ({"hourlyRate": "NaN"}, "hourlyRate"),
        ({"currency": "euro"}, "currency"),
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
    answer = await client.send(CREATE, player, input={**PROFILE, **changes})
    assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}
    answer = await client.entities("User", [player.id], "musicianProfile { id }")
    assert answer["data"]["_entities"][0]["musicianProfile"] is None
