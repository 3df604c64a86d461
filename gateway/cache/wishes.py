"""Requests to invalidate what is cached, as the HTTP endpoint and the command accept them.

Example: `[{"kind": "entity", "type": "User", "key": {"id": "1"}}, {"kind": "tag", "tags": ["city-Bern"]}]`
gives the tags `entity:User:{"id":"1"}` and `tag:city-Bern`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.cache.keys import LONGEST_TAG, custom_tag, entity_tag, subgraph_tag, type_tag
from gateway.core.errors import RequestError
from gateway.supergraph.model import Supergraph

MOST_TAGS = 10_000  # of one request
KINDS = ("subgraph", "type", "entity", "tag")


class InvalidWish(Exception):
    """One entry of a request can't be understood."""


def read_tags(body: Any, supergraph: Supergraph) -> list[str]:
    """Return the tags that a request names, each once. Raises RequestError that lists every mistake."""
    entries = body if isinstance(body, list) else [body]
    tags: dict[str, None] = {}
    mistakes: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            tags.update(dict.fromkeys(_tags_of(entry, supergraph)))
        except InvalidWish as error:
            mistakes.append(f"entry {number}: {error}")
    if not entries:
        mistakes.append('expected at least one entry such as {"kind": "subgraph", "subgraph": "users"}')
    if len(tags) > MOST_TAGS:
        mistakes.append(f"expected at most {MOST_TAGS:,} tags, got {len(tags):,}")
    if mistakes:
        raise RequestError("; ".join(mistakes[:20]), "BAD_REQUEST")
    return list(tags)


def _tags_of(entry: Any, supergraph: Supergraph) -> Iterator[str]:
    """Yield the tags of one entry. Raises InvalidWish."""
    if not isinstance(entry, Mapping):
        raise InvalidWish(f"expected an object, got {type(entry).__name__}")
    kind = entry.get("kind")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise InvalidWish(f"expected a kind of {', '.join(KINDS)}, got {kind!r}")
    for tag in read(entry, supergraph):
        if len(tag) > LONGEST_TAG:
            raise InvalidWish(f"expected a tag of at most {LONGEST_TAG:,} characters, got {len(tag):,}")
        yield tag


def _subgraphs(entry: Mapping[str, Any], supergraph: Supergraph) -> list[str]:
    """Return the subgraphs that an entry names. Raises InvalidWish for one that does not exist."""
    given = entry.get("subgraphs", entry.get("subgraph"))
    names = given if isinstance(given, list) else [given]
    for name in names:
        if not isinstance(name, str) or name not in supergraph.subgraphs:
            raise InvalidWish(f"there is no subgraph {name!r}; expected {', '.join(supergraph.subgraphs)}")
    return names


def _of_subgraph(entry: Mapping[str, Any], supergraph: Supergraph) -> Iterator[str]:
    yield from map(subgraph_tag, _subgraphs(entry, supergraph))


def _type_name(entry: Mapping[str, Any], supergraph: Supergraph) -> str:
    name = entry.get("type")
    if not isinstance(name, str) or name not in supergraph.kinds:
        raise InvalidWish(f"there is no type {name!r} in the supergraph")
    return name


def _of_type(entry: Mapping[str, Any], supergraph: Supergraph) -> Iterator[str]:
    name = _type_name(entry, supergraph)
    if "subgraph" in entry or "subgraphs" in entry:
        names = _subgraphs(entry, supergraph)
    else:
        names = [one for one, known in supergraph.subgraphs.items() if name in known.types]
    for one in names:
        yield type_tag(one, name)


def _of_entity(entry: Mapping[str, Any], supergraph: Supergraph) -> Iterator[str]:
    name, key = _type_name(entry, supergraph), entry.get("key")
    if not isinstance(key, dict) or not key:
        raise InvalidWish('expected the key of the entity, such as {"id": "1"}')
    yield entity_tag(name, key)


def _of_tag(entry: Mapping[str, Any], _: Supergraph) -> Iterator[str]:
    given = entry.get("tags", entry.get("cache_tag", entry.get("tag")))
    names = given if isinstance(given, list) else [given]
    for name in names:
        if not isinstance(name, str) or not name:
            raise InvalidWish(f"expected tags as texts, got {name!r}")
        yield custom_tag(name)


_READERS: Mapping[str, Callable[[Mapping[str, Any], Supergraph], Iterator[str]]] = {
    "subgraph": _of_subgraph,
    "type": _of_type,
    "entity": _of_entity,
    "tag": _of_tag,
    "cache_tag": _of_tag,
}
