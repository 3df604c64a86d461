"""The documents of a sink as a copy of what a service owns, for the consistency check (`kit/copies`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from subgraphs.kit import copies
from subgraphs.kit.cause import Cause, because
from subgraphs.kit.database import Session
from subgraphs.kit.messages import Envelope
from subgraphs.kit.sinks import generations
from subgraphs.kit.sinks.consumer import SinkConsumer
from subgraphs.kit.sinks.target import Document
from subgraphs.kit.unit_of_work import UnitOfWork

PAGE = 5000  # keys that are read from the target at once


@dataclass(frozen=True, slots=True)
class SinkCopy:
    """The documents of one kind, as a Comparable and Repairable copy.

    `told` converts a document to the facts that its owner publishes.
    """

    consumer: SinkConsumer
    kind: str
    source: str
    aggregate_type: str
    event_type: str
    """The type of the event that reports a change."""
    told: Callable[[Document], Mapping[str, Any]] = dict

    async def digests(self, session: Session) -> dict[str, list[Any]]:
        """Return count and hash by bucket, computed from the versions in the target."""
        return await copies.digests_of(session, await self._every_version(session))

    async def versions(self, session: Session, bucket: int) -> dict[str, int]:
        """Return the versions in the target by key."""
        found = await self._every_version(session)
        return {str(key): version for key, version in found.items() if copies.bucket_of(key) == bucket}

    async def rows(self, session: Session, keys: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """Return versions and facts of documents by key."""
        generation = await generations.serving(session, self.consumer.sink.name)
        if generation is None:
            return {}
        found = await self.consumer.sink.target.read(generation, self.kind, keys)
        return {
            str(key): {"version": stored.version, "told": self.told(stored.document)}
            for key, stored in found.items()
        }

    async def repair(
        self, uow: UnitOfWork, consumer: str, key: UUID, version: int, told: Mapping[str, Any]
    ) -> bool:
        """Write the owner's present values `told` to the sink; return False, with nothing written, if a newer
        event was applied.

        `consumer` is part of the protocol and not used: a sink receives events under its own name.
        """
        if not await copies.record_version(uow, self.consumer.name, self.source, key, version):
            return False
        envelope = self.original(key, version, told)
        with because(Cause("service:sync", str(envelope.event_id))):
            await self.consumer.apply(uow, envelope)
        return True

    def original(self, key: UUID, version: int, told: Mapping[str, Any]) -> Envelope:
        """Return an event with the owner's present values `told`, as if the owner had published it at this
        version.
        """
        now = self.consumer.database.clock.now()
        return copies.event_from_original(
            self.source, self.aggregate_type, self.event_type, key, version, told, now
        )

    async def _every_version(self, session: Session) -> dict[UUID, int]:
        generation = await generations.serving(session, self.consumer.sink.name)
        found: dict[UUID, int] = {}
        after: UUID | None = None
        while generation is not None:
            page = await self.consumer.sink.target.versions(generation, self.kind, after, PAGE)
            found.update(page)
            if len(page) < PAGE:
                break
            after = page[-1][0]
        return found
