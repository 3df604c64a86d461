"""One subscription by HTTP callback: its events, its heartbeats, and its end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from graphql import GraphQLError
from strawberry.types.execution import PreExecutionError

from gateway.core.clock import Clock
from gateway.strawberry_subgraphs.callback_posts import CallbackPosts, Gone, Undelivered, log

Payload = Callable[[Any], Coroutine[Any, Any, Any]]
"""Returns the response, as it is sent, of an execution's result."""
Errors = list[dict[str, Any]]

SHUT_DOWN = "the subgraph is shutting down"


class CallbackSubscription:
    """Posts the results of a stream to a callback, until the stream or the gateway ends it.

    `results`: makes the stream of a subscription's results. `payload`: makes the response of a result.
    """

    def __init__(
        self,
        posts: CallbackPosts,
        results: Callable[[], Coroutine[Any, Any, Any]],
        payload: Payload,
        clock: Clock,
    ) -> None:
        self.posts = posts
        self.results = results
        self.payload = payload
        self.clock = clock

    async def run(self) -> None:
        """Post events and heartbeats; `complete` after the last event. Raises nothing but CancelledError."""
        try:
            await self._complete(await self._first_of(self._events(), self._heartbeats()))
        except Gone:
            log.debug("the gateway has ended a subscription")
        except Undelivered as failure:
            log.warning("a subscription has ended: %s", failure)
            if failure.is_refused:
                await self._complete_once([{"message": f"an event could not be delivered: {failure}"}])
        except Exception:
            log.exception("a subscription has ended")
            await self._complete_once([{"message": "the subscription has failed in the subgraph"}])

    async def shut_down(self) -> None:
        """Post that the subgraph ends, if the gateway is there."""
        await self._complete_once([{"message": SHUT_DOWN}])

    async def _events(self) -> Errors:
        """Post each result; return the errors with which the stream ended."""
        stream: AsyncIterator[Any] = await self.results()
        try:
            async for result in stream:
                if (errors := final_errors(result)) is not None:
                    return errors
                await self.posts.post("next", payload=await self.payload(result))
        finally:
            await getattr(stream, "aclose", _nothing)()
        return []

    async def _heartbeats(self) -> Errors:
        """Post `check` at each interval; without one, wait forever."""
        interval = self.posts.callback.heartbeat
        if not interval:
            await asyncio.get_running_loop().create_future()
        while True:
            await self.clock.sleep(interval)
            await self.posts.post("check")

    async def _first_of(self, *parts: Coroutine[Any, Any, Errors]) -> Errors:
        """Run both; return or raise what the first one does that ends, and end the other one."""
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        first = next((task for task in tasks if not task.cancelled() and task.exception()), tasks[0])
        return first.result()

    async def _complete(self, errors: Errors) -> None:
        more: dict[str, Any] = {"errors": errors} if errors else {}
        await self.posts.post("complete", **more)

    async def _complete_once(self, errors: Errors) -> None:
        """Post `complete` where nothing depends on its success."""
        try:
            await self.posts.post("complete", attempts=1, errors=errors)
        except (Gone, Undelivered) as failure:
            log.debug("complete was not delivered: %s", failure)


async def _nothing() -> None:
    """Do nothing."""


def final_errors(result: Any) -> Errors | None:
    """Return the errors of a result that is the end of a stream; None if it is an event.

    Strawberry passes on an exception of a stream's source as a last result. Its errors have no path, unlike
    those of an event's fields.
    """
    errors: list[GraphQLError] = result.errors or []
    is_refused = isinstance(result, PreExecutionError)
    if is_refused or (errors and result.data is None and all(error.path is None for error in errors)):
        return [dict(error.formatted) for error in errors]
    return None
