"""Reads the present data of the owners, as the source of a rebuild that needs no log of events."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from subgraphs.kit import copies
from subgraphs.kit.client import ServiceClient
from subgraphs.kit.messages import Envelope
from subgraphs.kit.sinks.copy import SinkCopy

BATCH = 200


@dataclass(frozen=True, slots=True)
class OwnersOriginals:
    """Queries the owner of each kind for all of its objects, bucket by bucket."""

    client: ServiceClient
    kinds: Sequence[SinkCopy]

    async def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        """Yield the owners' objects as events, BATCH at a time. Raises SubgraphError if an owner fails."""
        for kind in self.kinds:
            for bucket in range(copies.BUCKETS):
                variables = {"kind": kind.kind, "bucket": bucket}
                versions = (await self.client.query(kind.source, copies.VERSIONS_QUERY, variables))["found"]
                keys = sorted(versions)
                for start in range(0, len(keys), BATCH):
                    yield await self._read(kind, keys[start : start + BATCH])

    async def _read(self, kind: SinkCopy, keys: Sequence[str]) -> Sequence[Envelope]:
        variables = {"kind": kind.kind, "keys": list(keys)}
        rows = (await self.client.query(kind.source, copies.ROWS_QUERY, variables))["found"]
        return [kind.original(UUID(key), row["version"], row["told"]) for key, row in rows.items()]
