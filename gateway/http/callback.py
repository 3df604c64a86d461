"""The route to which subgraphs post the events of subscriptions (HTTP callback 1.0)."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.transport.stream_callback import PROTOCOL_HEADER

PATH = "/callback/{name}"
MAX_POST = 1_000_000  # bytes
Receive = Callable[[str, bytes], Awaitable[int]]
"""Processes the post to the callback with an id; returns the HTTP status."""


def callback_route(receive: Callable[[], Receive | None]) -> Route:
    """Return the route. `receive`: returns what processes posts now; None if callbacks are not served."""

    async def callback(request: Request) -> Response:
        process = receive()
        if process is None:
            return Response(status_code=404)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_POST:
                return Response("the event is too large", status_code=413)
        status = await process(request.path_params["name"], body)
        headers = {name.decode(): value.decode() for name, value in [PROTOCOL_HEADER]}
        return Response(status_code=status, headers=headers)

    return Route(PATH, callback, methods=["POST"])
