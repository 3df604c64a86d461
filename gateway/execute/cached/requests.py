"""The subgraph requests that are cached: their facts, and the space in which the entries of a call belong.

A call's space is everything that can change the reply besides the representations: the request, the
variables, and the headers. By default all forwarded headers but those for tracing count, and the caller's
identity; the setting `vary` of a subgraph limits them. Private values always belong to one identity.
"""

from collections.abc import Hashable, Mapping
from typing import Any

from graphql import FieldNode, value_from_ast_untyped

from gateway.cache.hints import RequestFacts, request_facts
from gateway.cache.keys import digest, subgraph_tag, type_tag
from gateway.cache.memory import Space
from gateway.core.lru import LruCache
from gateway.settings import CacheSettings
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call

REQUESTS = 5_000  # the number of requests whose facts are remembered
SPACES = 20_000  # the number of spaces of all requests that are remembered; their keys may have tokens
REFUSED, SKIPPED = 16, 256
AUTHORIZATION = b"authorization"


class CachedRequest:
    """One request to a subgraph, without the values of its variables.

    - `private`: whether its replies are for one user only, by a hint or because a reply said so.
    - `lookups`: one key for each lookup, or one for the whole data. `tags`: those of all its entries.
    - `vary`: the names of the headers that change replies; None if all do.
    - `name`: what it fetches, for statistics: entity types or root fields.
    - `refused`: the number of the last replies that must not be stored, without a gap. `skipped`: how many of
      the next calls are sent without a look into the cache.
    - `memory`, `shared`, `stale`, `missed`: how many values were found where.
    """

    __slots__ = (
        "_spaces",
        "facts",
        "lookups",
        "memory",
        "missed",
        "name",
        "owner",
        "private",
        "refused",
        "shared",
        "skipped",
        "stale",
        "subgraph",
        "tags",
        "vary",
    )

    def __init__(
        self, owner: "CachedRequests", call: Call, facts: RequestFacts, vary: tuple[bytes, ...] | None
    ) -> None:
        self.owner = owner
        self.subgraph = call.subgraph
        self.facts = facts
        self.private = facts.private
        self.vary = vary
        self.lookups = call.template.fields if call.template.entities_only else ("",)
        names = sorted(facts.entities) if facts.entities else facts.types
        self.name = f"{call.subgraph}: {', '.join(names) or 'Query'}"
        self.tags = (subgraph_tag(call.subgraph), *(type_tag(call.subgraph, one) for one in facts.types))
        self._spaces: dict[Hashable, tuple[Space, ...]] = {}
        self.memory = self.shared = self.stale = self.missed = 0
        self.refused = self.skipped = 0

    def forget_spaces(self) -> None:
        """Forget the spaces of earlier calls; their entries stay."""
        self._spaces.clear()

    def judged(self, storable: bool) -> None:
        """Take note of whether a reply could be stored.

        After several that could not, calls are sent without a look, which costs a tenth of a call.
        """
        self.refused = 0 if storable else self.refused + 1
        if self.refused >= REFUSED:
            self.skipped = SKIPPED

    def spaces(self, call: Call) -> tuple[Space, ...] | None:
        """Return the space of each lookup of a call; None if its replies can't be cached for this caller."""
        key = self._varying(call)
        if key is None:
            return None
        if call.template.entities_only and call.members:
            key = (key, *call.members)
        found = self._spaces.get(key)
        if found is None:
            self.owner.remember_space()
            found = self._spaces[key] = self._make(call, key)
        return found

    def _varying(self, call: Call) -> Hashable:
        """Return the values beside the request that change replies; None for a private request of nobody."""
        context = call.context
        if context is None:
            return None
        identity = context.identity.key
        if self.private and identity is None:
            return None
        if self.vary is None:
            return call.headers.sharing_key, context.partition, identity, context.request_extensions
        values = tuple([one for one in call.headers.raw if one[0] in self.vary]) if self.vary else ()
        owner = identity if self.private else None
        return values, context.partition, owner, context.request_extensions

    def _make(self, call: Call, key: Hashable) -> tuple[Space, ...]:
        template = call.template
        parts = (template.start, template.end, repr(key).encode(), self.facts.meaning)
        return tuple(
            Space(digest(self.subgraph.encode(), one.encode(), *parts), self.tags) for one in self.lookups
        )

    def varies_otherwise(self, call: Call, names: frozenset[bytes]) -> bool:
        """Return whether a reply depends on a header of the call that is not in its key.

        `names`: those in the Vary header of the reply.
        """
        if self.vary is None or not names:
            return False
        return any(name in names and name not in self.vary for name, _ in call.headers.raw)

    def is_shared(self, call: Call) -> bool:
        """Return whether the entries of a call with a token are reused for calls with other tokens."""
        if self.vary is None or AUTHORIZATION in self.vary or self.private:
            return False
        return any(name == AUTHORIZATION for name, _ in call.headers.raw)


class CachedRequests:
    """The requests of one supergraph, with their facts."""

    def __init__(self, supergraph: Supergraph, settings: CacheSettings) -> None:
        self.supergraph = supergraph
        self.settings = settings
        self.known: LruCache[Hashable, CachedRequest] = LruCache(REQUESTS)
        self.spaces = 0

    def remember_space(self) -> None:
        """Count a space that a request remembers; at the limit let all requests forget theirs."""
        self.spaces += 1
        if self.spaces > SPACES:
            self.spaces = 1
            for one in self.known.values.values():
                one.forget_spaces()

    def of(self, call: Call) -> CachedRequest | None:
        """Return the request of a call; None if its replies are not cached."""
        template = call.template
        key = (call.subgraph, template.start, template.end)
        found = self.known.values.get(key)  # not `get`: moving the entry costs more than the whole lookup
        if found is None:
            found = self._make(call)
            self.known.put(key, found)
        if found.skipped:
            found.skipped -= 1
            return None
        return found if found.facts.stores else None

    def _make(self, call: Call) -> CachedRequest:
        own = self.settings.subgraphs.get(call.subgraph)
        vary = None if own is None or own.vary is None else tuple(one.lower().encode() for one in own.vary)
        return CachedRequest(
            self, call, request_facts(self.supergraph, self.settings, call.subgraph, call.query), vary
        )


def arguments_of(field: FieldNode, call: Call) -> Mapping[str, Any]:
    """Return the values of the arguments of a call's root field."""
    variables = call.variables
    return {one.name.value: value_from_ast_untyped(one.value, variables) for one in field.arguments or ()}
