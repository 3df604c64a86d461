"""Splits the reply to a batch into one reply per caller. The entities' bytes are copied, not decoded."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from gateway.core.jsontext import encode_json, read_json
from gateway.core.numbers import exact_number
from gateway.transport.base import Reply
from gateway.transport.template import RequestTemplate

ENTITY_TAGS = "apolloEntityCacheTags"
"""The extension with a list of cache tags for each entity of a reply."""
Places = Sequence[Sequence[int]]


class _Body(Struct):
    data: dict[str, list[Raw]]
    errors: list[dict[str, Any]] | None = None
    extensions: Raw | UnsetType = UNSET


decode = msgspec.json.Decoder(_Body, float_hook=exact_number).decode


class SplitReply:
    """The reply to a batch. `sizes`: the number of representations sent for each lookup."""

    def __init__(self, template: RequestTemplate, reply: Reply, sizes: Sequence[int]) -> None:
        """Read the reply. Raise ValueError if it can't be split among the callers.

        To be split it must have the status 200, one entity for each representation, and only errors whose
        paths lead to an entity.
        """
        if reply.status != 200:
            raise ValueError(f"expected the status 200, got {reply.status}")
        self.reply = reply
        self.fields = template.fields
        found = decode(reply.body)
        self.entities = [found.data.get(field, []) for field in self.fields]
        if [len(one) for one in self.entities] != list(sizes):
            found_sizes = [len(one) for one in self.entities]
            raise ValueError(f"expected {list(sizes)} entities for the lookups, got {found_sizes}")
        self.extensions = found.extensions
        self.errors = [self._placed(error) for error in found.errors or ()]
        self.tags = self._entity_tags()
        self._known: dict[Any, Reply] = {}

    def _entity_tags(self) -> list[Any] | None:
        """Return the tags of each entity that the reply names; None if it names none.

        With several lookups nobody knows to which of them the tags belong, so they are dropped.
        """
        if self.extensions is UNSET or ENTITY_TAGS.encode() not in bytes(self.extensions):
            return None
        whole = read_json(bytes(self.extensions))
        found = whole.get(ENTITY_TAGS) if isinstance(whole, dict) else None
        if not isinstance(found, list):
            return None
        return found if len(self.fields) == 1 else []

    def _placed(self, error: dict[str, Any]) -> tuple[int, int, dict[str, Any]]:
        """Return (lookup, position of the entity, error) for an error of the reply.

        Raises ValueError if the error's path does not lead to an entity.
        """
        path = error.get("path")
        if (
            not isinstance(path, list)
            or len(path) < 2
            or path[0] not in self.fields
            or type(path[1]) is not int
        ):
            raise ValueError(f"expected an error's path to begin with a lookup and an index, got {path}")
        lookup = self.fields.index(path[0])
        if not 0 <= path[1] < len(self.entities[lookup]):
            raise ValueError(f"expected an error's path to an entity of the reply, got {path}")
        return lookup, path[1], error

    def of(self, places: Places) -> Reply:
        """Return the reply for one caller.

        `places`: for each lookup the positions of its representations in the batch.
        """
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
            whole = self.extensions
            body["extensions"] = whole if self.tags is None else self._tagged(whole, self.tags, places)
        return encode_json(body)

    @staticmethod
    def _tagged(extensions: Raw, tags: Sequence[Any], places: Places) -> dict[str, Any]:
        """Return the extensions with the tags of one caller's entities, in the order of its reply."""
        mine = [tags[place] for place in places[0] if place < len(tags)]
        return {**read_json(bytes(extensions)), ENTITY_TAGS: mine}

    def _errors(self, places: Places) -> Iterator[dict[str, Any]]:
        """Yield the errors of one caller's entities, with the entities' positions in the caller's own
        reply.
        """
        for lookup, place, error in self.errors:
            if place in places[lookup]:
                path = [self.fields[lookup], places[lookup].index(place), *error["path"][2:]]
                yield {**error, "path": path}
