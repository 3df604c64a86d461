"""Makes the documents of a sink a copy that the consistency check compares and repairs (`kit/copies`).

The check compares the documents with the objects of the service that owns them, bucket by bucket, and
rewrites the documents that differ.
"""

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
    """The documents of one kind, as a Comparable and Repairable copy (the protocols of `kit/copies`).

    `source` is the service that owns the objects. `told` converts a document to the facts (present values)
    that the owner publishes in its events, to compare the two.
    """

    consumer: SinkConsumer
    kind: str
    source: str
    aggregate_type: str
    event_type: str
    """The type of the owner's event that contains an object's facts after a change."""
    told: Callable[[Document], Mapping[str, Any]] = dict

    async def digests(self, session: Session) -> dict[str, list[Any]]:
        """Return count of documents and hash of their versions, by bucket."""
        return await copies.digests_of(session, await self._every_version(session))

    async def versions(self, session: Session, bucket: int) -> dict[str, int]:
        """Return the versions of the documents of one bucket, by key."""
        found = await self._every_version(session)
        return {str(key): version for key, version in found.items() if copies.bucket_of(key) == bucket}

    async def rows(self, session: Session, keys: Sequence[UUID]) -> dict[str, dict[str, Any]]:
        """Return versions and facts of the documents with these keys, by key."""
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
        """Write a document from `told`, the owner's present facts at `version`.

        Returns False, with nothing written, if an event of a higher version was applied. `consumer` is part
        of the protocol and not used: a sink consumes events under its own name.
        """
        if not await copies.record_version(uow, self.consumer.name, self.source, key, version):
            return False
        envelope = self.original(key, version, told)
        with because(Cause("service:sync", str(envelope.event_id))):
            await self.consumer.apply(uow, envelope)
        return True

    def original(self, key: UUID, version: int, told: Mapping[str, Any]) -> Envelope:
        """Return an event with `told`, the owner's present facts, as the owner would publish it at `version`.

        The sink converts it to a document as it does with any event.
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
