"""Splitting the reply to a batch into one reply per caller. Entities are not decoded; their bytes are
reassembled.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from gateway.core.envelope import encode_json
from gateway.core.numbers import exact_number
from gateway.transport.base import Reply
from gateway.transport.template import RequestTemplate

Places = Sequence[Sequence[int]]


class _Body(Struct):
    data: dict[str, list[Raw]]
    errors: list[dict[str, Any]] | None = None
    extensions: Raw | UnsetType = UNSET


decode = msgspec.json.Decoder(_Body, float_hook=exact_number).decode


class SplitReply:
    """A batch's reply. `sizes`: the number of representations sent for each lookup."""

    def __init__(self, template: RequestTemplate, reply: Reply, sizes: Sequence[int]) -> None:
        """Raises ValueError for a reply that can't be split by callers."""
        if reply.status != 200:
            raise ValueError("the status is not 200")
        self.reply = reply
        self.fields = template.fields
        found = decode(reply.body)
        self.entities = [found.data.get(field, []) for field in self.fields]
        if [len(one) for one in self.entities] != list(sizes):
            raise ValueError("the number of entities is wrong")
        self.extensions = found.extensions
        self.errors = [self._placed(error) for error in found.errors or ()]
        self._known: dict[Any, Reply] = {}

    def _placed(self, error: dict[str, Any]) -> tuple[int, int, dict[str, Any]]:
        """An error with its lookup and position. Raises ValueError when its path names no entity."""
        path = error.get("path")
        if (
            not isinstance(path, list)
            or len(path) < 2
            or path[0] not in self.fields
            or type(path[1]) is not int
        ):
            raise ValueError("an error names no entity")
        lookup = self.fields.index(path[0])
        if not 0 <= path[1] < len(self.entities[lookup]):
            raise ValueError("an error names an entity that was not requested")
        return lookup, path[1], error

    def of(self, places: Places) -> Reply:
        """The reply for the caller whose representations were sent at these positions."""
        key = tuple([tuple(one) for one in places])
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Reply(200, self._body(places), self.reply.raw_headers)
        return found

    def _body(self, places: Places) -> bytes:
        data = {
            field: [entities[place] for place in one]
            for field, entities, one in zip(self.fields, self.entities, places, strict=True)
        }
        body: dict[str, Any] = {"data": data}
        if errors := list(self._errors(places)):
            body["errors"] = errors
        if self.extensions is not UNSET:
            body["extensions"] = self.extensions
        return encode_json(body)

    def _errors(self, places: Places) -> Iterator[dict[str, Any]]:
        for lookup, place, error in self.errors:
            if place in places[lookup]:
                path = [self.fields[lookup], places[lookup].index(place), *error["path"][2:]]
                yield {**error, "path": path}
