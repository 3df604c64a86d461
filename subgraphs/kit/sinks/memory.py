"""A target in memory, for tests of services that have a sink."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from subgraphs.kit.sinks.target import Document, Stored, TargetUnavailable, Write


class MemoryTarget:
    """A SinkTarget with its documents in dictionaries.

    While `away` is True, its methods raise TargetUnavailable.
    """

    def __init__(self) -> None:
        self.away = False
        self.serving: int | None = None
        self.generations: dict[int, dict[tuple[str, UUID], Write]] = {}

    async def prepare(self, generation: int) -> None:
        """Create an empty generation, unless it exists."""
        self._check()
        self.generations.setdefault(generation, {})

    async def write(self, generation: int, writes: Sequence[Write]) -> None:
        """Apply each write unless a higher version of the document is stored."""
        self._check()
        documents = self.generations[generation]
        for write in writes:
            known = documents.get((write.kind, write.key))
            if known is None or known.version <= write.version:
                documents[write.kind, write.key] = write

    async def versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """Return keys and versions of at most `limit` documents with keys above `after`."""
        self._check()
        writes = self.generations[generation].values()
        existing = [write for write in writes if write.kind == kind and write.document is not None]
        keys = sorted((write.key, write.version) for write in existing if after is None or write.key > after)
        return keys[:limit]

    async def read(self, generation: int, kind: str, keys: Sequence[UUID]) -> Mapping[UUID, Stored]:
        """Return the documents that exist, by key."""
        self._check()
        writes = (self.generations[generation].get((kind, key)) for key in keys)
        return {
            write.key: Stored(write.version, write.document)
            for write in writes
            if write and write.document is not None
        }

    async def serve(self, generation: int) -> None:
        """Make a generation the one that `seen` reads."""
        self._check()
        self.serving = generation

    async def discard(self, generation: int) -> None:
        """Delete a generation."""
        self._check()
        self.generations.pop(generation, None)

    def seen(self, kind: str) -> dict[UUID, Document]:
        """Return the documents of a kind in the serving generation, by key."""
        writes = self.generations.get(self.serving or 0, {}).values()
        return {
            write.key: write.document for write in writes if write.kind == kind and write.document is not None
        }

    def _check(self) -> None:
        if self.away:
            raise TargetUnavailable("the target in memory is unavailable")
