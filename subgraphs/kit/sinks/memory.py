"""A target in memory, for tests of services that have a sink."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from subgraphs.kit.sinks.target import Document, Stored, TargetUnavailable, Write


class MemoryTarget:
    """Documents in dictionaries. While `away` is set, every method raises TargetAway."""

    def __init__(self) -> None:
        self.away = False
        self.serving: int | None = None
        self.generations: dict[int, dict[tuple[str, UUID], Write]] = {}

    async def prepare(self, generation: int) -> None:
        """Create a generation."""
        self._check()
        self.generations.setdefault(generation, {})

    async def write(self, generation: int, writes: Sequence[Write]) -> None:
        """Apply each write unless a higher version is stored."""
        self._check()
        documents = self.generations[generation]
        for write in writes:
            known = documents.get((write.kind, write.key))
            if known is None or known.version <= write.version:
                documents[write.kind, write.key] = write

    async def versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """Return a page of keys and versions."""
        self._check()
        writes = self.generations[generation].values()
        existing = [write for write in writes if write.kind == kind and write.document is not None]
        keys = sorted((write.key, write.version) for write in existing if after is None or write.key > after)
        return keys[:limit]

    async def read(self, generation: int, kind: str, keys: Sequence[UUID]) -> Mapping[UUID, Stored]:
        """Return documents by key."""
        self._check()
        writes = (self.generations[generation].get((kind, key)) for key in keys)
        return {
            write.key: Stored(write.version, write.document)
            for write in writes
            if write and write.document is not None
        }

    async def serve(self, generation: int) -> None:
        """Set `serving`."""
        self._check()
        self.serving = generation

    async def discard(self, generation: int) -> None:
        """Delete a generation."""
        self._check()
        self.generations.pop(generation, None)

    def seen(self, kind: str) -> dict[UUID, Document]:
        """Return the documents of a kind that readers see, by key."""
        writes = self.generations.get(self.serving or 0, {}).values()
        return {
            write.key: write.document for write in writes if write.kind == kind and write.document is not None
        }

    def _check(self) -> None:
        if self.away:
            raise TargetUnavailable("the target in memory is unavailable")
