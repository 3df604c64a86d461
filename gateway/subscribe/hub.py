"""The subscriptions of one process: equal ones share one stream, whichever doors their clients came by.

Equal means equal in everything that can change a response: the plan, the variables, the headers for
subgraphs, and the caller. A client that resumes after a cursor first has a stream of its own, and joins the
shared one when it has received what it missed.

A reload keeps the streams whose meaning the new supergraph does not change; it ends the others with the code
SUBSCRIPTION_SCHEMA_RELOAD.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from gateway.core.clock import Clock
from gateway.core.context import Identity, RequestContext
from gateway.core.errors import RequestError
from gateway.core.streams import SERVER_CLOSED, PartSink, Subscribed, end_with
from gateway.request.graphql_request import GraphQLRequest
from gateway.settings import CallbackSettings, SubscriptionSettings
from gateway.subscribe.event_execution import EventExecution
from gateway.subscribe.fan_out import Member
from gateway.subscribe.group import Executes, Group, Planned, same_meaning
from gateway.subscribe.identities import Identify, IdentityChecks, same_caller
from gateway.subscribe.remote_execution import RemoteExecution, request_of
from gateway.subscribe.workers import Workers
from gateway.transport.base import Transport
from gateway.transport.stream_callback import NOT_FOUND, CallbackStreams
from gateway.transport.streams import Streams

RELOADED_AT_ONCE = 100  # streams whose meaning is compared in one turn of the event loop
MOVE_AGAIN = 0.05  # seconds until a member with a new token is moved, if events of it are under way


class Source(Protocol):
    """The gateway over which streams are executed; a reload replaces it."""

    @property
    def streams(self) -> Streams:
        """Return what opens streams at their sources."""
        ...

    @property
    def identity_finder(self) -> Identify | None:
        """Return what finds the identity of a request; None if callers have none."""
        ...

    def context(self, headers: Mapping[str, str]) -> RequestContext:
        """Return the context of a new request."""
        ...

    def plan_subscription(self, request: GraphQLRequest, context: RequestContext) -> Planned:
        """Return the plan of a subscription whose caller is known. Raises RequestError."""
        ...


class HubStream:
    """The stream of one request: `attach` joins the group of equal requests; it is a `ResponseStream`."""

    __slots__ = ("hub", "planned")

    def __init__(self, hub: "Hub", planned: Planned) -> None:
        self.hub = hub
        self.planned = planned

    def attach(self, sink: PartSink) -> Member:
        return self.hub.join(self.planned, sink)


class Hub:
    """All subscriptions of a process; it continues when the supergraph is reloaded.

    - `source`: the gateway over which they are executed; None before it has started.
    - `groups`: the shared streams by key. `resuming`: the streams that are for one client until it has
      received what it missed.
    - `callbacks`: the subscriptions whose subgraphs post events to the gateway; None without any.
    - `workers`: the processes of the host, of which one executes each stream; None if there is only this one.
    """

    def __init__(self, settings: SubscriptionSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.source: Source | None = None
        self.is_ending = False
        self.groups: dict[Hashable, Group] = {}
        self.resuming: set[Group] = set()
        self.checks = IdentityChecks(settings.check_identity, clock)
        self.workers: Workers | None = None
        self.callbacks: CallbackStreams | None = None

    def serve(self, source: Source) -> None:
        """Begin to serve subscriptions over a gateway."""
        self.source, self.checks.identify = source, source.identity_finder

    async def work_with(self, workers: Workers) -> None:
        """Share streams with the other workers of the host."""
        self.workers = workers
        if self.callbacks is not None:
            self.callbacks.worker = workers.name
        await workers.start(self.ask, self.receive)

    def callbacks_at(self, settings: CallbackSettings, transport: Transport) -> CallbackStreams:
        """Return the subscriptions by callback; those that are open remain, unless the URL has changed."""
        url, known = str(settings.url), self.callbacks
        if known is None or known.url != url.rstrip("/"):
            known = self.callbacks = CallbackStreams(transport, url, settings.heartbeat, self.clock)
            known.worker = self.workers.name if self.workers is not None else ""
        known.transport, known.heartbeat = transport, settings.heartbeat
        return known

    def receive(self, name: str, body: bytes) -> int:
        """Process a subgraph's post to the callback with this id, in this worker; return the HTTP status."""
        return NOT_FOUND if self.callbacks is None else self.callbacks.receive(name, body)

    async def callback(self, name: str, body: bytes) -> int:
        """Process a subgraph's post to the callback with this id, in the worker that has opened the
        stream.
        """
        worker = name.partition("~")[0]
        if self.workers is None or worker in ("", self.workers.name):
            return self.receive(name, body)
        return await self.workers.pass_on(worker, name, body)

    def ask(self, asked: dict[str, Any], sink: PartSink) -> Subscribed:
        """Begin the stream that another worker asks for."""
        stream = AskedStream(self, sink)
        stream.begin(asked)
        return stream

    def join(self, planned: Planned, sink: PartSink) -> Member:
        """Add a sink to the stream of equal requests, and begin that stream if there is none.

        Raises RequestError SUBSCRIPTION_LIMIT, or SUBSCRIPTIONS_NOT_SERVED before the gateway has started.
        """
        if self.is_ending:
            raise shut_down()
        if self.source is None:
            raise RequestError("the gateway has not started", "SUBSCRIPTIONS_NOT_SERVED")
        streams, after = self.source.streams, planned.request.after
        if after is not None and streams.resumes(planned.subscription.call()):
            return self._begin(planned, sink, streams, after)
        if planned.is_local:
            planned = self._executed_here(planned)
        group = self.groups.get(planned.key)
        if group is not None:
            return group.fan_out.join(sink)
        return self._begin(planned, sink, streams, None)

    def _begin(self, planned: Planned, sink: PartSink, streams: Streams, after: str | None) -> Member:
        """Begin a stream; one `after` a cursor is for this client only."""
        if len(self.groups) + len(self.resuming) >= self.settings.limit:
            message = f"expected at most {self.settings.limit:,} different subscriptions; try again later"
            raise RequestError(message, "SUBSCRIPTION_LIMIT")
        group = Group(self, planned, after is None, self._execution, self.clock)
        if after is None:
            self.groups[planned.key] = group
        else:
            self.resuming.add(group)
        member = group.fan_out.join(sink)
        try:
            group.execution.begin(streams, after)
        except BaseException:
            member.cancel()
            raise
        self.checks.watch(group)
        return member

    def _executed_here(self, planned: Planned) -> Planned:
        """Return a subscription with a key under which no stream of another worker is.

        Otherwise two workers could each wait for the stream of the other one.
        """
        known = self.groups.get(planned.key)
        if known is None or isinstance(known.execution, EventExecution):
            return planned
        return replace(planned, key=("owned", planned.key))

    def _execution(self, planned: Planned, sink: PartSink, settled: Callable[[], object]) -> Executes:
        """Return the execution of a stream: by this worker if it owns the key, else by the owner."""
        owner = (
            self.workers.owner(planned.route) if self.workers is not None and not planned.is_local else None
        )
        if owner is not None and self.workers is not None:
            return RemoteExecution(self.workers, owner, planned, sink)
        return EventExecution(planned.subscription, sink, self.settings.events, settled)

    @property
    def all_groups(self) -> list[Group]:
        """Return all groups."""
        return [*self.groups.values(), *self.resuming]

    # Groups

    def settled(self, group: Group) -> None:
        """Join a stream of one client with the shared one, now that it has received what it missed.

        Both receive the same events from now on, and neither has one under way: so none is lost or doubled.
        """
        if group not in self.resuming:
            return
        group.planned = self._executed_here(group.planned)
        shared = self.groups.get(group.planned.key)
        if shared is None:
            self.resuming.discard(group)
            group.is_shared = True
            self.groups[group.planned.key] = group
        elif shared.is_idle and group.is_idle:
            for member in list(group.fan_out.members):
                group.fan_out.move(member, shared.fan_out)

    def forget(self, group: Group) -> None:
        if self.groups.get(group.planned.key) is group:
            del self.groups[group.planned.key]
        self.resuming.discard(group)
        self.checks.forget(group)

    def renew(self, group: Group, member: Member, context: RequestContext) -> None:
        """Give a member the token of another context, if it is valid and of the same caller.

        Otherwise nothing changes: the old token is valid until it expires.
        """
        self.checks.find(context, partial(self._renewed, group, member, context))

    def _renewed(
        self, group: Group, member: Member, context: RequestContext, found: Identity | RequestError
    ) -> None:
        source = self.source
        if isinstance(found, RequestError) or source is None:
            return
        if not same_caller(found, group.context.identity):
            return
        context.identity = found
        try:
            planned = source.plan_subscription(group.planned.request, context)
        except RequestError:
            return
        is_here = isinstance(group.execution, EventExecution)
        if is_here and len(group.fan_out.members) == 1 and planned.key not in self.groups:
            self._rekey(group, planned)
        else:
            self._move(group, member, planned)

    def _rekey(self, group: Group, planned: Planned) -> None:
        """Let a group of one member go on with another token; its stream at the source remains."""
        if group.is_shared:
            self.groups.pop(group.planned.key, None)
            self.groups[planned.key] = group
        group.take_over(planned)
        self.checks.set_next(group)

    def _move(self, group: Group, member: Member, planned: Planned) -> None:
        """Move a member to the stream of another token, when no event of its present stream is under way."""
        if member.sink is None or member.fan_out is not group.fan_out:
            return
        if not group.is_idle:
            self.clock.call_at(self.clock.time() + MOVE_AGAIN, self._move, group, member, planned)
            return
        try:
            place = self.join(planned, member.sink)
        except RequestError:
            return
        joined = place.fan_out
        joined.members.pop(place, None)
        group.fan_out.move(member, joined)

    # reload

    async def reload(self, settings: SubscriptionSettings, source: Source) -> None:
        """Continue over another gateway; end the streams whose meaning it changes."""
        before = self.source
        self.settings, self.checks.wait = settings, settings.check_identity
        self.serve(source)
        for number, group in enumerate(self.all_groups, 1):
            if not group.fan_out.is_over:
                self._compare(group, before, source)
            if number % RELOADED_AT_ONCE == 0:
                await self.clock.sleep(0)
        if before is not None:
            await before.streams.close()

    @staticmethod
    def _compare(group: Group, before: Source | None, source: Source) -> None:
        known = group.planned
        try:
            planned = source.plan_subscription(known.request, known.context)
        except RequestError as error:
            group.end(reloaded(error.message))
            return
        call = planned.subscription.call()
        if before is not None and before.streams.source(call) != source.streams.source(call):
            message = "the source of the subscription's events has changed; subscribe again"
            group.end(RequestError(message, "SUBSCRIPTION_CONFIG_RELOAD"))
        elif same_meaning(known.subscription.prepared, planned.subscription.prepared):
            group.take_over(replace(planned, key=known.key, is_local=known.is_local))
        else:
            group.end(reloaded("a field of it has changed"))

    def end_all(self) -> None:
        """End all streams, as the process ends."""
        self.is_ending = True
        if self.workers is not None:
            self.workers.leave()
        for group in self.all_groups:
            group.end(shut_down(), is_temporary=True)

    async def close(self) -> None:
        """End all streams, and close what opens them."""
        source, self.source = self.source, None
        self.end_all()
        self.checks.close()
        if self.workers is not None:
            await self.workers.close()
        if source is not None:
            await source.streams.close()


def shut_down() -> RequestError:
    """Return the error for a subscription of a process that ends."""
    return RequestError("the gateway is shutting down; subscribe again", SERVER_CLOSED)


def reloaded(reason: str) -> RequestError:
    """Return the error for a subscription that a new supergraph has changed."""
    message = f"the schema has changed, and with it this subscription: {reason}; subscribe again"
    return RequestError(message, "SUBSCRIPTION_SCHEMA_RELOAD")


class AskedStream:
    """A stream that another worker asks for: its caller is found first, then it is joined."""

    __slots__ = ("hub", "member", "sink")

    def __init__(self, hub: Hub, sink: PartSink) -> None:
        self.hub = hub
        self.sink: PartSink | None = sink
        self.member: Member | None = None

    def begin(self, asked: dict[str, Any]) -> None:
        """Find the caller, and begin."""
        source = self.hub.source
        if source is None:
            self._refuse(shut_down())
            return
        request, headers = request_of(asked)
        context = source.context(headers)
        self.hub.checks.find(context, partial(self._found, source, request, context))

    def _found(
        self, source: Source, request: GraphQLRequest, context: RequestContext, found: Identity | RequestError
    ) -> None:
        sink = self.sink
        if sink is None:
            return
        try:
            if isinstance(found, RequestError):
                raise found
            context.identity = found
            planned = replace(source.plan_subscription(request, context), is_local=True)
            self.member = self.hub.join(planned, sink)
        except RequestError as error:
            self._refuse(error)

    def _refuse(self, error: RequestError) -> None:
        sink, self.sink = self.sink, None
        if sink is not None:
            self.hub.clock.call_soon(sink.ended, end_with([error.formatted()]))

    def cancel(self) -> None:
        """End the stream for that worker."""
        self.sink = None
        if self.member is not None:
            self.member.cancel()

    def renew(self, context: RequestContext) -> None:
        """Do nothing: a worker asks for a new stream when a token changes."""
