"""Messages from consumers to the publisher of events: their subscriptions, and the outcome of each event.

The inbox of a consumer publishes them on `confirmations:<source>`; the publisher's relay reads them.
The queue may lose a confirmation. The publisher then publishes the event again, and the consumer, which has
already applied it, confirms it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.streams import MAX_CONFIRMATIONS, confirmations_of

Outcome = Literal["done", "retry", "failed", "stale", "gap"]
"""The outcome of an event at a consumer.

- done: the event was applied.
- stale: the event was skipped, because its version or a higher one had been applied.
- gap: the event was applied although an event with a lower version never arrived.
- retry: the event will be retried, or waits behind an event of its aggregate that will be retried.
- failed: all retries failed; the event is not retried until somebody requests a replay.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The outcome of one event at one consumer. `position` is the event's id in the publisher's outbox."""

    consumer: str
    source: str
    event_id: UUID
    position: int
    event_type: str
    aggregate_type: str
    aggregate_id: UUID
    outcome: Outcome
    retry_count: int = 0
    error: str = ""
    processing_ms: float = 0.0
    """Duration of the handler in milliseconds."""
    size: int = 0
    """Size of the stream entry in bytes."""
    occurred_at: datetime
    handled_at: datetime

    @property
    def latency_ms(self) -> float:
        """Milliseconds from the event's occurrence until it was handled.

        The clock of the publisher's machine measures the first time, that of the consumer's the second.
        """
        return (self.handled_at - self.occurred_at).total_seconds() * 1000

    @classmethod
    def of(cls, consumer: str, envelope: Envelope, outcome: Outcome, **more: Any) -> "Confirmation":
        """Return the confirmation of an event; `more`: values of further fields of the class, by name."""
        return cls(
            consumer=consumer,
            source=envelope.source,
            event_id=envelope.event_id,
            position=envelope.position,
            event_type=envelope.event_type,
            aggregate_type=envelope.aggregate_type,
            aggregate_id=envelope.aggregate_id,
            outcome=outcome,
            occurred_at=envelope.occurred_at,
            **more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A consumer's message that it consumes the events of these types ("*": all types) of a service."""

    consumer: str
    source: str
    event_types: tuple[str, ...]


_KINDS: Mapping[bytes, type[Confirmation] | type[Subscription]] = {
    b"confirmation": Confirmation,
    b"hello": Subscription,
}


async def publish(redis: Redis, messages: Iterable[Confirmation | Subscription]) -> None:
    """Add each message to the confirmation stream of its source."""
    async with redis.pipeline(transaction=False) as pipeline:
        for message in messages:
            kind = "hello" if isinstance(message, Subscription) else "confirmation"
            fields: dict[Any, Any] = {kind: msgspec.json.encode(message)}
            pipeline.xadd(
                confirmations_of(message.source), fields, maxlen=MAX_CONFIRMATIONS, approximate=True
            )
        await pipeline.execute()


def decode(entries: Iterable[Mapping[bytes, bytes]]) -> tuple[Sequence[Subscription], Sequence[Confirmation]]:
    """Decode the entries of a confirmation stream; an entry that cannot be decoded is skipped."""
    messages: list[Confirmation | Subscription] = []
    for fields in entries:
        for key, kind in _KINDS.items():
            if key in fields:
                try:
                    messages.append(msgspec.json.decode(fields[key], type=kind))
                except msgspec.MsgspecError:
                    continue
    subscriptions = [message for message in messages if isinstance(message, Subscription)]
    return subscriptions, [message for message in messages if isinstance(message, Confirmation)]
