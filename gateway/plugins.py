"""Plugins: Python objects whose hooks take part in answering requests.

A plugin is any object with one or more of the methods of `Plugin`; missing methods are not called, and
without plugins nothing of this module runs. All hooks except `on_request` are plain functions. A RequestError
that a hook raises is the response to the request; any other exception is logged under the request's id as an
internal error.

Example: refuse operations without a name, and report how many subgraph calls a response needed.

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
    """The hooks, in the order in which they are called. Implement those that you need."""

    def on_request(
        self, context: RequestContext, request: GraphQLRequest
    ) -> Envelope | Awaitable[Envelope | None] | None:
        """A request was read. Return an Envelope to answer it without executing it, else None; may be
        `async`.

        This is the place to set `context.identity`.
        """
        ...

    def on_text(self, context: RequestContext, request: GraphQLRequest) -> bool | None:
        """The settings (`documents.mode`) demand a document id, and the request has a text. Return True to
        run the text all the same. This hook is called before `on_request`.
        """
        ...

    def on_document(
        self, context: RequestContext, document: DocumentNode, operation: OperationDefinitionNode
    ) -> None:
        """The document is valid and `operation` will run. Called for every request, cached or not."""
        ...

    def on_plan(self, context: RequestContext, plan: Plan) -> None:
        """The plan of the operation is ready, and will run next."""
        ...

    def on_call(self, context: RequestContext | None, call: Call) -> Call | Reply | None:
        """A subgraph call is about to be sent. Return another Call to send instead, or a Reply to send
        nothing, else None.

        `context` is None for the gateway's own calls. Concurrent requests share calls and executions: if a
        hook makes their calls differ by anything but a forwarded header, set `context.partition` in
        `on_request`.
        """
        ...

    def on_reply(self, context: RequestContext | None, call: Call, outcome: Outcome) -> Outcome | None:
        """A call has ended with a Reply or a SubgraphError.

        Return another outcome to replace it, else None.
        """
        ...

    def on_event(self, context: RequestContext, body: bytes) -> bytes | None:
        """An event of a subscription has arrived; `body` is a GraphQL response as JSON.

        Return another body to replace it, else None. `context` is that of the subscription, which equal
        subscriptions share.
        """
        ...

    def on_response(self, context: RequestContext, envelope: Envelope) -> Envelope | None:
        """The response is about to be sent. Return another Envelope to replace it, else None."""
        ...


HOOKS = ("on_text", "on_request", "on_document", "on_plan", "on_call", "on_reply", "on_event", "on_response")
Hook = Callable[..., Any]


class Hooks:
    """The hooks of all plugins, each as a tuple of functions in the order of the plugins.

    Raises SettingsError BAD_OPTION for an object without a hook, for an unknown name such as `on_respond`,
    and for an `async` hook other than `on_request`.
    """

    __slots__ = HOOKS

    def __init__(self, plugins: Iterable[object] = ()) -> None:
        given = tuple(plugins)
        for plugin in given:
            _check(plugin)
        self.on_text = _found(given, "on_text")
        self.on_request = _found(given, "on_request")
        self.on_document = _found(given, "on_document")
        self.on_plan = _found(given, "on_plan")
        self.on_call = _found(given, "on_call")
        self.on_reply = _found(given, "on_reply")
        self.on_event = _found(given, "on_event")
        self.on_response = _found(given, "on_response")

    @property
    def wraps_requests(self) -> bool:
        """Return whether there is any hook for requests, not only hooks for calls."""
        return bool(self.on_request or self.on_document or self.on_plan or self.on_response)

    def runs_text(self, context: RequestContext, request: GraphQLRequest) -> bool:
        """Return whether an `on_text` hook lets the text of a request run."""
        return any(hook(context, request) is True for hook in self.on_text)

    def around(self, transport: Transport) -> Transport:
        """Return the transport with the hooks for calls; the transport itself if there are none."""
        return (
            HookedTransport(transport, self.on_call, self.on_reply)
            if self.on_call or self.on_reply
            else transport
        )

    async def on_request_answer(self, context: RequestContext, request: GraphQLRequest) -> Envelope | None:
        """Return the first envelope that an `on_request` hook returns; None if the request must be
        executed.
        """
        for hook in self.on_request:
            found = hook(context, request)
            if asyncio.iscoroutine(found) or asyncio.isfuture(found):
                found = await found
            if found is not None:
                answer: Envelope = found
                return answer
        return None

    def planned(
        self, context: RequestContext, document: DocumentNode, operation: OperationDefinitionNode, plan: Plan
    ) -> None:
        """Call the hooks for the document, then those for the plan."""
        for hook in self.on_document:
            hook(context, document, operation)
        for hook in self.on_plan:
            hook(context, plan)

    def responding(self, context: RequestContext, envelope: Envelope) -> Envelope:
        """Return the response after all `on_response` hooks."""
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
            f"the plugin {name} has the unknown hook {', '.join(unknown)}; expected one of {', '.join(HOOKS)}"
        )
        raise SettingsError(message, "BAD_OPTION")
    mine = [one for one in HOOKS if hasattr(plugin, one)]
    if not mine:
        raise SettingsError(
            f"the plugin {name} has no hook; expected one of {', '.join(HOOKS)}", "BAD_OPTION"
        )
    for one in mine:
        if one != "on_request" and iscoroutinefunction(getattr(plugin, one)):
            raise SettingsError(f"{name}.{one} must not be async; only on_request may be", "BAD_OPTION")


class HookedTransport:
    """A transport that calls the hooks for calls and replies."""

    def __init__(self, transport: Transport, on_call: Sequence[Hook], on_reply: Sequence[Hook]) -> None:
        self.transport = transport
        self.on_call = on_call
        self.on_reply = on_reply

    def post(self, call: Call, done: Done) -> Handle:
        """Send a call; an exception of a hook is passed to `done` like any other failure."""
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
