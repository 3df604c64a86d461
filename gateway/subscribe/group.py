"""One stream with its members, as the hub sees it."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from gateway.core.clock import Clock
from gateway.core.context import RequestContext
from gateway.core.errors import RequestError
from gateway.core.jsontext import encode_json
from gateway.core.streams import PartSink, StreamEnd
from gateway.pipeline import PreparedOperation
from gateway.request.authorize import Unauthorized
from gateway.request.graphql_request import GraphQLRequest
from gateway.subscribe.event_execution import Subscription
from gateway.subscribe.fan_out import FanOut, Member
from gateway.transport.streams import Streams


@dataclass(frozen=True, slots=True)
class Planned:
    """A subscription that a client asks for. `key`: equal for those that may share a stream.

    `route`: the same, of values whose `repr` is the same in all workers. `is_local`: whether this worker must
    execute it, since another one has asked for it, or could not know who the caller is.
    """

    key: Hashable
    request: GraphQLRequest
    subscription: Subscription
    route: Hashable = None
    is_local: bool = False

    @property
    def context(self) -> RequestContext:
        """Return the context of the request."""
        return self.subscription.inputs.context


def planned_subscription(
    request: GraphQLRequest, subscription: Subscription, key: Hashable, *, is_local: bool
) -> Planned:
    """Return a subscription with all that decides who may share its stream.

    `key`: that of its plan. Raises RequestError, also if the caller may not see the field.
    """
    prepared, inputs = subscription.prepared, subscription.inputs
    context = inputs.context
    context.spending = None  # its parts cost what they cost when they come
    if not prepared.plan.fetches:
        raise Unauthorized(prepared.denied)
    try:
        encoded = encode_json(inputs.variables) if inputs.variables else b""
    except TypeError as error:
        raise RequestError(f"a variable can't be written as JSON: {error}", "BAD_USER_INPUT") from error
    others = (encoded, inputs.headers.sharing_key, context.sharing_key())
    route = (request.query, request.operation_name, *others)
    return Planned((key, *others), request, subscription, route, is_local)


class Groups(Protocol):
    """The owner of the groups: the hub."""

    def settled(self, group: "Group") -> None:
        """A stream for one client has passed on what the client had missed."""
        ...

    def forget(self, group: "Group") -> None:
        """A stream has ended."""
        ...

    def renew(self, group: "Group", member: Member, context: RequestContext) -> None:
        """A member of the group has another token."""
        ...


class Executes(Protocol):
    """Executes a stream: here, or by another worker."""

    subscription: Subscription

    @property
    def is_idle(self) -> bool:
        """Return whether every event that has arrived was passed on."""
        ...

    def begin(self, streams: Streams, after: str | None = None) -> None:
        """Begin the stream. `after`: a cursor; events up to it are not sent again."""
        ...

    def cancel(self) -> None:
        """End the stream at its source; nothing more is passed on."""
        ...


class Group:
    """One stream and its members.

    `check_at`: the time at which the identity is checked next. `is_shared`: whether others may join; False
    for a client that resumes, until it has received what it missed.
    """

    __slots__ = ("check_at", "execution", "fan_out", "groups", "is_shared", "planned")

    def __init__(
        self, groups: Groups, planned: Planned, is_shared: bool, make: "MakeExecution", clock: Clock
    ) -> None:
        self.groups = groups
        self.planned = planned
        self.is_shared = is_shared
        self.check_at = 0.0
        self.fan_out = FanOut(clock, self)
        self.execution = make(planned, self.fan_out, self.settled)

    @property
    def context(self) -> RequestContext:
        """Return the context of the request that began the stream."""
        return self.planned.context

    @property
    def is_idle(self) -> bool:
        """Return whether all members have the responses to all events that have arrived."""
        return self.execution.is_idle and self.fan_out.is_idle

    def end(self, error: RequestError, *, is_temporary: bool = False) -> None:
        """End the stream for all members. `is_temporary`: see `StreamEnd`."""
        self.execution.cancel()
        self.fan_out.ended(StreamEnd([error.formatted()], is_temporary=is_temporary))

    def settled(self) -> None:
        """Called by the execution when the client has received what it missed."""
        if not self.is_shared:
            self.groups.settled(self)

    def emptied(self) -> None:
        """End the stream, since the last member has left."""
        self.execution.cancel()
        self.groups.forget(self)

    def over(self) -> None:
        """Called when the stream has ended."""
        self.groups.forget(self)

    def renew(self, member: Member, context: RequestContext) -> None:
        """Called when a member has another token."""
        self.groups.renew(self, member, context)

    def take_over(self, planned: Planned) -> None:
        """Execute later events by another plan of the same meaning, or for another token of the caller."""
        self.planned = planned
        self.execution.subscription = planned.subscription


MakeExecution = Callable[[Planned, PartSink, Callable[[], object]], Executes]
"""Makes the execution of a stream, from where its parts go to, and what is called when it has settled."""


def same_meaning(one: PreparedOperation, other: PreparedOperation) -> bool:
    """Return whether two prepared operations ask the same of the same subgraphs, with the same types."""
    denied = [[error.formatted() for error in prepared.denied] for prepared in (one, other)]
    return one.operation == other.operation and one.plan == other.plan and denied[0] == denied[1]
