"""The timers of the sample's bookings: sagas that end unanswered offers, and pay musicians afterwards."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from gateway.saga.definition import Saga
from gateway.saga.journal import SagaRequest
from gateway.transport.local import LocalTransport
from subgraphs.kit.client import ServiceClient
from subgraphs.orchestration.sagas import EXPIRY, PAYOUT, expiry, payout
from subgraphs.orchestration.step_calls import Steps
from subgraphs.platform.sample.table import Row, SampleData, Table
from subgraphs.requests.life import OBJECT_WITHIN

_STEPS = Steps(ServiceClient(LocalTransport({}), lambda: ""))  # only the names of the steps are read
_SAGAS = {EXPIRY: expiry(_STEPS), PAYOUT: payout(_STEPS)}


class Timer(NamedTuple):
    """A saga that waits. `begun`: when the booking was made, `at`: when the saga begins."""

    id: UUID
    saga: Saga
    key: str
    data: dict[str, Any]
    begun: datetime
    at: datetime


def _timers(world: SampleData) -> Iterator[Timer]:
    for gig, _ in world.booked():
        booking, begun = str(gig.booking_id), gig.booked.at if gig.booked else gig.at
        if gig.booking_status == "pending":
            at = gig.expires_at(world.now) or gig.starts_at
            yield Timer(uuid5(gig.id, EXPIRY), _SAGAS[EXPIRY], booking, {"bookingId": booking}, begun, at)
        elif gig.booking_status == "confirmed":
            timer = {"bookingId": booking, "byUserId": None}
            at = gig.ends_at + OBJECT_WITHIN
            yield Timer(uuid5(gig.id, PAYOUT), _SAGAS[PAYOUT], f"timer:{booking}", timer, begun, at)


def _sagas(world: SampleData) -> Iterator[Row]:
    for one in _timers(world):
        saga, digest = one.saga, SagaRequest(one.saga, one.key, one.data).digest
        kind = (one.id, saga.type, saga.version, len(saga.steps))
        yield *kind, one.data, one.key, digest, one.begun, one.at


def _steps(world: SampleData) -> Iterator[Row]:
    for one in _timers(world):
        for number, step in enumerate(one.saga.steps):
            yield one.id, number, step.name, step.service, step.operation


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
