"""Caches whole responses of queries in the memory of this process, and says in headers how long others may.

A response is stored if every value in it is: it is valid as long as all of them. Its key is the plan, the
variables, and the headers that change the replies of any of the plan's subgraphs; a private one also has the
caller's identity in its key. Redis has the values of which a response is made, but not the response.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from secrets import token_bytes
from typing import Any

from gateway.cache.cache import Cache
from gateway.cache.keys import digest
from gateway.cache.memory import Entry, Space
from gateway.core.envelope import NO_CACHE_POLICY, PRIVATE, Envelope
from gateway.core.jsontext import read_json
from gateway.core.lru import LruCache
from gateway.engine import Engine
from gateway.execute.cached.modes import cache_mode
from gateway.execute.inputs import ExecutionInputs
from gateway.execution import EnvelopeCallback, StartExecution
from gateway.pipeline import PreparedOperation
from gateway.prepared_operations import PlanKey
from gateway.settings import CacheSettings
from gateway.transport.base import Handle

OPERATIONS = 5_000  # the number of plans whose facts are remembered
SPACES = 10_000  # the number of headers' values of one plan that are remembered
MISSED = 20_000  # the number of misses that are remembered, twice
MOST_TAGS = 500  # of a stored response
HeaderPairs = tuple[tuple[bytes, bytes], ...]
NO_STORE: HeaderPairs = ((b"cache-control", b"no-store"),)


class ResponseFacts:
    """What is known about the responses of one plan.

    - `vary`: the headers that change them; None if all forwarded headers do. `names`: for the Vary header.
    - `private`: whether a response was for one user only.
    - `hits`, `misses`: how often a response was found, or not. `name`: the operation's.
    - `shown`: the last response, its age in seconds, and its headers: most hits have the same.
    """

    __slots__ = ("hits", "misses", "name", "names", "private", "shown", "spaces", "vary")

    def __init__(self, name: str, vary: tuple[bytes, ...] | None, names: bytes) -> None:
        self.name = name
        self.vary = vary
        self.names = names
        self.private = False
        self.hits = self.misses = 0
        self.spaces: dict[object, Space] = {}
        self.shown: tuple[Entry, int, HeaderPairs] | None = None


class CachedResponses:
    """The responses of one gateway.

    `cache`: where they are stored. `missed`, `missed_before`: hashes of recent responses that were not found.
    """

    def __init__(self, engine: Engine, cache: Cache, forwarded: Sequence[str]) -> None:
        self.cache = cache
        self.settings: CacheSettings = cache.settings
        self.clock = engine.clock
        self.forwarded = tuple(forwarded)
        self.identity = token_bytes(8)  # a reload may change what a plan's key means
        self.facts: LruCache[PlanKey, ResponseFacts] = LruCache(OPERATIONS)
        self.missed: set[int] = set()
        self.missed_before: set[int] = set()
        self.own_headers = self.settings.headers and engine.response_headers is None
        self.is_used = self.settings.responses or self.own_headers
        self.needs_tags = self.settings.responses or self.settings.tags_header is not None
        cdn = self.settings.cdn_header
        self.cdn_header = cdn.lower().encode() if cdn is not None else None

    def answer(
        self,
        key: PlanKey,
        prepared: PreparedOperation,
        encoded: bytes,
        inputs: ExecutionInputs,
        answered: EnvelopeCallback,
    ) -> Handle | None:
        """Answer a query with a stored response; return None if there is none.

        `encoded`: the variables as JSON.
        """
        facts = self.facts.values.get(key) or self.facts_of(key, prepared)
        mode = inputs.context.cache_mode or cache_mode(inputs.context, self.settings)
        if not (mode[0] and self.settings.responses):
            return None
        space = self.space(facts, key, inputs)
        entry = self.found(space, encoded) if space is not None else None
        if entry is None:
            facts.misses += 1
            return None
        facts.hits += 1
        policy = PRIVATE if entry.private else NO_CACHE_POLICY
        envelope = Envelope(entry.value, None, policy, self.headers(entry, facts))
        return self.clock.call_soon(answered, envelope)

    def found(self, space: Space, encoded: bytes) -> Entry | None:
        """Return the fresh and valid entry of a response; None if there is none."""
        now = self.clock.time()
        found = self.cache.memory.fresh(space.digest, (encoded,), now, self.cache.horizon(now))
        return None if found is None else found[0]

    def storing(
        self,
        start: StartExecution,
        key: PlanKey,
        prepared: PreparedOperation,
        encoded: bytes,
        inputs: ExecutionInputs,
    ) -> StartExecution:
        """Return what starts an execution, and stores its response."""
        facts = self.facts_of(key, prepared)

        def begin(answered: EnvelopeCallback) -> Handle:
            return start(partial(self.executed, facts, key, encoded, inputs, answered))

        return begin

    def executed(
        self,
        facts: ResponseFacts,
        key: PlanKey,
        encoded: bytes,
        inputs: ExecutionInputs,
        answered: EnvelopeCallback,
        found: Envelope | BaseException,
    ) -> None:
        """Store a response if all of its parts are stored, add its headers, and pass it on."""
        if isinstance(found, Envelope):
            entry = self.entry_of(found)
            if entry is not None and entry.private and not facts.private:
                facts.private = True
                facts.spaces.clear()  # from now on the identity is in the key
            if entry is not None and self.settings.responses and cache_mode(inputs.context, self.settings)[1]:
                space = self.space(facts, key, inputs)
                if space is not None and self.is_welcome(space, encoded):
                    self.cache.memory.put(space, encoded, entry)
            more = NO_STORE if entry is None else self.headers(entry, facts)
            found = found.with_headers(*more) if self.own_headers else found
        answered(found)

    def is_welcome(self, space: Space, encoded: bytes) -> bool:
        """Return whether a response may be stored: while memory is half empty, and later at its second miss.

        Else responses to variables that are never asked again would push out the values of which they are
        made.
        """
        if self.cache.memory.size * 2 < self.cache.memory.limit:
            return True
        place = hash((space.digest, encoded))
        if place in self.missed or place in self.missed_before:
            return True
        self.missed.add(place)
        if len(self.missed) >= MISSED:
            self.missed_before, self.missed = self.missed, set()
        return False

    def entry_of(self, envelope: Envelope) -> Entry | None:
        """Return the entry for a response, without a body if responses are not stored; None if a part of it
        is not stored, or any more fresh.
        """
        parts = envelope.cache.parts
        body: object = b""
        if parts and self.settings.responses:
            body = envelope.shared().response
        if not parts or not isinstance(body, bytes):
            return None
        first = parts[0]
        until, born, early, position = first.fresh_until, first.born, first.early, first.position
        private = False
        for part in parts:  # one loop: this runs for every value of a response that is not stored yet
            if part.space is None:  # it was not stored
                return None
            if part.fresh_until < until:
                until = part.fresh_until
            if part.born < born:
                born = part.born
            if part.early < early:
                early = part.early
            if part.position < position:
                position = part.position
            private = private or part.private
        if until <= self.clock.time():
            return None
        tags = self.tags_of(parts) if self.needs_tags else ()
        if len(tags) > MOST_TAGS:
            return None
        return Entry(body, tags, position, born, until, early=early, private=private)

    @staticmethod
    def tags_of(parts: Sequence[Entry]) -> tuple[str, ...]:
        """Return the tags of all parts, each once."""
        tags: set[str] = set()
        spaces: set[Space] = set()
        for part in parts:
            tags.update(part.tags)
            if part.space is not None:
                spaces.add(part.space)
        for space in spaces:
            tags.update(space.tags)
        return tuple(tags)

    def headers(self, entry: Entry, facts: ResponseFacts) -> HeaderPairs:
        """Return the headers of a response that say how long it may be cached (RFC 9111, RFC 9213)."""
        if not self.own_headers:
            return ()
        age = max(int(self.clock.time() - entry.born), 0)
        shown = facts.shown
        if shown is not None and shown[0] is entry and shown[1] == age:
            return shown[2]
        found = self.written(entry, facts, age)
        facts.shown = entry, age, found
        return found

    def written(self, entry: Entry, facts: ResponseFacts, age: int) -> HeaderPairs:
        """Return the headers of a response that is `age` seconds old."""
        lifetime = max(int(entry.fresh_until - entry.born), 0)
        tags = entry.tags if self.settings.tags_header is not None else ()
        return _headers(
            lifetime,
            age,
            entry.private,
            facts.names,
            self.cdn_header,
            self.settings.tags_header,
            tags,
        )

    def facts_of(self, key: PlanKey, prepared: PreparedOperation) -> ResponseFacts:
        """Return what is known about the responses of a plan."""
        found = self.facts.values.get(key)
        if found is None:
            vary = self.vary(prepared)
            names = self.forwarded if vary is None else [one.decode() for one in vary]
            found = ResponseFacts(prepared.operation.name or "", vary, ", ".join(sorted(names)).encode())
            self.facts.put(key, found)
        return found

    def vary(self, prepared: PreparedOperation) -> tuple[bytes, ...] | None:
        """Return the headers that change the replies of a plan's subgraphs; None if all do."""
        found: set[bytes] = set()
        for fetch in prepared.plan.fetches:
            own = self.settings.subgraphs.get(fetch.subgraph)
            if own is None or own.vary is None:
                return None
            found.update(one.lower().encode() for one in own.vary)
        return tuple(sorted(found))

    def space(self, facts: ResponseFacts, key: PlanKey, inputs: ExecutionInputs) -> Space | None:
        """Return the space of a response; None for a private one of an unknown caller."""
        headers, context = inputs.headers, inputs.context
        identity = context.identity.key
        if facts.private and identity is None:
            return None
        varying: object
        if facts.vary is None:
            varying = headers.sharing_key, context.partition, identity, context.request_extensions
        else:
            several = [headers] if headers.by_subgraph is None else headers.by_subgraph.values()
            values = tuple([one for each in several for one in each.raw if one[0] in facts.vary])
            owner = identity if facts.private else None
            varying = values, context.partition, owner, context.request_extensions
        found = facts.spaces.get(varying)
        if found is None:
            if len(facts.spaces) >= SPACES:
                facts.spaces.clear()
            parts = (self.identity, repr(key).encode(), repr(varying).encode())
            found = facts.spaces[varying] = Space(digest(b"response", *parts), ())
        return found

    def asked_most(self, limit: int) -> list[dict[str, Any]]:
        """Return the public queries with cached responses, those asked most first, with their variables."""
        found: list[dict[str, Any]] = []
        ordered = sorted(self.facts.values.items(), key=lambda one: -(one[1].hits + one[1].misses))
        for key, facts in ordered:
            for space in () if facts.private else facts.spaces.values():
                known = self.cache.memory.spaces.get(space.digest)
                for encoded in known.entries if known is not None else ():
                    if len(found) >= limit:
                        return found
                    variables = read_json(encoded) if encoded else {}
                    entry = {"query": key.text, "operationName": key.operation_name, "variables": variables}
                    found.append({**entry, "asked": facts.hits + facts.misses})
        return found

    def counts(self) -> Mapping[str, tuple[int, int]]:
        """Return the hits and misses by the name of the operation."""
        found: dict[str, tuple[int, int]] = {}
        for one in self.facts.values.values():
            hits, misses = found.get(one.name, (0, 0))
            found[one.name] = hits + one.hits, misses + one.misses
        return found


@lru_cache(maxsize=4_096)
def _headers(
    lifetime: int,
    age: int,
    private: bool,
    vary: bytes,
    cdn_header: bytes | None,
    tags_header: str | None,
    tags: tuple[str, ...],
) -> HeaderPairs:
    scope = b"private" if private else b"public"
    found = [(b"cache-control", b"%b, max-age=%d" % (scope, lifetime)), (b"age", b"%d" % age)]
    if vary:
        found.append((b"vary", vary))
    if cdn_header is not None:
        found.append((cdn_header, b"no-store" if private else b"max-age=%d" % lifetime))
    if tags_header is not None and not private:
        # commas separate tags in Cache-Tag, spaces in Surrogate-Key; neither may be within one
        separator = " " if tags_header.lower() == "surrogate-key" else ","
        shown = [one for one in sorted(tags) if not {" ", ","} & set(one) and one.isascii()]
        found.append((tags_header.lower().encode(), separator.join(shown)[:8_000].encode()))
    return tuple(found)
