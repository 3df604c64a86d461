"""An ASGI application that serves subscriptions by HTTP callback, around strawberry's application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from strawberry.asgi import GraphQL
from strawberry.schema.base import BaseSchema

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.strawberry_subgraphs.callback_posts import (
    CallbackPosts,
    Delivery,
    Gone,
    Undelivered,
    make_client,
)
from gateway.strawberry_subgraphs.callback_request import (
    PROTOCOL_HEADER,
    AllowedUrls,
    Callback,
    Operation,
    Refused,
    asks_for_callbacks,
    read_request,
)
from gateway.strawberry_subgraphs.callback_subscription import CallbackSubscription

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DEFAULT_DELIVERY = Delivery()
GOODBYE = 2.0  # seconds at most for the last message to all gateways at the end


class CallbackEmitter:
    """Serves a schema, or strawberry's ASGI application, and subscriptions by HTTP callback 1.0.

    - `allowed`: the URLs to which events may be posted, by prefixes such as "http://gateway:4000/callback".
    - `limit`: of active subscriptions; further ones are refused with the status 503.
    - `max_body`: bytes of a request for a subscription.
    - `client`: posts the events; by default one without proxies. The emitter does not close a given one.

    As an application of its own it ends the subscriptions at the end of the server (lifespan). Where it is
    mounted into another application, call `close` at the end of that one, or use `running`.

    Raises ValueError if `allowed` is empty or has a prefix that is no URL.
    """

    def __init__(
        self,
        app: "GraphQL[Any, Any] | BaseSchema",
        *,
        allowed: Iterable[str],
        limit: int = 1_000,
        max_body: int = 1_000_000,
        delivery: Delivery = DEFAULT_DELIVERY,
        client: httpx.AsyncClient | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.app: GraphQL[Any, Any] = app if isinstance(app, GraphQL) else GraphQL(app)
        self.allowed = AllowedUrls(allowed)
        self.limit = limit
        self.max_body = max_body
        self.delivery = delivery
        self.clock = clock
        self.active: dict[tuple[str, str], asyncio.Task[None] | None] = {}
        self.is_closed = False
        self._client = client
        self._own_client: httpx.AsyncClient | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve an ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif _is_for_callbacks(scope):
            await self._request(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["CallbackEmitter"]:
        """Return a context at whose end all subscriptions are ended."""
        try:
            yield self
        finally:
            await self.close()

    async def close(self) -> None:
        """End all subscriptions, post that to the gateway (once), and refuse further ones."""
        self.is_closed = True
        tasks = [task for task in self.active.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._own_client is not None:
            await self._own_client.aclose()
            self._own_client = None

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                await self.close()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    async def _request(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            body = await _read(receive, self.max_body)
            found = read_request(body, self.allowed)
            if found is None:
                await self.app(scope, _again(body), send)
                return
            await self._subscribe(Request(scope, _again(body)), *found, send)
            return
        except Refused as refusal:
            errors = {"errors": [{"message": str(refusal)}]}
            response: Response = JSONResponse(errors, refusal.status)
        except HTTPException as error:  # of the application's context
            response = PlainTextResponse(error.reason, status_code=error.status_code)
        await response(scope, receive, send)

    async def _subscribe(
        self, request: Request, operation: Operation, callback: Callback, send: Send
    ) -> None:
        """Post `check`, reply to the request, and start the subscription."""
        name = (str(callback.url), callback.id)
        self._reserve(name)
        try:
            subscription = await self._checked(request, operation, callback)
            if self.is_closed:
                raise Refused(503, "the subgraph is shutting down")
        except BaseException:
            del self.active[name]
            raise
        replied = asyncio.Event()
        task = self.active[name] = asyncio.create_task(self._run(subscription, replied))
        task.add_done_callback(lambda _: self.active.pop(name))
        try:
            reply = JSONResponse({"data": None}, headers=dict([PROTOCOL_HEADER]))
            await reply(request.scope, request.receive, send)
        finally:
            replied.set()

    def _reserve(self, name: tuple[str, str]) -> None:
        if self.is_closed:
            raise Refused(503, "the subgraph is shutting down")
        if name in self.active:
            raise Refused(409, "a subscription with this id is active already")
        if len(self.active) >= self.limit:
            raise Refused(503, f"the subgraph has its maximum of {self.limit} active subscriptions")
        self.active[name] = None

    async def _checked(
        self, request: Request, operation: Operation, callback: Callback
    ) -> CallbackSubscription:
        """Return a subscription that the gateway has confirmed. Raises Refused if it did not."""
        app = self.app
        posts = CallbackPosts(self._posting(), callback, app.encode_json, self.delivery, self.clock)
        context = await app.get_context(request, await app.get_sub_response(request))
        root = await app.get_root_value(request)
        try:
            await posts.post("check")
        except Gone:
            raise Refused(409, "the callback does not know the subscription") from None
        except Undelivered as failure:
            raise Refused(502, f"check was not delivered: {failure}") from failure

        async def results() -> Any:
            return await app.schema.subscribe(
                operation.query,
                variable_values=operation.variables,
                operation_name=operation.name,
                context_value=context,
                root_value=root,
                operation_extensions=operation.extensions,
            )

        async def payload(result: Any) -> Any:
            return await app.process_result(request, result)

        return CallbackSubscription(posts, results, payload, self.clock)

    async def _run(self, subscription: CallbackSubscription, replied: asyncio.Event) -> None:
        """Run a subscription when its request has a reply."""
        try:
            await replied.wait()
            await subscription.run()
        except asyncio.CancelledError:
            if self.is_closed:
                await self._say_goodbye(subscription)
            raise

    async def _say_goodbye(self, subscription: CallbackSubscription) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as scope:
                timer = self.clock.call_at(self.clock.time() + GOODBYE, scope.reschedule, 0.0)
                try:
                    await subscription.shut_down()
                finally:
                    timer.cancel()

    def _posting(self) -> httpx.AsyncClient:
        """Return the client, made at its first use, in the server's event loop."""
        if self._client is not None:
            return self._client
        if self._own_client is None:
            self._own_client = make_client()
        return self._own_client


def _is_for_callbacks(scope: Message) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST":
        return False
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    accepts = b",".join(value for name, value in headers if name == b"accept").decode("latin-1")
    kinds = [value for name, value in headers if name == b"content-type"]
    is_json = len(kinds) == 1 and kinds[0].split(b";")[0].strip().lower() == b"application/json"
    return is_json and asks_for_callbacks(accepts)


async def _read(receive: Receive, limit: int) -> bytes:
    """Return a request's body. Raises Refused if it is too large, or the client has left."""
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the request is cut off")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise Refused(413, f"the request must have at most {limit} bytes")
        if not message.get("more_body"):
            return b"".join(pieces)


def _again(body: bytes) -> Receive:
    """Return a function that receives a body that was read, and then waits: the client's end is unknown."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    return receive
