"""Tests that the command side returns the same data through a real gateway while a read model is not fresh,
and that the response says so.
"""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.global_ids import encode
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Running, SigningKeys
from subgraphs.platform.postgres import start_postgres
from tests.subgraphs.read_side.conftest import until
from tests.subgraphs.read_side.real_services import RealServices, real_services

MUSICIANS = """query($first: Int, $after: String, $last: Int, $before: String,
    $filter: MusicianFilter, $order: MusicianOrder! = NEWEST) {
  found: musicians(first: $first, after: $after, last: $last, before: $before,
      filter: $filter, orderBy: $order) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor distanceKm node { id stageName bio hourlyRate { amount currency } experienceYears
      location { latitude longitude address city country } rating totalReviews createdAt
      skills { id name } user { username } } } } }"""
REQUESTS = """query($first: Int, $after: String, $last: Int, $before: String,
    $filter: RequestFilter, $order: RequestOrder! = SOONEST) {
  found: requests(first: $first, after: $after, last: $last, before: $before,
      filter: $filter, orderBy: $order) {
    totalCount edges { distanceKm totalApplications node { id title description status urgencyLevel
      startsAt endsAt timeZone budgetMin { amount currency } budgetMax { amount currency } createdAt
      location { latitude longitude address city country } client { id username }
      requiredSkills { id name } } } } }"""
RANKED = """query($id: ID!) { found: rankedMusicians(requestId: $id) {
    rankingPosition totalScore skillScore experienceScore
    priceScore distanceScore distanceKm isRecommended musician { id stageName } } }"""
SUMMARY = """{ found: activeRequestsSummary { status requests
    meanBudgetMin { amount currency } meanBudgetMax { amount currency } } }"""
TOP = "{ found: topMusicians { stageName } }"
STATES = "{ readModels { name state reason rows generation eventsBehind secondsBehind } }"


@pytest.fixture
async def town(
    running: Running, servers_folder: Path, redis: Any, queue_url: str, keys: SigningKeys
) -> AsyncIterator[tuple[RealServices, Any]]:
    """The services, with a PostgreSQL for the read side alone, which can be stopped and started."""
    folder = servers_folder / f"reads-{uuid4().hex[:6]}"
    server = start_postgres(folder, durable=False)
    servers = [server]

    def again() -> None:
        servers.append(start_postgres(folder, durable=False))

    settings = ServiceSettings("read_side", server.url, queue_url, keys.public)
    try:
        async with real_services(running, settings, keys, threshold=1.0) as made:
            yield made, (servers, again)
    finally:
        servers[-1].stop()


async def heard(made: RealServices) -> None:
    """Wait until the read models have applied all events and are fresh."""

    async def all_there() -> bool:
        rated = "{ musicians(filter: {minRating: 4}) { totalCount } }"
        count = (await made.send(rated))["data"]["musicians"]
        near = await made.send(RANKED, made.host, id=made.request)
        rows = (await made.send(REQUESTS, made.host))["data"]["found"]["edges"]
        ranked = near["data"]["found"]
        applied = [row["totalApplications"] for row in rows]
        return (
            count == {"totalCount": 1}
            and bool(ranked)
            and applied == [1]
            and rows[0]["node"]["status"] == "IN_PROGRESS"
        )

    await until(all_there)


async def everything(made: RealServices, wanted: str) -> list[Any]:
    """Return the responses to all queries that both sides support, after checking that each is from this
    source.
    """
    near = {"latitude": 52.4, "longitude": 13.4, "radiusKm": 50}
    between = {"from": "2026-01-01T00:00:00Z", "to": "2100-01-01T00:00:00"}
    skills = [encode("Skill", made.piano)]
    rates = {"minRate": euros("30.50"), "maxRate": euros("31.00")}
    asked: list[tuple[str, ApiUser | None, dict[str, Any]]] = [
        (MUSICIANS, None, {}),
        (MUSICIANS, None, {"filter": {"city": "berlin", "maxRate": euros("31.00")}, "order": "RATE_DESC"}),
        (MUSICIANS, None, {"filter": {"city": "Paris"}}),
        (REQUESTS, None, {}),
        (REQUESTS, made.host, {"filter": {"near": near, "status": ["IN_PROGRESS"], "between": between}}),
        (REQUESTS, made.admin, {"filter": {"status": ["CANCELLED"]}}),
        (RANKED, made.host, {"id": encode("MusicianRequest", made.request)}),
        (RANKED, made.admin, {"id": made.request}),
        (SUMMARY, None, {}),
        (MUSICIANS, None, {"filter": {"name": "BAND", "skills": skills, **rates}, "order": "NAME"}),
        (MUSICIANS, None, {"filter": {"minRate": {"amount": "1", "currency": "CHF"}}}),
        (MUSICIANS, None, {"filter": {"minExperience": 1}, "order": "EXPERIENCE"}),
        (REQUESTS, None, {"filter": {"urgency": ["MEDIUM"], "skills": skills}, "order": "NEWEST"}),
        (REQUESTS, None, {"filter": {"between": {"to": "2026-01-01T00:00:00Z"}}}),
    ]
    found = []
    for query, person, variables in asked:
        answer = await made.source(query, wanted, person, **variables)
        assert "errors" not in answer, answer["errors"]
        data = answer["data"]["found"]
        if isinstance(data, dict):
            edges = [{**edge, "cursor": None} for edge in data["edges"]]
            data = {"totalCount": data["totalCount"], "edges": edges}
        found.append(data)
    return found


def euros(amount: str) -> dict[str, str]:
    """Return an amount as the API takes it."""
    return {"amount": amount, "currency": "EUR"}


async def refused(made: RealServices) -> None:
    """Check that queries which the command side does not support are errors with a code, and that it refuses
    the same callers.
    """
    francs = '{amount: "99", currency: "CHF"}'
    for arguments in (
        'filter: {text: "piano"}',
        "filter: {minRating: 4}",
        "filter: {near: {latitude: 52.5, longitude: 13.4}}",
        f'filter: {{minRate: {{amount: "1", currency: "EUR"}}, maxRate: {francs}}}',
        "orderBy: RATING",
    ):
        answer = await made.send(f"{{ musicians({arguments}) {{ totalCount }} }}")
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["READ_MODEL_UNAVAILABLE"], (
            arguments
        )
    for query in ('{ requests(filter: {text: "band"}) { totalCount } }', TOP):
        answer = await made.send(query)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["READ_MODEL_UNAVAILABLE"]
    stranger = await made.send(RANKED, ApiUser.make(made.keys, "client"), id=made.request)
    assert [error["extensions"]["code"] for error in stranger["errors"]] == ["FORBIDDEN"]
    unknown = await made.send(RANKED, made.host, id=str(uuid4()))
    assert [error["extensions"]["code"] for error in unknown["errors"]] == ["NOT_FOUND"]


async def pages(made: RealServices) -> None:
    """Check that a list which the command side has begun is continued there, also when the read model is
    fresh again.
    """
    names, after = [], None
    for _ in range(3):
        answer = await made.send(MUSICIANS, first=1, after=after)
        told = answer["extensions"]["readModel"]["found"]
        assert told["source"] == "command_side"
        (edge,) = answer["data"]["found"]["edges"]
        names.append(edge["node"]["stageName"])
        after = answer["data"]["found"]["pageInfo"]["endCursor"]
    assert names == ["band2", "band1", "band0"]
    assert not answer["data"]["found"]["pageInfo"]["hasNextPage"]


async def pages_backwards(made: RealServices) -> None:
    """Check that a list which the command side has begun at its end is continued there."""
    found: list[str] = []
    before, more = None, True
    while more:
        answer = await made.send(MUSICIANS, last=1, before=before)
        assert answer["extensions"]["readModel"]["found"]["source"] == "command_side"
        (edge,) = answer["data"]["found"]["edges"]
        info = answer["data"]["found"]["pageInfo"]
        assert info["hasNextPage"] is (before is not None)
        assert info["startCursor"] == info["endCursor"] == edge["cursor"]
        found.insert(0, edge["node"]["stageName"])
        before, more = info["startCursor"], info["hasPreviousPage"]
    assert found == ["band2", "band1", "band0"]


async def test_the_database_is_down(town: tuple[RealServices, Any]) -> None:
    """While the read side's database is stopped the command side returns the same data; afterwards the read
    model answers.
    """
    made, (servers, again) = town
    await heard(made)
    before = await everything(made, "read_model")
    assert [len(one["edges"]) for one in before[:6]] == [3, 2, 0, 1, 1, 0]
    assert before[0]["edges"][2]["node"]["rating"] == 4.0
    assert before[4]["edges"][0]["totalApplications"] == 1
    assert before[4]["edges"][0]["distanceKm"] == pytest.approx(11.1, abs=0.1)
    assert before[3]["edges"][0]["totalApplications"] is None
    assert len(before[6]) == 3
    assert [one["totalCount"] for one in before[9:]] == [1, 0, 0, 1, 0]
    cursor = (await made.send(MUSICIANS, first=1))["data"]["found"]["pageInfo"]["endCursor"]
    servers[-1].stop()
    answer = await made.send(MUSICIANS)
    told = answer["extensions"]["readModel"]["found"]
    assert told["source"] == "command_side"
    assert "database does not answer" in told["reason"]
    assert await everything(made, "command_side") == before
    await refused(made)
    await pages(made)
    await pages_backwards(made)
    gone_on = await made.send(MUSICIANS, first=1, after=cursor)
    assert gone_on["errors"][0]["extensions"]["code"] == "READ_MODEL_UNAVAILABLE"
    states = (await made.send(STATES, made.admin))["data"]["readModels"]
    assert [(one["state"], one["rows"], one["secondsBehind"]) for one in states] == [("DOWN", None, None)] * 3
    begun = (await made.send(MUSICIANS, first=1))["data"]["found"]["pageInfo"]["endCursor"]
    again()
    await made.source(MUSICIANS, "read_model")
    assert await everything(made, "read_model") == before
    continued = await made.send(MUSICIANS, first=1, after=begun)
    assert continued["data"]["found"]["edges"][0]["node"]["stageName"] == "band1"
    assert continued["extensions"]["readModel"]["found"]["source"] == "command_side"


async def only_one_is_missing(made: RealServices) -> bool:
    """Return whether the command side answers for musicians alone; on a slow machine requests may become
    fresh later.
    """
    both = await made.send("{ found: musicians { totalCount } other: requests { totalCount } }")
    sources = {name: told["source"] for name, told in both["extensions"]["readModel"].items()}
    return sources == {"found": "command_side", "other": "read_model"}


async def test_the_tables_are_gone(town: tuple[RealServices, Any]) -> None:
    """Without its tables only that read model's queries go to the command side; a rebuild repairs it."""
    made, _ = town
    await heard(made)
    before = await everything(made, "read_model")
    database = made.services["read_side"].database
    await database.execute(text("DROP TABLE musician_read_model_g1 CASCADE"))
    answer = await made.source(MUSICIANS, "command_side")
    assert answer["extensions"]["readModel"]["found"]["reason"] == "its tables are missing"
    nodes = [edge["node"] for edge in answer["data"]["found"]["edges"]]
    assert nodes == [edge["node"] for edge in before[0]["edges"]]
    await until(partial(only_one_is_missing, made))
    rebuild = 'mutation { rebuildReadModel(name: "musicians") { readModel { name } } }'
    assert "errors" not in await made.send(rebuild, made.admin)
    await made.source(MUSICIANS, "read_model")
    assert await everything(made, "read_model") == before


async def test_it_is_too_far_behind(town: tuple[RealServices, Any]) -> None:
    """While no events are applied, the read model answers until it is too far behind, then the command side,
    and later the read model again.
    """
    made, _ = town
    await heard(made)
    database = made.services["read_side"].database
    holder = await database.connect()
    await holder.execute(text("SELECT 1 FROM projection_checkpoints FOR UPDATE"))
    assert (await made.send(MUSICIANS))["extensions"]["readModel"]["found"]["source"] == "read_model"
    await made.musician("latecomer", 99)
    answer = await made.source(MUSICIANS, "command_side")
    told = answer["extensions"]["readModel"]["found"]
    assert told["secondsBehind"] > 1
    assert "behind the log of events" in told["reason"]
    assert answer["data"]["found"]["edges"][0]["node"]["stageName"] == "latecomer"
    states = {one["name"]: one for one in (await made.send(STATES, made.admin))["data"]["readModels"]}
    assert states["musicians"]["state"] == "BEHIND"
    assert states["musicians"]["eventsBehind"] >= 2
    await holder.rollback()
    await holder.close()
    answer = await made.source(MUSICIANS, "read_model")
    assert answer["data"]["found"]["edges"][0]["node"]["stageName"] == "latecomer"


async def test_the_queue_is_not_heard(town: tuple[RealServices, Any], redis: Any) -> None:
    """Events that wait in the queue make the read models too old, because projections do not see them."""
    made, _ = town
    await heard(made)
    database = made.services["read_side"].database
    holder = await database.connect()
    await holder.execute(text("LOCK TABLE inbox IN EXCLUSIVE MODE"))
    await made.musician("unheard", 99)
    answer = await made.source(MUSICIANS, "command_side")
    assert "queue" in answer["extensions"]["readModel"]["found"]["reason"]
    assert answer["data"]["found"]["edges"][0]["node"]["stageName"] == "unheard"
    await holder.rollback()
    await holder.close()
    answer = await made.source(MUSICIANS, "read_model")

    async def there() -> bool:
        edges = (await made.send(MUSICIANS))["data"]["found"]["edges"]
        return bool(edges[0]["node"]["stageName"] == "unheard")

    await until(there)


async def test_nobody_answers(town: tuple[RealServices, Any]) -> None:
    """Without read model and command side the field is an error with a code, and other fields have values."""
    made, (servers, _) = town
    await heard(made)
    servers[-1].stop()
    await made.source(MUSICIANS, "command_side")
    await made.services["reviews"].database.execute(text("DROP TABLE musician_ratings CASCADE"))
    answer = await made.send("{ found: musicians { totalCount } other: requests { totalCount } }")
    assert answer["data"] == {"found": None, "other": {"totalCount": 1}}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["READ_MODEL_UNAVAILABLE"]
