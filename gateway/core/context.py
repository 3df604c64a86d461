"""The context of one client request: every stage, plugin and subgraph call receives it."""

import re
import uuid
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.core.clock import SYSTEM_CLOCK, Clock

_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
REQUEST_ID = "x-request-id"
CLIENT_NAMES = ("graphql-client-name", "apollographql-client-name", "x-client-name")
CLIENT_VERSIONS = ("graphql-client-version", "apollographql-client-version", "x-client-version")


class FactSink(Protocol):
    """Receives facts; `observe.observer.Observer` implements it."""

    @property
    def watches_stages(self) -> bool:
        """Return whether there are listeners for the start and the end of stages."""
        ...

    def emit(self, fact: Any) -> None:
        """Pass a fact to every listener."""
        ...

    def started(self, stage: str, context: "RequestContext", detail: str = "") -> float:
        """Report the start of a stage; return its time, for `ended`.

        `detail`: what the stage works on, such as the name of a subgraph.
        """
        ...

    def ended(
        self, stage: str, context: "RequestContext", since: float, detail: str = "", error: str | None = None
    ) -> None:
        """Report the end of a stage. `since`: the result of `started`. `error`: an error code."""
        ...


Rights = tuple[bool, frozenset[str], frozenset[str]]
"""Of a caller: whether it is known, its scopes and its policies."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller.

    - `subject`: the caller's id; None if it has none. `authenticated`: whether the caller is known.
    - `scopes`, `policies`: the access rights that the caller has (@requiresScopes, @policy).
    - `claims`: those of a verified token.
    - `api_key`: the name of the caller's API key. `rates`: the rate limits of that key (`RateRule`s).
    - `key`: identifies the caller where responses are shared; two identities with the same key may share
      them.
    - `rights`: all that decides which access requirements the caller meets.
    """

    subject: str | None = None
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict)
    key: Hashable = None
    authenticated: bool = False
    policies: frozenset[str] = frozenset()
    api_key: str | None = None
    rates: tuple[Any, ...] = ()
    rights: Rights = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive the rights once, since they are read for each request."""
        rights = self.authenticated, frozenset(self.scopes), frozenset(self.policies)
        object.__setattr__(self, "rights", rights)


ANONYMOUS = Identity()


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of a request: the headers `traceparent` and `tracestate` (W3C Trace Context)."""

    parent: str
    state: str = ""


class RequestContext:
    """The context of one request, available to every stage and every subgraph call.

    Most values are read from the headers on first use, so that a simple request costs one object.

    - `headers`: the client's, by lower-case name.
    - `identity`: the caller, set by a plugin that has verified it.
    - `partition`: plugins set it when something other than forwarded headers makes the responses of requests
      differ; requests with different partitions share nothing.
    - `deadline`: the `clock.time()` by which the response must be ready; None for no deadline.
    - `labels`: the active labels of progressive @overrides.
    - `cost`: the estimated cost, in the units of @cost; None if it was not estimated for this request.
    - `document_hash`: the hash under which the document is stored once it is known to be valid; None if it is
      not to be stored.
    - `cache_mode`: whether it reads from the cache and whether its replies are stored; None if not yet known.
    - `cache_trace`: receives what was found in the cache, for a request that asks for it; else None.
    - `spending`: what its execution costs (`cost/spending`); None if nothing is measured.
    - `uploads`: the files that the request brings (`uploads/files`); None if it brings none.
    - `request_extensions`: the `extensions` of its subgraph requests as JSON; None for none.
    - `response_headers`: added to those of the reply, also of an error: a lower-case name and a value each.
    - `observer`: receives facts about this request. `notes`: values that plugins pass between hooks.
    """

    # Class attributes as defaults: most requests set few of these, and setting one costs as much as a small
    # function call.
    identity: Identity = ANONYMOUS
    partition: Hashable = None
    deadline: float | None = None
    labels: frozenset[str] = frozenset()
    cost: int | None = None
    spending: Any = None
    cache_mode: tuple[bool, bool] | None = None
    cache_trace: list[dict[str, Any]] | None = None
    request_extensions: bytes | None = None
    uploads: Any = None
    document_hash: str | None = None
    response_headers: tuple[tuple[bytes, bytes], ...] = ()
    _id: str | None = None
    _notes: dict[str, Any] | None = None

    def __init__(self, headers: Mapping[str, str], observer: FactSink, clock: Clock = SYSTEM_CLOCK) -> None:
        self.headers = headers
        self.observer = observer
        self.clock = clock

    @property
    def id(self) -> str:
        """Return the client's `x-request-id` if it has 1 to 128 allowed characters, else a random id."""
        if self._id is None:
            given = self.headers.get(REQUEST_ID, "")
            self._id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        return self._id

    @property
    def client_name(self) -> str | None:
        """Return the client's name from its headers; None if it sends none."""
        return self._first(CLIENT_NAMES)

    @property
    def client_version(self) -> str | None:
        """Return the client's version from its headers; None if it sends none."""
        return self._first(CLIENT_VERSIONS)

    @property
    def cache_directives(self) -> frozenset[str]:
        """Return the directives of the client's Cache-Control in lower case: `no-cache`, `max-age=0`.

        See RFC 9111, 5.2.1.
        """
        given = self.headers.get("cache-control", "")
        return frozenset(one.strip().lower() for one in given.split(",") if one.strip())

    @property
    def trace(self) -> Trace | None:
        """Return the trace that the client has started; None if there is none."""
        parent = self.headers.get("traceparent")
        return Trace(parent, self.headers.get("tracestate", "")) if parent else None

    @property
    def notes(self) -> dict[str, Any]:
        """Return the dictionary in which plugins store values for later hooks of the same request."""
        if self._notes is None:
            self._notes = {}
        return self._notes

    def sharing_key(self) -> Hashable:
        """Return what requests must have in common, besides headers, to share calls and responses; None by
        default.
        """
        if self.partition is None and self.identity.key is None:
            return None
        return self.partition, self.identity.key

    def due(self, timeout: float) -> float:
        """Return the time (`clock.time()`) by which a call with this timeout must end.

        `timeout`: in seconds. The result is never after the request's deadline.
        """
        end = self.clock.time() + timeout
        return end if self.deadline is None else min(end, self.deadline)

    def _first(self, names: tuple[str, ...]) -> str | None:
        return next((found for name in names if (found := self.headers.get(name))), None)
