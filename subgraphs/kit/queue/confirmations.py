"""What consumers tell the sender of events: that they listen, and what became of each event.

The queue may lose it: the sender publishes an event again until it is confirmed, and who has had it confirms
it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.streams import LONGEST_CONFIRMATIONS, confirmations_of

Outcome = Literal["done", "retry", "failed", "stale", "gap"]
"""What becomes of an event at a consumer.

- done: applied.
- stale: not applied, the aggregate had come as far already.
- gap: applied, though an event before it never came.
- retry: tried again later, or waiting behind one that is.
- failed: given up after all tries, until a person lets it be tried again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What became of one event at one consumer."""

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
    """How long the handler took."""
    size: int = 0
    """Bytes on the queue."""
    occurred_at: datetime
    handled_at: datetime

    @property
    def latency_ms(self) -> float:
        """From the event until it was handled; by the clocks of two machines where there are two."""
        return (self.handled_at - self.occurred_at).total_seconds() * 1000

    @classmethod
    def of(cls, consumer: str, envelope: Envelope, outcome: Outcome, **more: Any) -> "Confirmation":
        """What to say of an event."""
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
    """A consumer listens, to events of these types ("*": all)."""

    consumer: str
    source: str
    event_types: tuple[str, ...]


_KINDS: Mapping[bytes, type[Confirmation] | type[Subscription]] = {
    b"confirmation": Confirmation,
    b"hello": Subscription,
}


async def publish(redis: Redis, said: Iterable[Confirmation | Subscription]) -> None:
    """Put these on the streams of their sources."""
    async with redis.pipeline(transaction=False) as pipeline:
        for each in said:
            kind = "hello" if isinstance(each, Subscription) else "confirmation"
            fields: dict[Any, Any] = {kind: msgspec.json.encode(each)}
            pipeline.xadd(
                confirmations_of(each.source), fields, maxlen=LONGEST_CONFIRMATIONS, approximate=True
            )
        await pipeline.execute()


def decode(entries: Iterable[Mapping[bytes, bytes]]) -> tuple[Sequence[Subscription], Sequence[Confirmation]]:
    """What entries say; one that says nothing known is passed over."""
    found: list[Confirmation | Subscription] = []
    for fields in entries:
        for key, kind in _KINDS.items():
            if key in fields:
                try:
                    found.append(msgspec.json.decode(fields[key], type=kind))
                except msgspec.MsgspecError:
                    continue
    hellos = [each for each in found if isinstance(each, Subscription)]
    return hellos, [each for each in found if isinstance(each, Confirmation)]
