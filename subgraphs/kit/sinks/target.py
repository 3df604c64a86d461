"""The protocol of a sink's target: a store of documents, for example a search index.

Each document has a kind, a key and a version. The store has generations (full copies), of which one serves
readers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from subgraphs.kit.queue.outages import ServerUnavailable

Document = Mapping[str, Any]
"""JSON values by name."""


class TargetUnavailable(ServerUnavailable):
    """The target is unavailable; the write is to be retried later."""


@dataclass(frozen=True, slots=True)
class Write:
    """A document to write; `document` None: delete it.

    `version` is that of the aggregate `key`: a target ignores a write with a lower version than it has
    stored.
    """

    kind: str
    key: UUID
    version: int
    document: Document | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as the target has stored it, with the version of its write."""

    version: int
    document: Document


class SinkTarget(Protocol):
    """A store of documents in generations.

    Every method raises TargetUnavailable if the store does not answer.

    `tests/contracts/sinks.py` tests every implementation.
    """

    async def prepare(self, generation: int) -> None:
        """Create an empty generation; an existing one is not changed."""
        ...

    async def write(self, generation: int, writes: Sequence[Write]) -> None:
        """Apply each write to a generation, unless it has that document, or its deletion, at a higher
        version.

        All writes are durable when the method returns. If it raises, each write may or may not be applied.
        """
        ...

    async def versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """Return a page of keys and versions of a kind's documents, sorted by key, without deleted documents.

        The page has at most `limit` documents, with keys greater than `after` (None: from the first).
        """
        ...

    async def read(self, generation: int, kind: str, keys: Sequence[UUID]) -> Mapping[UUID, Stored]:
        """Return the documents of a kind that exist, by key."""
        ...

    async def serve(self, generation: int) -> None:
        """Make this generation, and no other, visible to readers."""
        ...

    async def discard(self, generation: int) -> None:
        """Delete a generation, if it exists."""
        ...
