"""What a sink writes to: documents with keys and versions, in generations of which readers see one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from subgraphs.kit.queue.outages import ServerUnavailable

Document = Mapping[str, Any]
"""JSON values by name."""


class TargetUnavailable(ServerUnavailable):
    """The target does not answer. Whoever writes to it waits and tries again."""


@dataclass(frozen=True, slots=True)
class Write:
    """The document of a key as it is at a version of its aggregate; None: it is deleted.

    A document belongs to one aggregate, whose version orders its writes.
    """

    kind: str
    key: UUID
    version: int
    document: Document | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as the target has it."""

    version: int
    document: Document


class SinkTarget(Protocol):
    """A store of documents. Every method raises TargetAway where the store does not answer.

    `tests/contracts/sinks.py` checks what is said here for every implementation.
    """

    async def prepare(self, generation: int) -> None:
        """Create a generation without documents; one that exists stays as it is."""
        ...

    async def write(self, generation: int, writes: Sequence[Write]) -> None:
        """Apply each write unless the generation has its document, or the deletion of it, at a higher
        version.

        When it returns all of them are durable; when it raises, any of them may be.
        """
        ...

    async def versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """Keys and versions of the documents of a kind, the deleted ones left out: the next `limit` in the
        order of their keys, behind `after`."""
        ...

    async def read(self, generation: int, kind: str, keys: Sequence[UUID]) -> Mapping[UUID, Stored]:
        """Those documents of a kind that exist, by key."""
        ...

    async def serve(self, generation: int) -> None:
        """Show this generation to readers, and no other."""
        ...

    async def discard(self, generation: int) -> None:
        """Remove a generation, also one that does not exist."""
        ...
