"""The target of a sink: a store of documents with keys and versions, in generations of which one serves
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
    """A document to write, with the version of its aggregate, which orders the writes; None: delete it."""

    kind: str
    key: UUID
    version: int
    document: Document | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored document with its version."""

    version: int
    document: Document


class SinkTarget(Protocol):
    """A store of documents. Every method raises TargetUnavailable if the store does not answer.

    `tests/contracts/sinks.py` tests every implementation.
    """

    async def prepare(self, generation: int) -> None:
        """Create an empty generation; an existing one is not changed."""
        ...

    async def write(self, generation: int, writes: Sequence[Write]) -> None:
        """Apply each write to a generation (one full copy of the data), unless the generation has the write's
        document, or its deletion, at a higher version.

        All writes are durable when the method returns. If it raises, each write may or may not be applied.
        """
        ...

    async def versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """Return keys and versions of the documents of a kind, in the order of their keys, without deleted
        ones: at most `limit`, with keys greater than `after`.
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
