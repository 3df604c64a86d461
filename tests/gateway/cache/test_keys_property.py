"""Different requests never share a key, in memory or in Redis; equal ones do in Redis, however they are
written. Readers of tags raise nothing but the documented errors.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.cache.embedded import entity_tags
from gateway.cache.keys import canonical, digest, entry_digest, expand_tag
from gateway.cache.shared import SharedEntries
from gateway.cache.wishes import read_tags
from gateway.core.context import Identity
from gateway.core.errors import RequestError
from gateway.core.jsontext import read_json
from gateway.execute.cached.transport import CachedTransport
from gateway.transport.base import Call
from gateway.transport.headers import Headers
from gateway.transport.template import template_of
from tests.gateway.cache.rig import SDLS, DictNodes, Rig, Shop, caching_of

EXAMPLES = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


class Number(NamedTuple):
    """A number of JSON, as its text."""

    text: str


NUMBERS = (
    *("0", "-0", "1", "1.0", "1.00", "1e0", "1E0", "10e-1", "-1", "0.1", "1e-1", "1e400", "1e16"),
    *(str(2**63), str(2**64), "1" + "0" * 400, "10000000000000000.0", "0.30000000000000004", "0.3"),
)
TEXTS = ("", "1", "1.0", "null", "true", "é", "e\u0301", "\u0000", '"', "\\", "{", "id", "İ", "😀", ":", ",")
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS).map(Number),
    st.integers().map(lambda one: Number(str(one))),
    st.sampled_from(TEXTS),
    st.text(max_size=5),
)
NAMES = st.sampled_from(("id", "__typename", "a", "A", "", "id ", "1")) | st.text(max_size=3)
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=3)
TEMPLATES = (
    st.sampled_from(("", "{$key.id}", "a-{$key.a}-{$args.id}", "{$args.a.id}", "{$key..}", "{$key.a.}"))
    | st.text()
)


def written(value: Any, backwards: bool = False) -> str:
    """Return a value as JSON. `backwards`: with the fields of objects in the other order."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        items = [f"{json.dumps(name)}:{written(one, backwards)}" for name, one in value.items()]
        return "{" + ",".join(reversed(items) if backwards else items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(one, backwards) for one in value) + "]"
    return json.dumps(value, ensure_ascii=backwards)


def meaning(value: Any) -> object:
    """Return what is equal for values that may share a key: integers by value, decimals by their text."""
    if isinstance(value, Number):
        is_decimal = any(one in ".eE" for one in value.text)
        return ("decimal", value.text) if is_decimal else ("integer", int(value.text))
    if isinstance(value, dict):
        return "object", frozenset((name, meaning(one)) for name, one in value.items())
    if isinstance(value, list):
        return "list", tuple(meaning(one) for one in value)
    return type(value).__name__, value


@EXAMPLES
@given(OBJECTS, OBJECTS)
def test_representations_share_a_key_if_and_only_if_they_are_equal(one: Any, other: Any) -> None:
    first, second = (entry_digest(b"space", written(value).encode()) for value in (one, other))
    assert (first == second) == (meaning(one) == meaning(other))


@EXAMPLES
@given(OBJECTS)
def test_the_order_of_fields_does_not_matter(value: Any) -> None:
    texts = [written(value, backwards).encode() for backwards in (False, True)]
    assert len({entry_digest(b"space", text) for text in texts}) == 1
    assert len({canonical(read_json(text)) for text in texts}) == 1


@EXAMPLES
@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_parts_are_not_just_joined(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


@cache
def gateway() -> Rig:
    """Return the gateway of all examples."""
    return Rig(SDLS, Shop(), caching_of(), nodes=DictNodes())


class Asked(NamedTuple):
    """What decides which entries a call has."""

    subgraph: str
    query: str
    representations: Sequence[Any]
    variables: Mapping[str, Any]
    token: str | None
    language: str | None
    user: str | None
    partition: str | None
    extensions: str | None


ENTITIES = "query($representations:[_Any!]!%s){_entities(representations:$representations){...on Thing{%s}}}"
QUERIES = st.sampled_from(
    [
        ENTITIES % ("", "name"),
        ENTITIES % ("", "name:mood"),
        ENTITIES % (",$a:Int", "name"),
        "{things(ids:[1]){id}}",
    ]
)
HOSTILE = st.sampled_from((None, "", "a", "a, b", "a', b'b", "None", "'", "b'a'", "a\x00"))
CALLS = st.builds(
    Asked,
    st.sampled_from(("info", "shop")),
    QUERIES,
    st.lists(st.dictionaries(st.just("id"), LEAVES, max_size=1), min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(("a", "b")), LEAVES, max_size=2),
    HOSTILE,
    HOSTILE,
    HOSTILE,
    HOSTILE,
    HOSTILE,
)


def call_of(asked: Asked, rig: Rig) -> Call:
    """Return the call."""
    lookups = [("representations", "_entities")] if "_entities" in asked.query else []
    template = template_of(asked.query, None, lookups, entities_only=bool(lookups))
    sent = [("authorization", asked.token), ("x-lang", asked.language)]
    context = rig.engine.context({})
    context.identity = Identity(asked.user or "", key=asked.user, authenticated=asked.user is not None)
    context.partition = asked.partition
    context.request_extensions = None if asked.extensions is None else asked.extensions.encode()
    return Call(
        asked.subgraph,
        0,
        template,
        [f"{json.dumps(name)}:{written(one)}".encode() for name, one in asked.variables.items()],
        [[written(one).encode() for one in asked.representations]] if lookups else (),
        Headers.of([(name, value) for name, value in sent if value is not None]),
        True,
        1e9,
        30.0,
        context,
    )


def keys_of(asked: Asked, rig: Rig) -> tuple[set[Any], set[bytes]]:
    """Return the keys of a call's entries in memory, and in Redis."""
    transport, shared = rig.engine.queries, rig.cache.shared
    assert isinstance(transport, CachedTransport)
    assert isinstance(shared, SharedEntries)
    call = call_of(asked, rig)
    request = transport.requests.of(call)
    assert request is not None
    spaces = request.spaces(call)
    assert spaces is not None
    pairs = [(space, key) for space, keys in zip(spaces, transport.keys(call), strict=True) for key in keys]
    in_memory = {(space.digest, key) for space, key in pairs}
    return in_memory, {shared.key(asked.subgraph, space, key) for space, key in pairs}


def parts_of(asked: Asked) -> set[Any]:
    """Return what distinguishes the entries of a call."""
    common = (asked.subgraph, asked.query, asked.token, asked.language, asked.user, asked.partition)
    variables = tuple(f"{name}:{written(one)}" for name, one in asked.variables.items())
    entities = [meaning(one) for one in asked.representations] if "_entities" in asked.query else [()]
    return {(*common, asked.extensions, variables, one) for one in entities}


@EXAMPLES
@given(CALLS, CALLS)
def test_different_calls_share_no_key(one: Asked, other: Asked) -> None:
    rig = gateway()
    (_, in_redis), (_, other_in_redis) = keys_of(one, rig), keys_of(other, rig)
    assert len(in_redis & other_in_redis) == len(parts_of(one) & parts_of(other))
    in_memory, other_in_memory = keys_of(one, rig)[0], keys_of(other, rig)[0]
    assert len(in_memory & other_in_memory) <= len(parts_of(one) & parts_of(other))


@EXAMPLES
@given(CALLS, st.sampled_from(Asked._fields), CALLS)
def test_a_call_that_differs_in_one_thing_shares_no_key(one: Asked, name: str, source: Asked) -> None:
    rig = gateway()
    other = one._replace(**{name: getattr(source, name)})
    shared = keys_of(one, rig)[1] & keys_of(other, rig)[1]
    assert len(shared) == len(parts_of(one) & parts_of(other))


@EXAMPLES
@given(TEMPLATES, OBJECTS, OBJECTS)
def test_templates_of_tags_raise_nothing(template: str, key: Any, arguments: Any) -> None:
    values = [read_json(written(one)) for one in (key, arguments)]
    found = expand_tag(template, *values)
    assert found is None or found.startswith("tag:")


@EXAMPLES
@given(OBJECTS)
def test_tags_of_entities_raise_nothing(values: Any) -> None:
    keys = gateway().engine.supergraph.subgraphs["info"].types["Thing"].keys
    found = list(entity_tags("Thing", read_json(written(values)), keys))
    assert len(found) == (read_json(written(values)).get("id") is not None)


WISHES = st.dictionaries(
    st.sampled_from(("kind", "subgraph", "subgraphs", "type", "key", "tag", "tags", "cache_tag", "x")),
    JSON | st.sampled_from(("subgraph", "type", "entity", "tag", "cache_tag", "info", "Thing", "a" * 2_000)),
    max_size=5,
)


@EXAMPLES
@given(JSON | WISHES | st.lists(WISHES, max_size=4))
def test_requests_to_invalidate_raise_only_their_error(body: Any) -> None:
    try:
        tags = read_tags(read_json(written(body)), gateway().engine.supergraph)
    except RequestError as error:
        assert error.code == "BAD_REQUEST"
    else:
        assert all(isinstance(one, str) for one in tags)
