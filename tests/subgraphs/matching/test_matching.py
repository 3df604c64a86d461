"""Tests of matching by GraphQL and events: what is ranked, when a stored ranking is reused, and who may see
it.
"""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from subgraphs.kit import own_writes
from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements
from subgraphs.matching.index import Index
from subgraphs.matching.tables import results

MATCHES = "matches(first: 5) { totalScore distanceKm rankingPosition isRecommended musician { uuid } }"
FIND = """mutation($id: ID!, $force: Boolean! = false, $algorithm: String! = "balanced", $key: String) {
  findMatches(requestId: $id, forceRefresh: $force, algorithm: $algorithm, idempotencyKey: $key) {
    result { id uuid cacheHit candidates executionTimeMs algorithm { id name } request { uuid title }
      matches(first: 3) { musician { uuid } skillScore } }
    userErrors { code field message } } }"""


async def ranked(client: Client, request: UUID) -> list[str]:
    """Return the ids of the musicians in a request's ranking, the best first."""
    answer = await client.entities("MusicianRequest", [request], MATCHES)
    assert "errors" not in answer
    return [match["musician"]["uuid"] for match in answer["data"]["_entities"][0]["matches"]]


async def test_events_change_the_ranking(client: Client, tell: Any) -> None:
    """A change of a musician's skills, place or rate changes the ranking; repeated and late events do not."""
    skill, other = uuid4(), uuid4()
    request = await tell("RequestPublished", 1, skill_ids=[str(skill), str(other)])
    good = await tell("MusicianProfileCreated", 1, skill_ids=[str(skill)])
    better = await tell("MusicianProfileCreated", 2, skill_ids=[str(skill), str(other)])
    await tell("MusicianProfileCreated", 3, skill_ids=[str(uuid4())])
    await tell("MusicianProfileCreated", 4, skill_ids=[str(skill)], latitude=None, longitude=None)
    assert await ranked(client, request) == [str(better), str(good)]
    await tell("MusicianProfileUpdated", 9, musician_id=better, skill_ids=[str(skill)], hourly_rate="900")
    assert await ranked(client, request) == [str(good), str(better)]
    await tell("MusicianProfileCreated", 2, musician_id=better, skill_ids=[str(skill), str(other)])
    assert await ranked(client, request) == [str(good), str(better)]
    await tell(
        "MusicianProfileUpdated", 12, musician_id=good, skill_ids=[str(skill)], latitude=48.1, longitude=11.6
    )
    assert await ranked(client, request) == [str(better)]
    await tell("RequestUpdated", 8, request_id=request, latitude=48.1, longitude=11.6, skill_ids=[str(skill)])
    assert await ranked(client, request) == [str(good)]


async def test_what_holds_is_served_again(client: Client, tell: Any, host: ApiUser) -> None:
    """A stored ranking is reused until its request or any musician changes, unless `forceRefresh` is set."""
    skill = str(uuid4())
    request = await tell("RequestPublished", 1, client_id=host.id, skill_ids=[skill])
    await tell("MusicianProfileCreated", 1, skill_ids=[skill])

    async def find(**arguments: Any) -> Any:
        return (await client.data(FIND, host, id=str(request), **arguments))["findMatches"]["result"]

    first = await find()
    assert (first["cacheHit"], first["candidates"]) == (False, 1)
    assert first["request"] == {"uuid": str(request), "title": "A band"}
    again = await find()
    assert again["cacheHit"]
    assert again["matches"] == first["matches"]
    assert again["uuid"] != first["uuid"]
    assert not (await find(force=True))["cacheHit"]
    assert not (await find(algorithm="nearby"))["cacheHit"]
    await tell("MusicianProfileCreated", 1, skill_ids=[skill])
    changed = await find()
    assert (changed["cacheHit"], changed["candidates"]) == (False, 2)
    await tell(
        "RequestUpdated", 2, request_id=request, client_id=host.id, skill_ids=[skill], title="Two bands"
    )
    changed = await find()
    assert (changed["cacheHit"], changed["request"]["title"]) == (False, "Two bands")
    stored = await client.service.database.fetch_all(select(results).where(results.c.request_id == request))
    assert [row.cache_hit for row in stored].count(True) == 1
    assert all(row.execution_time_ms > 0 for row in stored)


async def test_others_are_told_of_new_rankings(client: Client, tell: Any, host: ApiUser) -> None:
    """Each computed ranking is published once; a reused one is not."""
    skill = str(uuid4())
    request = await tell("RequestPublished", 1, client_id=host.id, skill_ids=[skill])
    for number in range(60):
        await tell("MusicianProfileCreated", 1, skill_ids=[skill], hourly_rate=f"{number + 1}")

    async def told() -> list[Any]:
        kept = text(
            "SELECT aggregate_id, payload FROM outbox"
            " WHERE event_type = 'MatchesRanked' AND payload ->> 'request_id' = :id ORDER BY id"
        )
        return list(await client.service.database.fetch_all(kept, id=str(request)))

    found = (await client.data(FIND, host, id=str(request)))["findMatches"]["result"]
    await client.data(FIND, host, id=str(request))
    await client.entities("MusicianRequest", [request], MATCHES)
    (first,) = await told()
    assert str(first.aggregate_id) == found["uuid"]
    payload = first.payload
    assert (payload["client_id"], payload["algorithm"], payload["is_default"]) == (
        str(host.id),
        "balanced",
        True,
    )
    assert (payload["candidates"], len(payload["matches"])) == (60, 50)
    assert [match["ranking_position"] for match in payload["matches"]] == list(range(1, 51))
    await tell("RequestUpdated", 2, request_id=request, client_id=host.id, skill_ids=[skill])
    await client.entities("MusicianRequest", [request], 'matches(algorithm: "nearby") { totalScore }')
    second = (await told())[1]
    assert (second.payload["algorithm"], second.payload["is_default"]) == ("nearby", False)


async def test_orders_that_are_refused(
    client: Client, tell: Any, host: ApiUser, keys: SigningKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ranking is refused for other callers, unknown or closed requests, and unknown algorithms."""
    request = str(await tell("RequestPublished", 1, client_id=host.id))
    monkeypatch.setattr(own_writes, "PAUSES", (0.01,))
    stranger, admin = ApiUser.make(keys, "client"), ApiUser.make(keys, "admin")
    assert await client.codes(FIND, None, id=request) == ["UNAUTHENTICATED"]
    assert await client.codes(FIND, stranger, id=request) == ["FORBIDDEN"]
    assert await client.codes(FIND, admin, id=request) == []
    assert await client.codes(FIND, host, id=str(uuid4())) == ["NOT_FOUND"]
    wrong = [("BAD_USER_INPUT", "requestId"), ("BAD_USER_INPUT", "algorithm")]
    assert await client.mistakes(FIND, host, id="x", algorithm="'; drop table x") == wrong
    assert await client.mistakes(FIND, host, id=encode("Booking", request)) == wrong[:1]
    await tell("RequestUpdated", 2, request_id=request, client_id=host.id, status="cancelled")
    assert await client.codes(FIND, host, id=request) == ["CONFLICT"]
    answer = await client.entities("MusicianRequest", [request], "matches(first: 101) { totalScore }")
    assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "first"}


async def test_a_key_ranks_once(client: Client, tell: Any, host: ApiUser) -> None:
    """A repetition with the same key returns the first ranking; the key is refused for other input."""
    request = await tell("RequestPublished", 1, client_id=host.id)
    given = {"id": encode("MusicianRequest", request), "force": True, "key": "once"}
    first = (await client.data(FIND, host, **given))["findMatches"]["result"]
    again = (await client.data(FIND, host, **given))["findMatches"]["result"]
    assert again == first
    assert (await client.data(FIND, host, **{**given, "key": "twice"}))["findMatches"]["result"] != first
    other = {**given, "algorithm": "nearby"}
    assert await client.codes(FIND, host, **other) == ["IDEMPOTENCY_KEY_REUSED"]
    assert await client.mistakes(FIND, host, **{**given, "key": ""}) == [("BAD_USER_INPUT", "idempotencyKey")]


async def test_a_request_that_was_just_published(client: Client, tell: Any, host: ApiUser) -> None:
    """The mutation waits for the event about a request that the service does not know yet."""
    request = uuid4()

    async def tell_later() -> None:
        await asyncio.sleep(0.1)
        await tell("RequestPublished", 1, request_id=request, client_id=host.id)

    telling = asyncio.create_task(tell_later())
    found = (await client.data(FIND, host, id=str(request)))["findMatches"]["result"]
    assert found["request"]["uuid"] == str(request)
    await telling


async def test_rankings_and_algorithms_are_entities(
    client: Client, tell: Any, host: ApiUser, keys: SigningKeys
) -> None:
    """Both are found by their keys; a ranking only by those who may see it."""
    request = await tell("RequestPublished", 1, client_id=host.id)
    found = (await client.data(FIND, host, id=str(request)))["findMatches"]["result"]
    answer = await client.entities("MatchingResult", [found["uuid"], uuid4()], "id", host)
    assert answer == {"data": {"_entities": [{"id": found["id"]}, None]}}
    answer = await client.entities("MatchingResult", [found["uuid"]], "id", ApiUser.make(keys, "client"))
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    (listed,) = [
        one
        for one in (await client.data("{ matchingAlgorithms { id uuid name } }"))["matchingAlgorithms"]
        if one["name"] == "balanced"
    ]
    assert listed["id"] == found["algorithm"]["id"]
    answer = await client.entities("MatchingAlgorithm", [listed["uuid"], "x"], "name")
    assert answer == {"data": {"_entities": [{"name": "balanced"}, None]}}


async def test_results_belong_to_the_client(
    client: Client, tell: Any, host: ApiUser, keys: SigningKeys
) -> None:
    """Only the client of its request and admins see a stored ranking; forged headers change nothing."""
    request = await tell("RequestPublished", 1, client_id=host.id)
    found = (await client.data(FIND, host, id=str(request)))["findMatches"]["result"]
    key = found["uuid"]
    query = "query($id: ID!) { matchingResult(id: $id) { uuid matches { totalScore } } }"
    assert (await client.data(query, host, id=key))["matchingResult"]["uuid"] == key
    assert (await client.data(query, host, id=found["id"]))["matchingResult"]["uuid"] == key
    assert (await client.data(query, host, id=encode("Review", key)))["matchingResult"] is None
    assert await client.codes(query, ApiUser.make(keys, "admin"), id=key) == []
    assert await client.codes(query, None, id=key) == ["UNAUTHENTICATED"]
    assert await client.codes(query, ApiUser.make(keys, "musician"), id=key) == ["FORBIDDEN"]
    forged = {"x-user-id": str(host.id), "x-user-role": "admin"}
    answer = await client.service.execute(query, {"id": key}, None, forged)
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await client.data(query, host, id=str(uuid4())))["matchingResult"] is None


async def test_many_requests_take_few_statements(client: Client, tell: Any) -> None:
    """Twenty requests are ranked with as many statements as one; an unknown request has no ranking."""
    keys = [await tell("RequestPublished", 1) for _ in range(20)]
    with counted_statements(client.service.database) as statements:
        answer = await client.entities("MusicianRequest", [*keys, uuid4()], MATCHES + " title")
    assert len(statements) == 6
    *known, unknown = answer["data"]["_entities"]
    assert all(entity["matches"] is not None for entity in known)
    assert unknown == {"matches": None, "title": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]
    with counted_statements(client.service.database) as statements:
        await client.entities("MusicianRequest", keys, MATCHES)
    assert len(statements) == 4
    assert not any(statement.startswith("INSERT") for statement in statements)


async def test_price_bands_of_many_take_one_look(client: Client, tell: Any) -> None:
    """The price band follows from the fields in the representation; the index is updated once for all
    musicians.
    """
    for rate in range(12):
        await tell(
            "MusicianProfileCreated", 1, hourly_rate=f"{10 + rate}", currency="CHF", experience_years=20
        )
    query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Musician { priceBand } } }"
    given = [
        {"hourlyRate": {"amount": rate, "currency": "CHF"}, "experienceYears": 20}
        for rate in ("5.00", "17.00", "99.00")
    ]
    representations = [{"__typename": "Musician", "uuid": str(uuid4()), **fields} for fields in given]
    with counted_statements(client.service.database) as statements:
        data = await client.data(query, None, r=representations)
    assert [entity["priceBand"] for entity in data["_entities"]] == ["BUDGET", "STANDARD", "PREMIUM"]
    assert len(statements) == 1
    lacking = await client.send(query, None, r=[{"__typename": "Musician", "uuid": str(uuid4())}])
    assert lacking["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_the_index_misses_no_late_commit(client: Client, tell: Any) -> None:
    """A transaction that began before an update of the index and commits after it is read by the next one, in
    every process.
    """
    database = client.service.database
    mine, others = Index(database), Index(database)
    await mine.catch_up()
    await others.catch_up()
    before, late = len(mine), uuid4()
    add = text(
        "insert into matching_musicians (musician_id, user_id, stage_name, hourly_rate, latitude, longitude)"
        " values (:key, :key, 'Late', 1, 0, 0)"
    )
    async with database.engine.connect() as slow, slow.begin():
        await slow.execute(add.bindparams(key=late))
        await tell("MusicianProfileCreated", 1)
        await mine.catch_up()
        assert len(mine) == before + 1
    await mine.catch_up()
    await others.catch_up()
    assert len(mine) == len(others) == before + 2
    assert late in mine.columns.ids
    assert mine.version == others.version
    restarted = Index(database)
    await restarted.catch_up()
    assert set(restarted.columns.ids) == set(mine.columns.ids)


async def test_the_index_grows(client: Client, tell: Any) -> None:
    """The index keeps its data when musicians or skills exceed the reserved space."""
    database = client.service.database
    rows = [{"key": uuid4(), "skills": [uuid4()], "rate": number} for number in range(3000)]
    index = Index(database)
    await index.catch_up()
    await database.execute(
        text(
            "insert into matching_musicians"
            " (musician_id, user_id, stage_name, hourly_rate, latitude, longitude, skill_ids)"
            " values (:key, :key, 'Many', :rate, 80, 80, cast(:skills as uuid[]))"
        ),
        rows,
    )
    await index.catch_up()
    columns = index.columns
    for row in (rows[0], rows[1500], rows[-1]):
        place = columns.ids.index(UUID(str(row["key"])))
        assert columns.rates[place] == row["rate"]
        assert sum(int(word).bit_count() for word in columns.skills[:, place]) == 1
    await database.execute(text("delete from matching_musicians where stage_name = 'Many'"))
