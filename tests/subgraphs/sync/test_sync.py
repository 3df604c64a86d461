"""Tests of syncs: their status and log entries, and replays by admins."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.global_ids import encode
from subgraphs.kit.service import Service
from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from subgraphs.sync import recording
from subgraphs.sync.model import operation_of
from tests.subgraphs.sync.conftest import SYNCS, RequestPublished, RequestUpdated, Way

REPLAY = """mutation($id: ID!, $reason: String! = "mended", $key: String) {
  replaySync(id: $id, reason: $reason, idempotencyKey: $key) {
    sync { uuid status } userErrors { code field message } } }"""
TARGETS = """{ syncTargets { sourceService targetService eventTypes seenAt
  pending processing retrying failed completedLastHour
  latency { p50 p95 p99 } lastConflict { outcome entityId } } }"""


async def test_an_event_is_seen_until_it_arrives(way: Way, request_id: UUID) -> None:
    """An event has a pending sync for each subscribed service, which is completed and logged when it is
    confirmed.
    """
    async with way.listening():
        await way.tell(RequestPublished(request_id=request_id, title="one"))
        await way.syncs(1, entityId=str(request_id), status="COMPLETED")
    await way.tell(RequestUpdated(request_id=request_id, title="two"))
    (pending,) = await way.syncs(1, entityId=str(request_id), status="PENDING")
    assert (pending["sourceService"], pending["targetService"]) == ("requests", "reviews")
    assert (pending["entityType"], pending["eventType"]) == ("MUSICIAN_REQUEST", "RequestUpdated")
    assert pending["data"] == {"requestId": str(request_id), "title": "two"}
    async with way.listening():
        newest, oldest = await way.syncs(2, entityId=str(request_id), status="COMPLETED")
    assert (newest["uuid"], newest["operation"], oldest["operation"]) == (pending["uuid"], "UPDATE", "CREATE")
    (log,) = await way.logs(1, syncId=pending["id"])
    assert log["sync"] == {"uuid": pending["uuid"]}
    admin = way.admin
    for kind, key in (("PendingSync", pending["uuid"]), ("SyncLog", log["uuid"])):
        found = await way.sync.entities(kind, [key, uuid4()], "uuid", admin)
        assert found == {"data": {"_entities": [{"uuid": key}, None]}}
        refused = await way.sync.entities(kind, [key], "uuid")
        assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (log["outcome"], log["retryCount"], log["operation"]) == ("DONE", 0, "UPDATE")
    assert log["latencyMs"] > log["processingTimeMs"] > 0
    assert log["dataSizeBytes"] > 100


async def test_a_failure_is_seen_and_replayed(way: Way, request_id: UUID) -> None:
    """A failed event is shown with its retries and error; an admin's replay applies it once."""
    way.broken = True
    async with way.listening():
        await way.tell(RequestPublished(request_id=request_id, title="three"))
        (failed,) = await way.syncs(1, entityId=str(request_id), status="FAILED")
        assert (failed["retryCount"], failed["maxRetries"]) == (3, 3)
        assert failed["errorMessage"] == "ValueError: not today"
        logs = await way.logs(4, syncId=failed["uuid"])
        assert [log["outcome"] for log in logs] == ["FAILED", "RETRY", "RETRY", "RETRY"]
        assert [log["retryCount"] for log in logs] == [3, 2, 1, 0]
        way.broken = False
        answer = await way.sync.data(REPLAY, way.admin, id=failed["id"], key="again")
        assert answer["replaySync"]["sync"] == {"uuid": failed["uuid"], "status": "PROCESSING"}
        await way.syncs(1, entityId=str(request_id), status="COMPLETED")
        answer = await way.sync.data(REPLAY, way.admin, id=failed["id"], key="again")
        assert answer["replaySync"]["sync"]["status"] == "COMPLETED", "it was ordered before"
        other = {"id": failed["id"], "reason": "other", "key": "again"}
        assert await way.sync.codes(REPLAY, way.admin, **other) == ["IDEMPOTENCY_KEY_REUSED"]
    done, order, *_ = await way.logs(6, syncId=failed["uuid"])
    assert (order["outcome"], order["errorMessage"], order["orderedBy"]) == (
        "REPLAY",
        "mended",
        {"uuid": str(way.admin.id)},
    )
    assert done["outcome"] == "DONE"
    assert way.titles.count("three") == 1
    assert await way.sync.codes(REPLAY, way.admin, id=failed["uuid"]) == ["CONFLICT"]


async def test_conflicts_and_latency_are_shown(way: Way, request_id: UUID) -> None:
    """Of two events with one version the second is stale, which is logged and shown as the last conflict;
    latencies are shown.
    """
    async with way.listening():
        for title in ("first", "second"):
            await way.tell(RequestUpdated(request_id=request_id, title=title), version=1)
        await way.syncs(2, entityId=str(request_id), status="COMPLETED")
        targets = (await way.sync.data(TARGETS, way.admin))["syncTargets"]
    (target,) = [each for each in targets if each["targetService"] == "reviews"]
    assert target["eventTypes"] == ["RequestPublished", "RequestUpdated"]
    assert target["lastConflict"] == {"outcome": "STALE", "entityId": str(request_id)}
    assert [target[name] for name in ("pending", "processing", "retrying", "failed")] == [0, 0, 0, 0]
    assert target["completedLastHour"] >= 2
    latency = target["latency"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] < 60_000
    assert "second" not in way.titles
    (stale,) = await way.logs(1, entityId=str(request_id), outcome="STALE")
    assert stale["errorMessage"] == "event has version 1, but version 1 of its aggregate was applied before"


async def test_a_second_confirmation_adds_nothing(way: Way, service: Service, request_id: UUID) -> None:
    """If the queue loses all data, events are published and confirmed again; each sync and log entry exists
    once.
    """
    async with way.listening():
        await way.tell(RequestPublished(request_id=request_id, title="five"))
        await way.syncs(1, entityId=str(request_id), status="COMPLETED")
        await way.queue.redis.flushdb()
        await way.requests.execute(text("UPDATE outbox SET published_at = NULL"))
        await way.tell(RequestUpdated(request_id=request_id, title="six"))
        await way.syncs(2, entityId=str(request_id), status="COMPLETED")
        await way.has_listened(service)
    await way.logs(2, entityId=str(request_id))
    doubles = text(
        "SELECT count(*) FROM (SELECT 1 FROM sync_logs WHERE outcome = 'done'"
        " GROUP BY sync_id HAVING count(*) > 1) AS d"
    )
    assert await service.database.fetch_value(doubles) == 0


async def test_pages_and_limits(way: Way) -> None:
    """The pages of a list have no gaps, and wrong arguments are refused."""
    entity = uuid4()
    async with way.listening():
        for number in range(5):
            await way.tell(RequestUpdated(request_id=entity, title=str(number)))
        whole = await way.syncs(5, entityId=str(entity))
    pages, after = [], None
    for _ in range(3):
        filter = {"entityId": str(entity)}
        page = (await way.sync.data(SYNCS, way.admin, filter=filter, first=2, after=after))["pendingSyncs"]
        pages += [edge["node"]["uuid"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert pages == [node["uuid"] for node in whole]
    assert not page["pageInfo"]["hasNextPage"]
    last = (await way.sync.data(SYNCS, way.admin, filter=filter, last=2))["pendingSyncs"]
    assert [edge["node"]["uuid"] for edge in last["edges"]] == pages[3:]
    assert last["pageInfo"]["hasPreviousPage"]
    before = last["pageInfo"]["startCursor"]
    last = (await way.sync.data(SYNCS, way.admin, filter=filter, last=3, before=before))["pendingSyncs"]
    assert [edge["node"]["uuid"] for edge in last["edges"]] == pages[:3]
    await selects(way, {"entityId": encode("MusicianRequest", entity)})
    refused = ["BAD_USER_INPUT"]
    assert await way.sync.codes(SYNCS, way.admin, first=101) == refused
    assert await way.sync.codes(SYNCS, way.admin, filter={"entityId": "x"}) == refused
    assert await way.sync.codes(SYNCS, way.admin, filter={"source": "x" * 101}) == refused
    both = [("BAD_USER_INPUT", "id"), ("BAD_USER_INPUT", "reason")]
    assert await way.sync.mistakes(REPLAY, way.admin, id="x", reason=" ") == both
    wrong = encode("SyncLog", uuid4())
    assert await way.sync.mistakes(REPLAY, way.admin, id=wrong) == both[:1]
    logs = "query($id: ID!) { syncLogs(filter: {syncId: $id}) { totalCount } }"
    assert await way.sync.codes(logs, way.admin, id=wrong) == refused
    assert await way.sync.codes(REPLAY, way.admin, id=str(uuid4())) == ["NOT_FOUND"]


async def selects(way: Way, filter: dict[str, Any]) -> None:
    """Each further condition selects all five syncs or none."""
    for condition, count in (
        ({"entityType": "MUSICIAN_REQUEST", "operation": "UPDATE"}, 5),
        ({"entityType": "OTHER"}, 0),
        ({"operation": "CREATE"}, 0),
        ({"eventType": "RequestUpdated"}, 5),
        ({"eventType": "RequestPublished"}, 0),
        ({"between": {"from": "2020-01-01T00:00:00Z"}}, 5),
        ({"between": {"to": "2020-01-01T00:00:00Z"}}, 0),
    ):
        found = await way.sync.data(SYNCS, way.admin, filter={**filter, **condition})
        assert found["pendingSyncs"]["totalCount"] == count, condition


async def test_for_admins_alone(service: Service, keys: SigningKeys) -> None:
    """Other callers can see and do nothing."""
    client = Client(service)
    questions = (
        "{ pendingSyncs { totalCount } }",
        "{ syncLogs { totalCount } }",
        "{ syncTargets { failed } }",
        f'mutation {{ replaySync(id: "{uuid4()}", reason: "x") {{ sync {{ uuid }} }} }}',
        "mutation { checkConsistency { checks { uuid } } }",
        "{ consistencyChecks { totalCount } }",
    )
    for question in questions:
        assert await client.codes(question) == ["UNAUTHENTICATED"]
        for role in ("client", "musician", "service"):
            assert await client.codes(question, ApiUser.make(keys, role)) == ["FORBIDDEN"]


async def test_old_rows_go(way: Way, service: Service) -> None:
    """Syncs and log entries are deleted after 7 days, failed syncs after 30."""
    statement = text("""INSERT INTO pending_syncs (event_id, source_service, target_service, entity_type,
        entity_id, event_type, operation, status, created_at)
        VALUES (gen_random_uuid(), 'requests', 'nobody', 'x', gen_random_uuid(), 'x', 'update',
            :status, now() - make_interval(days => :days))""")
    for status, days in (("completed", 6), ("completed", 8), ("pending", 8), ("failed", 8), ("failed", 31)):
        await service.database.execute(statement.bindparams(status=status, days=days))
    await recording.delete_old(service.database)
    rows = await service.database.fetch_all(
        text("SELECT status FROM pending_syncs WHERE target_service = 'nobody' ORDER BY status")
    )
    assert [row.status for row in rows] == ["completed", "failed"]


@pytest.mark.parametrize(
    ("event_type", "operation"),
    [
        ("UserRegistered", "create"),
        ("ApplicationSubmitted", "create"),
        ("SlotTaken", "create"),
        ("SlotFreed", "delete"),
        ("RequestCancelled", "update"),
        ("BookingConfirmed", "update"),
    ],
)
def test_what_an_event_does(event_type: str, operation: str) -> None:
    """The end of an event's type decides on its operation; a cancelled entity still exists."""
    assert operation_of(event_type) == operation
