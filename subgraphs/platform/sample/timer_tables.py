"""The timers of the sample's bookings: sagas that end unanswered offers, and pay musicians afterwards."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from gateway.saga.definition import Saga
from gateway.saga.journal import SagaRequest
from gateway.transport.local import LocalTransport
from subgraphs.kit.client import ServiceClient
from subgraphs.orchestration.sagas import EXPIRY, OBJECT_WITHIN, PAYOUT, expiry, payout
from subgraphs.orchestration.step_calls import Steps
from subgraphs.platform.sample.table import Row, SampleData, Table

_STEPS = Steps(ServiceClient(LocalTransport({}), lambda: ""))  # only the names of the steps are read
_SAGAS = {EXPIRY: expiry(_STEPS), PAYOUT: payout(_STEPS)}


def _timers(world: SampleData) -> Iterator[tuple[UUID, Saga, str, dict[str, Any], datetime]]:
    """Yield the id, the saga, the key, the input and the time of each timer."""
    for gig, _ in world.booked():
        booking = str(gig.booking_id)
        if gig.booking_status == "pending":
            at = gig.expires_at(world.now) or gig.starts_at
            yield uuid5(gig.id, EXPIRY), _SAGAS[EXPIRY], booking, {"bookingId": booking}, at
        elif gig.booking_status == "confirmed":
            timer = {"bookingId": booking, "byUserId": None}
            at = gig.ends_at + OBJECT_WITHIN
            yield uuid5(gig.id, PAYOUT), _SAGAS[PAYOUT], f"timer:{booking}", timer, at


def _sagas(world: SampleData) -> Iterator[Row]:
    for saga_id, saga, key, data, at in _timers(world):
        digest = SagaRequest(saga, key, data).digest
        yield saga_id, saga.type, saga.version, len(saga.steps), data, key, digest, world.now, at


def _steps(world: SampleData) -> Iterator[Row]:
    for saga_id, saga, *_ in _timers(world):
        for number, step in enumerate(saga.steps):
            yield saga_id, number, step.name, step.service, step.operation


TIMER_TABLES = (
    Table(
        "orchestration",
        "sagas",
        "id saga_type version total_steps data idempotency_key input_digest started_at wake_at",
        _sagas,
    ),
    Table(
        "orchestration",
        "saga_steps",
        "saga_id step_number name service_name operation",
        _steps,
    ),
)
