"""Posts the messages of subscriptions to callbacks: one at a time for each, and again after a failure."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.core.clock import Clock
from gateway.strawberry_subgraphs.callback_request import PROTOCOL_HEADER, Callback

log = logging.getLogger("gateway.strawberry_subgraphs")
HEADERS = {"content-type": "application/json", PROTOCOL_HEADER[0]: PROTOCOL_HEADER[1]}
NO_CONTENT, NOT_FOUND, TOO_MANY = 204, 404, 429


class Gone(Exception):
    """The gateway does not know the subscription any more (status 404)."""


class Undelivered(Exception):
    """A message that the gateway did not accept. `is_refused`: it did reply, but with a status of the 4xx."""

    def __init__(self, reason: str, *, is_refused: bool = False) -> None:
        super().__init__(reason)
        self.is_refused = is_refused


@dataclass(frozen=True)
class Delivery:
    """How messages are posted.

    `timeout`: seconds for one attempt. `attempts`: of a message, in case of connection errors, timeouts and
    the statuses 5xx and 429. `pause`: seconds before the second one; doubled for each further one, up to
    `longest_pause`.
    """

    timeout: float = 5.0
    attempts: int = 5
    pause: float = 0.25
    longest_pause: float = 4.0

    def pause_before(self, attempt: int) -> float:
        """Return the pause before an attempt, in seconds; the second attempt is 1."""
        return float(min(self.pause * 2 ** min(attempt - 1, 32), self.longest_pause))


def make_client() -> httpx.AsyncClient:
    """Return a client that reads no proxies and no credentials from the environment.

    It has no limit of connections: a subscription uses one at most, and their number is limited.
    """
    return httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=None))


class CallbackPosts:
    """The posts of one subscription. `encode`: returns a message as JSON."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        callback: Callback,
        encode: Callable[[object], str | bytes],
        delivery: Delivery,
        clock: Clock,
    ) -> None:
        self.client = client
        self.callback = callback
        self.encode = encode
        self.delivery = delivery
        self.clock = clock
        self.turn = asyncio.Lock()

    async def post(self, action: str, *, attempts: int | None = None, **more: Any) -> None:
        """Post a message after those that wait; return when the gateway has accepted it.

        Raises Gone, or Undelivered after the last attempt, or what `encode` raises.
        """
        body = self.encode(self.callback.message(action, **more))
        content = body.encode() if isinstance(body, str) else body
        async with self.turn:
            await self._post(content, action, attempts or self.delivery.attempts)

    async def _post(self, content: bytes, action: str, attempts: int) -> None:
        for attempt in range(1, attempts + 1):
            reason = await self._attempt(content)
            if reason is None:
                return
            log.debug("attempt %d to post %s to %s: %s", attempt, action, self.callback.url.host, reason)
            if attempt < attempts:
                await self.clock.sleep(self.delivery.pause_before(attempt))
        raise Undelivered(f"the callback {reason}, at {attempts} attempts")

    async def _attempt(self, content: bytes) -> str | None:
        """Post once; return None if the gateway has accepted the message, or why an attempt may follow."""
        if self.client.is_closed:
            raise Undelivered("the subgraph has ended")
        try:
            status = await self._status(content)
        except TimeoutError:
            return f"did not reply within {self.delivery.timeout:g} s"
        except httpx.TransportError as error:
            return f"could not be reached ({type(error).__name__})"
        if 200 <= status < 300:
            return None
        if status == NOT_FOUND:
            raise Gone
        reason = f"replied with HTTP status {status}"
        if status >= 500 or status == TOO_MANY:
            return reason
        raise Undelivered(f"the callback {reason}", is_refused=400 <= status < 500)

    async def _status(self, content: bytes) -> int:
        """Post once; return the status of the reply, of which nothing else is read, and nothing is
        followed.
        """
        async with asyncio.timeout(None) as scope:
            end = self.clock.time() + self.delivery.timeout
            timer = self.clock.call_at(end, scope.reschedule, 0.0)  # of the loop's time, so at once
            try:
                request = self.client.build_request(
                    "POST", self.callback.url, content=content, headers=HEADERS, timeout=None
                )
                reply = await self.client.send(request, stream=True, follow_redirects=False)
                try:
                    if reply.status_code == NO_CONTENT:
                        await reply.aread()  # so that the connection can be used again
                finally:
                    await reply.aclose()
            finally:
                timer.cancel()
        return reply.status_code
