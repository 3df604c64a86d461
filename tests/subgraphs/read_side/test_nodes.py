"""Tests of `node` and `nodes`: objects of every type by their global ids, through a real gateway."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from gateway.core.errors import SubgraphError
from gateway.transport.base import Call
from subgraphs.calendar.app import bootstrap as calendar
from subgraphs.events.app import bootstrap as events
from subgraphs.kit.global_ids import encode
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Running, SigningKeys, fresh_database
from subgraphs.notifications.app import bootstrap as notifications
from subgraphs.orchestration.app import bootstrap as orchestration
from subgraphs.payments.app import bootstrap as payments
from subgraphs.read_side.nodes import OWNERS
from subgraphs.sync.app import bootstrap as sync
from tests.subgraphs.read_side.conftest import Start
from tests.subgraphs.read_side.real_services import RealServices, real_services

MORE = {
    "notifications": notifications,
    "payments": payments,
    "calendar": calendar,
    "orchestration": orchestration,
    "events": events,
    "sync": sync,
}
FIELDS = """id __typename ... on User { username } ... on Musician { stageName rating }
  ... on Skill { name } ... on Review { stars: rating musician { stageName } }
  ... on MusicianRequest { title }
  ... on Application { applied: status } ... on Booking { booked: status client { username } }
  ... on Escrow { escrowed: status } ... on MatchingAlgorithm { name }
  ... on MatchingResult { matches { totalScore } } ... on Notification { title } ... on Message { said: text }
  ... on Payment { paid: status } ... on CalendarSlot { slot: kind } ... on Saga { progress: status }
  ... on AuditEvent { service } ... on PendingSync { state: status }
  ... on SyncLog { outcome } ... on ConsistencyCheck { compared }"""
NODE = f"query($id: ID!) {{ node(id: $id) {{ {FIELDS} }} }}"
NODES = f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {FIELDS} }} }}"
PUBLIC = {"User", "Musician", "Skill", "Review", "MusicianRequest", "MatchingAlgorithm"}
FOR_ADMINS = {"AuditEvent", "PendingSync", "SyncLog", "ConsistencyCheck"}
OF_USERS = OWNERS.keys() - PUBLIC - FOR_ADMINS
"""The types whose objects only some users see; `host` sees those of these tests."""

WHEN = "now() + interval '9 days', now() + interval '9 days 2 hours'"
PARTIES = "gen_random_uuid(), :host, gen_random_uuid(), gen_random_uuid()"
ROWS: Mapping[str, tuple[str, str]] = {
    "Booking": (
        "requests",
        "INSERT INTO bookings (id, request_id, client_id, musician_id, musician_user_id, starts_at, ends_at,"
        " time_zone, price, currency) SELECT :id, id, client_id, gen_random_uuid(), gen_random_uuid(),"
        " starts_at, ends_at, 'UTC', 100, 'EUR' FROM musician_requests",
    ),
    "Escrow": (
        "payments",
        "INSERT INTO escrows (id, booking_id, request_id, client_id, musician_id, musician_user_id, amount,"
        f" currency, status, released) VALUES (:id, gen_random_uuid(), {PARTIES}, 9, 'EUR', 'released', 9)",
    ),
    "Payment": (
        "payments",
        "INSERT INTO payments (id, escrow_id, client_id, musician_user_id, amount, currency)"
        " SELECT :id, id, client_id, musician_user_id, amount, currency FROM escrows",
    ),
    "Notification": (
        "notifications",
        "INSERT INTO notifications (id, user_id, type, title, message)"
        " VALUES (:id, :host, 'system', 'Welcome', 'Hello')",
    ),
    "Message": (
        "notifications",
        "WITH booking AS (INSERT INTO known_bookings (booking_id, request_id, client_id, musician_user_id,"
        " title, status) VALUES (gen_random_uuid(), gen_random_uuid(), :host, gen_random_uuid(), 'Gig',"
        " 'confirmed') RETURNING booking_id, client_id) INSERT INTO chat_messages (id, booking_id, author_id,"
        " text) SELECT :id, booking_id, client_id, 'Hello' FROM booking",
    ),
    "CalendarSlot": (
        "calendar",
        "INSERT INTO slots (id, musician_id, musician_user_id, kind, during, time_zone)"
        f" VALUES (:id, gen_random_uuid(), :host, 'blocked', tstzrange({WHEN}), 'UTC')",
    ),
    "Saga": (
        "orchestration",
        "INSERT INTO sagas (id, saga_type, version, status, total_steps, data, idempotency_key, input_digest,"
        " created_by, completed_at, wake_at) VALUES (:id, 'booking_notices', 1, 'completed', 0, '{}', 'key',"
        " '', CAST(CAST(:host AS uuid) AS text), now(), NULL)",
    ),
    "AuditEvent": (
        "events",
        "INSERT INTO audit_events (event_id, source, position, event_type, aggregate_type, aggregate_id,"
        " payload, occurred_at) VALUES (:id, 'users', 1, 'UserUpdated', 'user', :host, '{}', now())",
    ),
    "PendingSync": (
        "sync",
        "INSERT INTO pending_syncs (id, event_id, source_service, target_service, entity_type, entity_id,"
        " event_type, operation, created_at) VALUES (:id, gen_random_uuid(), 'users', 'requests', 'user',"
        " :host, 'UserUpdated', 'update', now())",
    ),
    "SyncLog": (
        "sync",
        "INSERT INTO sync_logs (id, sync_id, source_service, target_service, entity_type, entity_id,"
        " event_type, operation, outcome) SELECT :id, id, source_service, target_service, entity_type,"
        " entity_id, event_type, operation, 'done' FROM pending_syncs WHERE entity_id = :host LIMIT 1",
    ),
    "ConsistencyCheck": (
        "sync",
        "INSERT INTO consistency_checks (id, entity_type, source_service, target_service, compared,"
        " missing, older, different, extra, repaired, processing_time_ms)"
        " VALUES (:id, 'musician', 'musicians', 'matching', 7, 0, 0, 0, 0, 0, 1)",
    ),
}
"""The rows of types that the services of `real_services` do not make: the service, and the statement."""


@dataclass(frozen=True)
class World:
    """The services, and the UUID of one object of each type."""

    made: RealServices
    keys: Mapping[str, UUID]

    def id_of(self, kind: str) -> str:
        """Return the global id of the object of a type."""
        return encode(kind, self.keys[kind])


@pytest.fixture
async def world(
    running: Running, postgres_url: str, redis: Any, queue_url: str, keys: SigningKeys
) -> AsyncIterator[World]:
    """All services, with one object of each type."""
    async with fresh_database(postgres_url, "read_side") as url:
        settings = ServiceSettings("read_side", url, queue_url, keys.public)
        async with real_services(running, settings, keys, 5.0, MORE) as made:
            yield World(made, await objects(made))


async def objects(made: RealServices) -> dict[str, UUID]:
    """Return the UUIDs of one object of each type, after inserting those that are missing."""

    async def only(service: str, table: str) -> UUID:
        found = await made.services[service].database.fetch_value(text(f"SELECT id FROM {table} LIMIT 1"))
        return UUID(str(found))

    known = {
        "User": made.host.id,
        "Musician": UUID(made.musicians[0]),
        "Skill": UUID(made.piano),
        "Review": UUID(made.review),
        "MusicianRequest": UUID(made.request),
        "Application": await only("requests", "applications"),
        "MatchingAlgorithm": await only("matching", "matching_algorithms"),
        "MatchingResult": await only("matching", "matching_results"),
    }
    for kind, (service, statement) in ROWS.items():
        known[kind] = uuid4()
        values = {"id": known[kind], "host": made.host.id}
        await made.services[service].database.execute(bound(statement, values))
    return known


def bound(statement: str, values: Mapping[str, Any]) -> Any:
    """Return a statement with those of the values that it has parameters for."""
    return text(statement).bindparams(
        **{name: value for name, value in values.items() if f":{name}" in statement}
    )


def codes(answer: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """Return the code and the path of each error."""
    return [(one["extensions"]["code"], one["path"]) for one in answer.get("errors", ())]


async def test_objects_of_every_type(world: World, keys: SigningKeys) -> None:
    """A caller gets the objects that the owner's service shows the caller, with fields of all services."""
    made, stranger = world.made, ApiUser.make(keys, "client")
    assert world.keys.keys() == OWNERS.keys()
    for kind in OWNERS:
        key = world.id_of(kind)
        person = made.admin if kind in FOR_ADMINS else made.host
        answer = await made.send(NODE, person, id=key)
        assert "errors" not in answer, (kind, answer)
        node = answer["data"]["node"]
        assert (node["id"], node["__typename"]) == (key, kind)
        assert None not in node.values()
        refused = await made.send(NODE, stranger, id=key)
        without = await made.send(NODE, None, id=key)
        if kind in PUBLIC:
            assert refused["data"]["node"] == without["data"]["node"] == node, kind
        elif kind == "Saga":  # it does not say that another user's saga exists
            assert (refused["data"], codes(refused)) == ({"node": None}, [])
            assert codes(without) == [("UNAUTHENTICATED", ["node"])]
        else:
            assert (refused["data"], codes(refused)) == ({"node": None}, [("FORBIDDEN", ["node"])]), kind
            assert codes(without) == [("UNAUTHENTICATED", ["node"])]
        unknown = await made.send(NODE, made.admin, id=encode(kind, uuid4()))
        assert unknown == {"data": {"node": None}}, kind


async def test_lists_of_objects(world: World, keys: SigningKeys) -> None:
    """`nodes` keeps the order, repeats an object, and has null or an error at the place of others."""
    made, stranger = world.made, ApiUser.make(keys, "client")
    everything = [world.id_of(kind) for kind in OWNERS]
    answer = await made.send(NODES, made.host, ids=everything)
    shown = [one and one["__typename"] for one in answer["data"]["nodes"]]
    assert shown == [None if kind in FOR_ADMINS else kind for kind in OWNERS]
    expected = [("FORBIDDEN", ["nodes", place]) for place, kind in enumerate(OWNERS) if kind in FOR_ADMINS]
    assert sorted(codes(answer), key=lambda error: error[1][1]) == expected
    again = [world.id_of("Booking"), encode("Booking", uuid4()), world.id_of("User"), world.id_of("Booking")]
    answer = await made.send(NODES, stranger, ids=again)
    assert [one and one["id"] for one in answer["data"]["nodes"]] == [None, None, again[2], None]
    refused = [("FORBIDDEN", ["nodes", place]) for place in (0, 3)]
    assert sorted(codes(answer), key=lambda error: error[1][1]) == refused
    answer = await made.send(NODES, made.admin, ids=again)
    assert [one and one["id"] for one in answer["data"]["nodes"]] == [again[0], None, again[2], again[0]]
    assert await made.send(NODES, None, ids=[]) == {"data": {"nodes": []}}


@pytest.mark.parametrize("wrong", ["", "x", str(UUID(int=1)), encode("Money", UUID(int=7)), "A" * 300])
async def test_what_is_no_global_id(start: Start, wrong: str) -> None:
    """A text that is no global id of an object is refused, and no service is asked."""
    async with start() as client:
        answer = await client.send(NODE_ID, None, id=wrong)
        assert answer["data"] == {"node": None}
        (error,) = answer["errors"]
        assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", "id")
        assert await client.codes(NODE_IDS, ids=[encode("User", uuid4()), wrong]) == ["BAD_USER_INPUT"]


NODE_ID = "query($id: ID!) { node(id: $id) { id } }"
NODE_IDS = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"


async def test_one_request_per_type(start: Start) -> None:
    """A mixed list of ids costs one request per type, with each object once; a service that does not answer
    costs only its own objects.
    """
    asked: Counter[tuple[str, int]] = Counter()

    def reply(call: Call) -> Any:
        wanted = call.variables["r"]
        assert len({one["uuid"] for one in wanted}) == len(wanted)
        asked[call.subgraph, len(wanted)] += 1
        if call.subgraph == "reviews":
            raise SubgraphError("does not answer", "SUBGRAPH_UNREACHABLE", subgraph="reviews")
        return {"data": {"_entities": [{"uuid": one["uuid"]} for one in wanted]}}

    async with start(reply=reply) as client:
        kinds = ["User", "Musician", "Review", "Skill"]
        ids = [encode(kind, UUID(int=number)) for number in range(3) for kind in kinds] * 2
        answer = await client.send(NODE_IDS, None, ids=ids)
        found = [one and one["id"] for one in answer["data"]["nodes"]]
        assert found == [None if number % 4 == 2 else key for number, key in enumerate(ids)]
        assert {code for code, _ in codes(answer)} == {"READ_MODEL_UNAVAILABLE"}
        assert sorted(asked.items()) == [
            (("musicians", 3), 2),
            (("reviews", 3), 1),
            (("users", 3), 1),
        ]
        assert await client.codes(NODE_IDS, ids=ids * 5) == ["BAD_USER_INPUT"]
