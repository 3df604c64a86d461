"""Invalidates what a mutation has changed: the entities that it returns, and what the settings name.

Tags are invalid before the client gets the reply, so that its next query sees the change. A mutation without
a reply may have been executed all the same, so what the settings name is invalid then too.
"""

from typing import NamedTuple

from graphql import FieldNode, GraphQLError, OperationDefinitionNode, parse

from gateway.cache.cache import Cache
from gateway.cache.embedded import Finder, embedded_tags, entity_keys, finders_of
from gateway.cache.keys import expand
from gateway.core.jsontext import NotJson, read_json
from gateway.core.lru import LruCache
from gateway.execute.cached.requests import arguments_of
from gateway.supergraph.model import Supergraph
from gateway.transport.base import Call, Done, Handle, Outcome, Reply, Transport

MUTATIONS = 1_000  # the number of requests whose facts are remembered


class _Facts(NamedTuple):
    """What a request invalidates: the entities that `finders` find, and the templates of each field."""

    finders: tuple[Finder, ...]
    rules: tuple[tuple[FieldNode, tuple[str, ...]], ...]


class InvalidatingTransport:
    """A transport for mutations. `source`: sends the calls."""

    def __init__(self, source: Transport, cache: Cache, supergraph: Supergraph) -> None:
        self.source = source
        self.cache = cache
        self.supergraph = supergraph
        self.keys = entity_keys(supergraph)
        self.facts: LruCache[tuple[str, bytes], _Facts] = LruCache(MUTATIONS)

    def post(self, call: Call, done: Done) -> Handle:
        """Send a call; if it is a mutation, invalidate what it changes when its outcome arrives."""
        facts = None if call.repeatable else self.facts_of(call)
        if facts is None or not (facts.rules or facts.finders):
            return self.source.post(call, done)

        return _Mutation(self, call, facts, done)

    def changed(self, call: Call, facts: _Facts, outcome: Outcome | None) -> None:
        """Invalidate what a call has changed. `outcome`: None if nobody waits for it any more."""
        self.cache.invalidate(self.tags(call, facts, outcome))

    def facts_of(self, call: Call) -> _Facts | None:
        """Return what a request invalidates; None for a query."""
        key = call.subgraph, call.template.start
        found = self.facts.get(key)
        if found is None:
            found = self._make(call)
            self.facts.put(key, found)
        return found

    def _make(self, call: Call) -> _Facts:
        try:
            definition = parse(call.query, no_location=True).definitions[0]
        except GraphQLError:
            return _Facts((), ())
        if not isinstance(definition, OperationDefinitionNode) or definition.operation.value != "mutation":
            return _Facts((), ())
        settings = self.cache.settings
        items = [one for one in definition.selection_set.selections if isinstance(one, FieldNode)]
        rules = [
            (one, settings.mutations[one.name.value].tags)
            for one in items
            if one.name.value in settings.mutations
        ]
        finders: tuple[Finder, ...] = ()
        if settings.returned:
            types = self.supergraph.subgraphs[call.subgraph].types
            root = self.supergraph.roots["mutation"]
            finders = finders_of(types, self.keys, root, definition.selection_set.selections)
        return _Facts(finders, tuple(rules))

    def tags(self, call: Call, facts: _Facts, outcome: Outcome | None) -> list[str]:
        """Return the tags that are invalid after a call."""
        found: list[str] = []
        for field, templates in facts.rules:
            arguments = arguments_of(field, call)
            expanded = [expand(one, {}, arguments) for one in templates]
            found += [one for one in expanded if one is not None]
        if facts.finders and isinstance(outcome, Reply):
            try:
                payload = read_json(outcome.body)
            except NotJson:
                return found
            if isinstance(payload, dict):
                found += embedded_tags(facts.finders, payload.get("data"))
        return found

    async def close(self) -> None:
        await self.source.close()


class _Mutation:
    """One mutation in progress. It may have been executed also if its client has left."""

    def __init__(self, owner: InvalidatingTransport, call: Call, facts: _Facts, done: Done) -> None:
        self.owner, self.call, self.facts, self.done = owner, call, facts, done
        self.is_over = False
        self.handle = owner.source.post(call, self.replied)

    def replied(self, outcome: Outcome) -> None:
        """Invalidate, then pass the outcome on."""
        self.is_over = True
        self.owner.changed(self.call, self.facts, outcome)
        self.done(outcome)

    def cancel(self) -> None:
        """Cancel the call, and invalidate what the settings name."""
        if not self.is_over:
            self.is_over = True
            self.handle.cancel()
            self.owner.changed(self.call, self.facts, None)
