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
        """Keep each write that is not older than what is kept."""
        self._check()
        kept = self.generations[generation]
        for write in writes:
            known = kept.get((write.kind, write.key))
            if known is None or known.version <= write.version:
                kept[write.kind, write.key] = write

    async def versions(
        self, generation: int, kind: str, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, int]]:
        """A page of keys and versions."""
        self._check()
        found = (write for write in self.generations[generation].values() if write.document is not None)
        keys = sorted(
            (one.key, one.version) for one in found if one.kind == kind and (after is None or one.key > after)
        )
        return keys[:limit]

    async def read(self, generation: int, kind: str, keys: Sequence[UUID]) -> Mapping[UUID, Stored]:
        """Documents by key."""
        self._check()
        found = (self.generations[generation].get((kind, key)) for key in keys)
        return {
            one.key: Stored(one.version, one.document) for one in found if one and one.document is not None
        }

    async def serve(self, generation: int) -> None:
        """Set `serving`."""
        self._check()
        self.serving = generation

    async def discard(self, generation: int) -> None:
        """Forget a generation."""
        self._check()
        self.generations.pop(generation, None)

    def seen(self, kind: str) -> dict[UUID, Document]:
        """What readers see of a kind."""
        kept = self.generations.get(self.serving or 0, {}).values()
        return {one.key: one.document for one in kept if one.kind == kind and one.document is not None}

    def _check(self) -> None:
        if self.away:
            raise TargetUnavailable("the target in memory is away")
