"""What belongs to one request, from the door to the last subgraph call."""

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
    """Receives facts; `observe.observer.Observer` is one."""

    @property
    def watches_stages(self) -> bool:
        """Whether anybody listens to the start and end of stages."""
        ...

    def emit(self, fact: Any) -> None:
        """Pass a fact to every listener."""
        ...

    def started(self, stage: str, context: "RequestContext", detail: str = "") -> float:
        """Report that a stage has started; returns the moment, for `ended`."""
        ...

    def ended(
        self, stage: str, context: "RequestContext", since: float, detail: str = "", error: str | None = None
    ) -> None:
        """Report that a stage has ended, `since` being what `started` returned; `error` is a code."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. `key` tells callers apart wherever answers are shared.

    Two identities with one key see the same.

    `subject` is None for an anonymous caller; `claims` are those of a verified token.
    """

    subject: str | None = None
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict)
    key: Hashable = None


ANONYMOUS = Identity()


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace that a request belongs to.

    The values of its headers `traceparent` and `tracestate` (W3C Trace Context).
    """

    parent: str
    state: str = ""


class RequestContext:
    """What belongs to one request; the door creates it, and every stage and every call to a subgraph has it.

    Most of it is read from headers when it is first asked for: a request that nobody asks about pays for one
    object.

    - `headers`: the client's, by lower-case name.
    - `identity`: who asks, set by whoever verified it. `partition`: set it when something other than
      forwarded headers
      makes this request's answers differ from another's; requests of different partitions share nothing.
    - `deadline`: the moment of `clock.time()` by which the answer must be there; None if there is no such
      moment.
    - `labels`: the progressive overrides that are on, set by answering.
    - `cost`: what this request may still cost, in the units of the supergraph's @cost; None for no limit.
    - `observer`: receives facts about this request. `notes`: for plugins, from one hook to the next.
    """

    # Defaults stand on the class, not in slots: most requests set few of them, and each costs as much as a
    # small call.
    identity: Identity = ANONYMOUS
    partition: Hashable = None
    deadline: float | None = None
    labels: frozenset[str] = frozenset()
    cost: float | None = None
    _id: str | None = None
    _notes: dict[str, Any] | None = None

    def __init__(self, headers: Mapping[str, str], observer: FactSink, clock: Clock = SYSTEM_CLOCK) -> None:
        self.headers = headers
        self.observer = observer
        self.clock = clock

    @property
    def id(self) -> str:
        """The client's `x-request-id` if it has at most 128 plain characters, else one that is made up
        now.
        """
        if self._id is None:
            given = self.headers.get(REQUEST_ID, "")
            self._id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        return self._id

    @property
    def client_name(self) -> str | None:
        """The client's name, if it says one."""
        return self._first(CLIENT_NAMES)

    @property
    def client_version(self) -> str | None:
        """The client's version, if it says one."""
        return self._first(CLIENT_VERSIONS)

    @property
    def cache_directives(self) -> frozenset[str]:
        """The directives of the client's Cache-Control, in lower case.

        `no-cache`, `max-age=0` (RFC 9111, 5.2.1).
        """
        given = self.headers.get("cache-control", "")
        return frozenset(one.strip().lower() for one in given.split(",") if one.strip())

    @property
    def trace(self) -> Trace | None:
        """The trace that the client has started, if any."""
        parent = self.headers.get("traceparent")
        return Trace(parent, self.headers.get("tracestate", "")) if parent else None

    @property
    def notes(self) -> dict[str, Any]:
        """Whatever plugins keep for later hooks of the same request."""
        if self._notes is None:
            self._notes = {}
        return self._notes

    def sharing_key(self) -> Hashable:
        """What two requests must have in common, besides headers, to share anything.

        None for nothing special.
        """
        if self.partition is None and self.identity.key is None:
            return None
        return self.partition, self.identity.key

    def due(self, timeout: float) -> float:
        """The deadline of a call that may take `timeout` seconds, within what is left to the request."""
        end = self.clock.time() + timeout
        return end if self.deadline is None else min(end, self.deadline)

    def _first(self, names: tuple[str, ...]) -> str | None:
        return next((found for name in names if (found := self.headers.get(name))), None)
