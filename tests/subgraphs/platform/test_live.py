"""Tests of the subscriptions: live.graphql, the settings of their events, and the services' events agree."""

import asyncio
from collections.abc import Iterator, Mapping, Set
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from graphql import GraphQLObjectType, get_named_type
from starlette.applications import Starlette

from gateway.app import GatewayApp, create_gateway
from gateway.config.load import read_config
from gateway.event_streams.rules import FieldRule, entities_in
from gateway.settings import EventFieldSettings
from gateway.supergraph.load import load_supergraph
from subgraphs.kit.global_ids import encode
from subgraphs.kit.identity import TokenSigner
from subgraphs.kit.messages import Event
from subgraphs.kit.queue.streams import streams_of
from subgraphs.matching.messages import MatchesRanked
from subgraphs.notifications.messages import MessageSent, NotificationReceived
from subgraphs.orchestration.messages import SagaChanged
from subgraphs.platform.environment import gateway_environment
from subgraphs.platform.options import GATEWAY_CONFIG, SCHEMA, Options
from subgraphs.platform.preparation import make_keys
from subgraphs.platform.schema_files import OWNERS_OF_EVENTS, has_live
from subgraphs.platform.servers import Servers
from subgraphs.platform.tables import SERVICES, VALKEY, ServiceTable
from subgraphs.requests import messages as requests

VARIABLES = {"MUSSIKON_KEY_SET": "keys", "MUSSIKON_API_KEYS": "partners", "MUSSIKON_QUEUE": "redis://queue:1"}
FIELDS = read_config(GATEWAY_CONFIG, VARIABLES).subscriptions.redis.fields
NOT_SHOWN = {requests.BookingMade, requests.BookingUndone}
EVENTS: Mapping[str, tuple[str, Set[type[Event]]]] = {
    "bookingUpdated": ("requests", set(requests._BookingFacts.__subclasses__()) - NOT_SHOWN),
    "requestPublished": ("requests", {requests.RequestPublished}),
    "newApplication": ("requests", {requests.ApplicationSubmitted}),
    "notificationReceived": ("notifications", {NotificationReceived}),
    "sagaProgress": ("orchestration", {SagaChanged}),
    "matchesChanged": ("matching", {MatchesRanked}),
    "messageReceived": ("notifications", {MessageSent}),
}
"""By field, the service and the types of its events. A booking that is not offered yet, or was never, is
shown to nobody.
"""
BY_HAND = {"BookingUpdated"}
"""Event types without a class: changes by hand at the database."""
KEY = "7f0e6c54-8a42-4f0b-8a37-1f6d2a4f9b11"


def paths_in(settings: EventFieldSettings) -> Iterator[str]:
    """Yield the paths of the values that a field reads in the payload of an event."""
    for condition in settings.where:
        yield from (one.removeprefix("payload.") for one in condition.event if one.startswith("payload."))
    (entity,) = entities_in(FieldRule("any", settings).template)
    yield entity[1]["uuid"].removeprefix("{payload.").removesuffix("}")


def test_each_field_has_its_events() -> None:
    """The fields of Subscription are those of the settings; each names its service's streams, the types of
    its events, fields that these events have, and the type of the field in the schema.
    """
    root = load_supergraph((SCHEMA / "supergraph.graphql").read_text()).api.subscription_type
    assert root is not None
    assert FIELDS.keys() == EVENTS.keys() == root.fields.keys()
    for name, (service, kinds) in EVENTS.items():
        settings = FIELDS[name]
        assert list(settings.stream_names) == streams_of(service)
        (types,) = [one.values for one in settings.where if one.event == ("event_type",)]
        assert set(types) - BY_HAND == {kind.__name__ for kind in kinds}, name
        for kind in kinds:
            assert set(paths_in(settings)) <= {field.name for field in fields(kind)}, (name, kind)
        ((entity, _),) = entities_in(FieldRule(name, settings).template)
        found = get_named_type(root.fields[name].type)
        assert isinstance(found, GraphQLObjectType)
        assert entity == found.name
        arguments = {one.argument for one in settings.where if one.argument is not None}
        assert arguments == root.fields[name].args.keys(), name


@pytest.mark.parametrize("name", sorted(EVENTS.keys() - {"requestPublished"}))
def test_only_the_users_whom_it_concerns(name: str) -> None:
    """Each event but a published request is for users whose ids it has."""
    assert any(one.claim == "sub" for one in FIELDS[name].where)


def passes(name: str, event: dict[str, Any], arguments: dict[str, Any], user: str = "") -> bool:
    """Return whether a subscriber receives an event."""
    tests = FieldRule(name, FIELDS[name]).tests(arguments, {"sub": user})
    return all(test(event) for test in tests)


@pytest.mark.parametrize("given", [KEY, encode("Booking", KEY)])
def test_a_booking_by_its_id(given: str) -> None:
    """Both parties receive the changes of one booking, by its global id or its UUID; nobody receives an event
    for another user, another booking, of another type, or that is published again.
    """
    payload = {"booking_id": KEY, "client_id": "client", "musician_user_id": "musician"}
    event = {"event_type": "BookingConfirmed", "attempts": "0", "payload": payload}
    for user in ("client", "musician"):
        assert passes("bookingUpdated", event, {"id": given}, user)
        assert passes("bookingUpdated", event, {"id": None}, user)
    assert not passes("bookingUpdated", event, {"id": given}, "stranger")
    for wrong in (encode("Saga", KEY), "x", KEY.replace("7", "8")):
        assert not passes("bookingUpdated", event, {"id": wrong}, "client")
    for change in ({"event_type": "BookingMade"}, {"attempts": "1"}):
        assert not passes("bookingUpdated", {**event, **change}, {}, "client")


def test_a_request_by_place_and_skills() -> None:
    """A request is for musicians in its circle, and for those who name one of its skills."""
    payload = {"latitude": 52.5, "longitude": 13.4, "skill_ids": [KEY]}
    event = {"event_type": "RequestPublished", "attempts": "0", "payload": payload}
    near = {"latitude": 52.4, "longitude": 13.1, "radiusKm": 30}
    skills = [encode("Skill", KEY.replace("7", "8")), encode("Skill", KEY)]
    assert passes("requestPublished", event, {"near": near, "skills": skills})
    assert not passes("requestPublished", event, {"near": {**near, "radiusKm": 10}})
    assert not passes("requestPublished", event, {"skills": skills[:1]})
    assert not passes("requestPublished", event, {"skills": [encode("User", KEY)]})


def test_the_environment_of_the_gateway(tmp_path: Path) -> None:
    """The gateway reads events only if there is a queue, and the services that publish them."""
    keys, queue = make_keys(tmp_path), {VALKEY: "redis://queue:1"}
    few = ServiceTable((SERVICES["users"],))
    off = "GATEWAY__SUBSCRIPTIONS__REDIS__FIELDS"
    for in_process in (True, False):
        found = gateway_environment(Options(in_process=in_process), Servers(tmp_path, print, queue), keys)
        assert (found["MUSSIKON_QUEUE"], off in found) == ("redis://queue:1", False)
        options = Options(in_process=in_process, services=few)
        found = gateway_environment(options, Servers(tmp_path, print, queue), keys)
        assert read_config(GATEWAY_CONFIG, found).subscriptions.redis.fields == {}
    assert has_live(SERVICES)
    assert not has_live(few)
    assert set(SERVICES.names) >= OWNERS_OF_EVENTS == {service for service, _ in EVENTS.values()}


@pytest.mark.parametrize("is_local", [True, False])
async def test_without_a_queue_a_subscription_is_an_error(tmp_path: Path, is_local: bool) -> None:
    """The gateway starts without a queue, and refuses who subscribes."""
    keys = make_keys(tmp_path)
    environment = gateway_environment(Options(in_process=True), Servers(tmp_path, print), keys)
    settings = read_config(GATEWAY_CONFIG, environment)
    supergraph = await asyncio.to_thread((SCHEMA / "supergraph.graphql").read_text)
    app: Any = GatewayApp(create_gateway(supergraph, settings, {} if is_local else None))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app.routes), base_url="http://gateway")
    token = TokenSigner(keys.private).sign(uuid4(), "client").value
    async with app.lifespan(Starlette()), client:
        answer = await client.post(
            "/graphql",
            json={"query": "subscription { notificationReceived { id } }"},
            headers={"accept": "text/event-stream", "authorization": f"Bearer {token}"},
        )
    assert '"code":"SUBGRAPH_UNREACHABLE"' in answer.text
    assert answer.text.rstrip().endswith("event: complete\ndata:")
