"""Publishes invalidations of a service that has no relay, or whose data changes later than its events.

The publisher is a background part: callers do not wait, and nothing fails while Redis is away. Tags that wait
are published when it returns. A killed process loses those that waited, so its successor invalidates all of
the service's replies when it starts.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog
from redis.asyncio import Redis

from gateway.cache.keys import subgraph_tag
from subgraphs.kit import cache_tags
from subgraphs.kit.clock import SYSTEM_CLOCK, Clock
from subgraphs.kit.tasks import Background

log = structlog.get_logger("subgraphs.invalidations")

PAUSE: Final = 0.5  # seconds between two attempts to reach Redis


class InvalidationPublisher(Background):
    """The part that publishes the tags of one service; `service` is the name of its subgraph."""

    def __init__(self, redis: Redis, service: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._redis = redis
        self._clock = clock
        self._waiting: dict[str, None] = {subgraph_tag(service): None}
        self._wake = asyncio.Event()
        self._wake.set()
        self._is_failing = False
        self.task_name = f"invalidations {service}"

    def publish(self, tags: Iterable[str]) -> None:
        """Publish tags as soon as possible, without waiting."""
        self._waiting.update(dict.fromkeys(tags))
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            tags, self._waiting = self._waiting, {}
            try:
                if tags:
                    await cache_tags.publish(self._redis, list(tags))
                self._is_failing = False
            except Exception as error:
                self._waiting = tags | self._waiting
                self._wake.set()
                if not self._is_failing:  # once per outage
                    log.warning("invalidations cannot be published; retrying", reason=type(error).__name__)
                self._is_failing = True
                await self._clock.sleep(PAUSE)
