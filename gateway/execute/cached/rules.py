"""The policy of one reply, and the tags of its values."""

from collections.abc import Sequence
from functools import lru_cache

from gateway.cache.embedded import embedded_tags, entity_tags
from gateway.cache.keys import LONGEST_TAG, custom_tag, expand_tag
from gateway.cache.policy import ReplyPolicy, reply_policy
from gateway.core.jsontext import read_json
from gateway.execute.cached.replies import NULL, Values
from gateway.execute.cached.requests import CachedRequest, arguments_of
from gateway.transport.base import Call, RawHeaders

MOST_TAGS = 500  # of one value
DECIDING = frozenset(
    {b"cache-control", b"cdn-cache-control", b"age", b"vary", b"set-cookie", b"expires", b"date"}
)


def policy_of(headers: RawHeaders, authorized: bool) -> ReplyPolicy:
    """Return the policy of a reply. `authorized`: whether its call had a token that is not in the key."""
    return _policy(tuple([one for one in headers if one[0].lower() in DECIDING]), authorized)


@lru_cache(maxsize=1_024)
def _policy(headers: tuple[tuple[bytes, bytes], ...], authorized: bool) -> ReplyPolicy:
    """Return the policy of a reply; most replies of a subgraph say the same."""
    return reply_policy(headers, authorized=authorized)


def tags_of(
    request: CachedRequest, call: Call, key: bytes, value: bytes, values: Values, place: int
) -> tuple[str, ...] | None:
    """Return the tags of one value; None if they can't all be known, so that it must not be stored.

    `key`: its representation. `values`, `place`: the values of its reply, and its position there.
    """
    named = [custom_tag(one) for one in values.tags]
    facts = request.facts
    if not call.template.entities_only:
        for field, template in facts.root_tags:
            tag = expand_tag(template, {}, arguments_of(field, call))
            if tag is None:
                return None
            named.append(tag)
        if facts.finders:
            named += embedded_tags(facts.finders, read_json(value))
        return _checked(named)
    if values.entity_tags is not None:
        given = values.entity_tags[place] if place < len(values.entity_tags) else None
        if not isinstance(given, list):
            return None
        named += [custom_tag(one) for one in given if isinstance(one, str)]
    representation = read_json(key)
    kind = representation.get("__typename", "")
    known = facts.entities.get(kind)
    if known is not None:
        for name in known.names:
            named += entity_tags(name, representation, known.keys)
        expanded = [expand_tag(one, representation, {}) for one in known.tags]
        if None in expanded:
            return None
        named += [one for one in expanded if one is not None]
        if known.finders and value != NULL:
            named += embedded_tags(known.finders, read_json(value))
    return _checked(named)


def _checked(tags: Sequence[str]) -> tuple[str, ...] | None:
    """Return tags, each once; None if there are too many, or one is too long for an invalidation."""
    known = tuple(dict.fromkeys(tags))
    return known if len(known) <= MOST_TAGS and all(len(one) <= LONGEST_TAG for one in known) else None
