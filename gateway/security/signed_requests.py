"""An ASGI middleware for subgraphs: only requests that the gateway has signed pass.

Example: a subgraph with strawberry, in which `schema` is its schema.

    verifier = Verifier({"gateway": os.environ["SIGNING_KEY"]}, "users")
    app = SignedRequests(GraphQL(schema), verifier)
"""

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import quote

from gateway.security.signatures import SignableRequest, SignatureRefused, Verifier

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
WEBSOCKET_REFUSED = 4401


class SignedRequests:
    """Passes signed requests to an application; others get status 401.

    `verifier`: keeps the nonces, so all requests of a process need the same one. `max_body`: bytes of a body;
    larger ones get status 413. `open_paths`: paths for requests without a signature, such as health checks.
    WebSocket connections are refused, because a gateway does not sign them.
    """

    def __init__(
        self,
        app: App,
        verifier: Verifier,
        max_body: int = 10_000_000,
        open_paths: Collection[str] = ("/health", "/health/live", "/health/ready"),
    ) -> None:
        self.app = app
        self.verifier = verifier
        self.max_body = max_body
        self.open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": WEBSOCKET_REFUSED})
        elif scope["type"] != "http" or scope["path"] in self.open_paths:
            await self.app(scope, receive, send)
        else:
            await self._serve_signed(scope, receive, send)

    async def _serve_signed(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._read(receive)
        if body is None:
            return
        if len(body) > self.max_body:
            await _refuse(send, 413, f"expected a body of at most {self.max_body} bytes", "REQUEST_TOO_LARGE")
            return
        try:
            self.verifier.check(signable(scope, body))
        except SignatureRefused as error:
            await _refuse(send, 401, str(error), "UNAUTHENTICATED")
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body, of a too large one only the start; None if the client has disconnected."""
        chunks, size = [], 0
        while size <= self.max_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if not message.get("more_body", False):
                break
        return b"".join(chunks)


def signable(scope: Scope, body: bytes) -> SignableRequest:
    """Return the request of an ASGI scope."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    headers = [(name.lower(), value) for name, value in scope["headers"]]
    return SignableRequest(scope["method"], path, scope.get("query_string", b""), headers, body)


async def _refuse(send: Send, status: int, message: str, code: str) -> None:
    body = json.dumps({"errors": [{"message": message, "extensions": {"code": code}}]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 401:
        headers.append((b"www-authenticate", b"Signature"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
