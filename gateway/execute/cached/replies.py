"""Replies from cached values, and replies split into values.

Example: for the representations A, B, C, of which A is cached, B arrives, and the entity of C has an error,
the caller receives `{"data":{"_entities":[A,B,null]},"errors":[{"path":["_entities",2],...}]}`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from gateway.cache.memory import Entry
from gateway.core.jsontext import encode_json, read_json
from gateway.core.numbers import exact_number
from gateway.execute.loader.split import SplitReply
from gateway.transport.base import Call, Outcome, RawHeaders, Reply

NULL = b"null"
PRIVATE_HEADERS: RawHeaders = ((b"cache-control", b"private"),)
PARTIAL = 206
"""The status of a reply without some of its entities: it sends the execution to the exact path."""


class Failed(NamedTuple):
    """A value that could not be fetched: the outcome of its call."""

    outcome: Outcome


class Faulty(NamedTuple):
    """An entity with errors, as GraphQL error objects without the part of their path that leads to it."""

    value: bytes
    errors: Sequence[dict[str, Any]]


class Alone:
    """A value that must not be shared, so each caller fetches its own."""


ALONE = Alone()
Settled = Entry | Failed | Faulty | Alone
"""What became of one value."""


class CachedReply(Reply):
    """A reply made of entries. `entries`: for the age and the tags of the response."""

    __slots__ = ("entries",)

    def __init__(self, body: bytes, entries: Sequence[Entry], raw_headers: RawHeaders = ()) -> None:
        super().__init__(200, body, raw_headers)
        self.entries = entries


class PartialReply(Reply):
    """A reply without some of its entities, because the call for them failed.

    `missing`: by the key of a lookup, the positions of these entities. `failure`: what happened to the call.
    """

    __slots__ = ("failure", "missing")

    def __init__(self, body: bytes, missing: dict[str, frozenset[int]], failure: Outcome) -> None:
        super().__init__(PARTIAL, body)
        self.missing = missing
        self.failure = failure


class _Data(Struct):
    data: Raw
    errors: list[Any] | None = None
    extensions: Raw | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Data, float_hook=exact_number).decode


class Values(NamedTuple):
    """The values of a reply, by lookup and position, and what it says about tags (`apolloEntityCacheTags`).

    `tags`: those of the whole reply. `entity_tags`: one list for each entity; None if the reply has none.
    """

    lookups: list[list[bytes | Faulty]]
    tags: tuple[str, ...] = ()
    entity_tags: list[Any] | None = None


def values_of(call: Call, reply: Reply) -> Values | None:
    """Return the values of a reply; None if it can't be split, or is an error."""
    if reply.status != 200:
        return None
    try:
        if call.template.entities_only:
            return _entities(call, reply)
        found = _decode(reply.body)
        if found.errors or found.data == NULL:
            return None
        return Values([[bytes(found.data)]], *_tags(found.extensions))
    except (ValueError, RecursionError):  # msgspec's decoding errors are ValueErrors
        return None


def _entities(call: Call, reply: Reply) -> Values:
    split = SplitReply(call.template, reply, [len(one) for one in call.representations])
    lookups: list[list[bytes | Faulty]] = [[bytes(one) for one in several] for several in split.entities]
    errors: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for lookup, place, error in split.errors:
        errors.setdefault((lookup, place), []).append({**error, "path": error["path"][2:]})
    for (lookup, place), several in errors.items():
        lookups[lookup][place] = Faulty(bytes(split.entities[lookup][place]), several)
    return Values(lookups, *_tags(split.extensions))


def _tags(extensions: Raw | UnsetType) -> tuple[tuple[str, ...], list[Any] | None]:
    """Return the tags in a reply's extensions: of the whole reply, and of each entity."""
    if extensions is UNSET:
        return (), None
    found = read_json(bytes(extensions))
    if not isinstance(found, dict):
        return (), None
    flat, nested = found.get("apolloCacheTags"), found.get("apolloEntityCacheTags")
    names = [one for one in flat if isinstance(one, str)] if isinstance(flat, list) else []
    return tuple(names), nested if isinstance(nested, list) else None


def entity_body(fields: Sequence[str], values: Sequence[Sequence[bytes]]) -> bytes:
    """Return the body of a reply with these entities. `fields`: the key of each lookup in the reply."""
    if len(fields) == 1:
        return b'{"data":{"%b":[%b]}}' % (fields[0].encode(), b",".join(values[0]))
    parts = [
        b'"%b":[%b]' % (field.encode(), b",".join(one)) for field, one in zip(fields, values, strict=True)
    ]
    return b'{"data":{%b}}' % b",".join(parts)


def root_body(value: bytes) -> bytes:
    """Return the body of a reply with this data."""
    return b'{"data":%b}' % value


def cached_reply(call: Call, entries: Sequence[Entry], private: bool) -> CachedReply:
    """Return the reply of a call from the entries of all its values, in the order of its representations."""
    headers = PRIVATE_HEADERS if private else ()
    template = call.template
    if not template.entities_only:
        return CachedReply(root_body(entries[0].value), entries, headers)
    values = [one.value for one in entries]
    if len(template.fields) == 1:
        return CachedReply(entity_body(template.fields, (values,)), entries, headers)
    lookups: list[list[bytes]] = []
    start = 0
    for one in call.representations:
        lookups.append(values[start : start + len(one)])
        start += len(one)
    return CachedReply(entity_body(template.fields, lookups), entries, headers)


def assembled(call: Call, settled: Sequence[Entry | Failed | Faulty]) -> Outcome:
    """Return the reply of a call from what became of its values, in the order of its representations."""
    first = settled[0]
    if isinstance(first, Failed) and all(one == first for one in settled):
        return first.outcome
    values: list[list[bytes]] = []
    errors: list[dict[str, Any]] = []
    missing: dict[str, frozenset[int]] = {}
    failure: Outcome | None = None
    rest = iter(settled)
    for field, representations in zip(call.template.fields, call.representations, strict=True):
        mine: list[bytes] = []
        gone: set[int] = set()
        for place in range(len(representations)):
            one = next(rest)
            if isinstance(one, Failed):
                failure = one.outcome
                gone.add(place)
                mine.append(NULL)
                continue
            mine.append(one.value)
            if isinstance(one, Faulty):
                errors += [{**error, "path": [field, place, *error["path"]]} for error in one.errors]
        values.append(mine)
        if gone:
            missing[field] = frozenset(gone)
    body = entity_body(call.template.fields, values)
    if errors:
        body = b'%b,"errors":%b}' % (body[:-1], encode_json(errors))
    return Reply(200, body) if failure is None else PartialReply(body, missing, failure)
