"""Calls that the compiled path had sent when it stopped; the exact path uses their replies.

They are found by the fetch's id. The two paths may encode the same representations in another order, or one
number in two ways (`1e16` and `10000000000000000.0`), so entities are matched by the values of their
representations.

Example: the compiled path has sent the representations A, B, C, and the exact path finds the objects of B, A,
D. The reply is used as a batch of A (its objects), B (its objects) and C (no objects); D is still to look up.
"""

import asyncio
from collections.abc import Mapping, Sequence

from gateway.core.jsontext import read_json
from gateway.execute.entities import EntityBatch, representation_key
from gateway.transport.base import Call, Outcome

EntityBatches = Mapping[str | None, EntityBatch]


class SentCall:
    """A call that was sent, and its outcome (reply or error); `outcome` is None until it arrives."""

    __slots__ = ("call", "outcome", "waiting")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.outcome: Outcome | None = None
        self.waiting: asyncio.Future[Outcome] | None = None

    def arrived(self, outcome: Outcome) -> None:
        """Store the outcome, and resume the exact path if it waits for it."""
        self.outcome = outcome
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(outcome)

    async def get(self) -> Outcome:
        """Wait for the outcome and return it."""
        if self.outcome is not None:
            return self.outcome
        self.waiting = asyncio.get_running_loop().create_future()
        return await self.waiting

    def match(
        self, batches: EntityBatches
    ) -> tuple[dict[str | None, EntityBatch], dict[str | None, EntityBatch]]:
        """Split batches into those that the reply answers, in the order of its entities, and those still to
        look up.
        """
        known: dict[str | None, EntityBatch] = {}
        rest: dict[str | None, EntityBatch] = {}
        asked = dict(zip(self.call.template.fields, self.call.representations, strict=False))
        for field, batch in batches.items():
            known[field], missing = _split(batch, asked.get(field or "", ()))
            if missing.representations:
                rest[field] = missing
        return known, rest


def _split(batch: EntityBatch, asked: Sequence[bytes]) -> tuple[EntityBatch, EntityBatch]:
    """Split one batch; `asked`: the representations that the call has sent, as JSON."""
    written = [read_json(one) for one in asked]
    places = {representation_key(one): index for index, one in reversed(list(enumerate(written)))}
    known = EntityBatch(batch.lookup, written, [[] for _ in written])
    missing = EntityBatch(batch.lookup)
    for representation, objects in zip(batch.representations, batch.objects, strict=True):
        place = places.get(representation_key(representation))
        if place is None:
            missing.representations.append(representation)
            missing.objects.append(objects)
        else:
            known.objects[place].extend(objects)
    return known, missing
