"""What the owners of copies tell now: the source of a rebuild that needs no log of events."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from subgraphs.kit import copies
from subgraphs.kit.client import ServiceClient
from subgraphs.kit.messages import Envelope
from subgraphs.kit.sinks.copy import SinkCopy

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class OwnersOriginals:
    """Asks the owner of each kind for its things, bucket by bucket: complete, however old they are."""

    client: ServiceClient
    kinds: Sequence[SinkCopy]

    async def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        """What the owners tell, a few hundred things at once. Raises SubgraphError where one does not
        answer."""
        for kind in self.kinds:
            for bucket in range(copies.BUCKETS):
                asked = {"kind": kind.kind, "bucket": bucket}
                versions = (await self.client.ask(kind.source, copies.VERSIONS_QUERY, asked))["found"]
                keys = sorted(versions)
                for start in range(0, len(keys), AT_ONCE):
                    yield await self._told(kind, keys[start : start + AT_ONCE])

    async def _told(self, kind: SinkCopy, keys: Sequence[str]) -> Sequence[Envelope]:
        asked = {"kind": kind.kind, "keys": list(keys)}
        rows = (await self.client.ask(kind.source, copies.ROWS_QUERY, asked))["found"]
        return [kind.original(UUID(key), row["version"], row["told"]) for key, row in rows.items()]
