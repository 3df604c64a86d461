"""Hooks: plain Python that takes part in answering.

A plugin is any object with one or more of the methods of `Plugin`; those that it does not have are never
called, and without plugins nothing of this module runs. All hooks but `on_request` are plain functions; what
a hook raises as a RequestError is the answer to the request, everything else is a mistake that is logged
under the request's id.

Example: refuse operations without a name, and say how many subgraph calls an answer took.

    class Named:
        def on_document(self, context, document, operation):
            if operation.name is None:
                raise RequestError("give the operation a name", "BAD_REQUEST")

        def on_call(self, context, call):
            context.notes["calls"] = context.notes.get("calls", 0) + 1

        def on_response(self, context, envelope):
            return envelope.with_headers((b"x-calls", b"%d" % context.notes.get("calls", 0)))

    app = create_app(supergraph, settings, plugins=[Named()])
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from inspect import iscoroutinefunction
from typing import Any, Protocol

from graphql import DocumentNode
from graphql.language import OperationDefinitionNode

from gateway.core.context import RequestContext
from gateway.core.envelope import Envelope
from gateway.core.errors import SettingsError
from gateway.plan.nodes import Plan
from gateway.request.graphql_request import GraphQLRequest
from gateway.transport.base import Call, Done, Handle, Outcome, Reply, Transport


class Plugin(Protocol):
    """The hooks, in the order in which a request meets them. Implement those that you need."""

    def on_request(
        self, context: RequestContext, ask: GraphQLRequest
    ) -> Envelope | Awaitable[Envelope | None] | None:
        """A request was read. Return an Envelope to answer it here; may be `async`.

        The place to set `context.identity`.
        """
        ...

    def on_document(
        self, context: RequestContext, document: DocumentNode, operation: OperationDefinitionNode
    ) -> None:
        """The document is valid, and the operation of it is to run.

        Called for every request, known or not.
        """
        ...

    def on_plan(self, context: RequestContext, plan: Plan) -> None:
        """The plan of the operation, before it runs."""
        ...

    def on_call(self, context: RequestContext | None, call: Call) -> Call | Reply | None:
        """A call is about to be sent. Return another call to send in its place, or a Reply to send nothing.

        `context` is None for calls that the gateway makes for itself. Requests that run at the same time
        share calls and executions: where a hook makes them differ by something that is no forwarded header,
        set `context.partition` in `on_request`.
        """
        ...

    def on_reply(self, context: RequestContext | None, call: Call, outcome: Outcome) -> Outcome | None:
        """A call has brought a Reply or a SubgraphError.

        Return what to go on with in its place, if anything.
        """
        ...

    def on_response(self, context: RequestContext, envelope: Envelope) -> Envelope | None:
        """The answer, before it leaves. Return what to send in its place, if anything."""
        ...


HOOKS = ("on_request", "on_document", "on_plan", "on_call", "on_reply", "on_response")
Hook = Callable[..., Any]


class Hooks:
    """The hooks of some plugins, each as a tuple of functions in the order of the plugins.

    Raises SettingsError BAD_OPTION for an object that has no hook, for a name like one (`on_respond`), and
    for an `async` hook other than `on_request`.
    """

    __slots__ = ("on_call", "on_document", "on_plan", "on_reply", "on_request", "on_response")

    def __init__(self, plugins: Iterable[object] = ()) -> None:
        given = tuple(plugins)
        for plugin in given:
            _check(plugin)
        self.on_request = _found(given, "on_request")
        self.on_document = _found(given, "on_document")
        self.on_plan = _found(given, "on_plan")
        self.on_call = _found(given, "on_call")
        self.on_reply = _found(given, "on_reply")
        self.on_response = _found(given, "on_response")

    @property
    def wraps_requests(self) -> bool:
        """Whether a hook is called for requests, rather than for calls alone."""
        return bool(self.on_request or self.on_document or self.on_plan or self.on_response)

    def around(self, transport: Transport) -> Transport:
        """The transport with the hooks for calls around it; itself where there are none."""
        return (
            HookedTransport(transport, self.on_call, self.on_reply)
            if self.on_call or self.on_reply
            else transport
        )

    async def ask(self, context: RequestContext, ask: GraphQLRequest) -> Envelope | None:
        """The first answer that an `on_request` has for a request; None where the request goes on."""
        for hook in self.on_request:
            found = hook(context, ask)
            if asyncio.iscoroutine(found) or asyncio.isfuture(found):
                found = await found
            if found is not None:
                answer: Envelope = found
                return answer
        return None

    def planned(
        self, context: RequestContext, document: DocumentNode, operation: OperationDefinitionNode, plan: Plan
    ) -> None:
        """Show each plugin the document, then each the plan."""
        for hook in self.on_document:
            hook(context, document, operation)
        for hook in self.on_plan:
            hook(context, plan)

    def responding(self, context: RequestContext, envelope: Envelope) -> Envelope:
        """The answer as plugins leave it."""
        for hook in self.on_response:
            envelope = hook(context, envelope) or envelope
        return envelope


def _found(plugins: Sequence[object], name: str) -> tuple[Hook, ...]:
    return tuple(getattr(plugin, name) for plugin in plugins if hasattr(plugin, name))


def _check(plugin: object) -> None:
    name = type(plugin).__name__
    unknown = [one for one in dir(plugin) if one.startswith("on_") and one not in HOOKS]
    if unknown:
        message = (
            f"the plugin {name} has {', '.join(unknown)}, which is no hook; there are {', '.join(HOOKS)}"
        )
        raise SettingsError(message, "BAD_OPTION")
    mine = [one for one in HOOKS if hasattr(plugin, one)]
    if not mine:
        raise SettingsError(f"the plugin {name} has no hook; there are {', '.join(HOOKS)}", "BAD_OPTION")
    for one in mine:
        if one != "on_request" and iscoroutinefunction(getattr(plugin, one)):
            raise SettingsError(f"{name}.{one} is async; only on_request may be", "BAD_OPTION")


class HookedTransport:
    """A transport whose calls and replies plugins see."""

    def __init__(self, transport: Transport, on_call: Sequence[Hook], on_reply: Sequence[Hook]) -> None:
        self.transport = transport
        self.on_call = on_call
        self.on_reply = on_reply

    def post(self, call: Call, done: Done) -> Handle:
        """Send a call; what a hook raises is handed to `done` like any other failure."""
        loop = asyncio.get_running_loop()
        try:
            for hook in self.on_call:
                found = hook(call.context, call)
                if isinstance(found, Reply):
                    return loop.call_soon(self._replied, call, done, found)
                call = found or call
        except Exception as error:
            return loop.call_soon(done, error)
        return self.transport.post(call, lambda outcome: self._replied(call, done, outcome))

    def _replied(self, call: Call, done: Done, outcome: Outcome) -> None:
        try:
            for hook in self.on_reply:
                outcome = hook(call.context, call, outcome) or outcome
        except Exception as error:
            outcome = error
        done(outcome)

    async def close(self) -> None:
        await self.transport.close()
