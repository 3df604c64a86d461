"""The `mussikon` command's requests to the queue's server: whether it answers, and the deletion of
all events.

The client library is imported only when it is needed, because its import is slow.
"""

import importlib
from typing import Any

from subgraphs.platform.errors import LaunchError


async def check_queue(url: str) -> None:
    """Raise LaunchError unless a Redis or Valkey answers at this URL."""
    await _with_client(url, lambda client: client.ping())


async def delete_events(url: str) -> None:
    """Delete all streams of events, confirmations and replays; call it after dropping the databases.

    Raises LaunchError if the server does not answer.
    """

    async def delete(client: Any) -> None:
        for kind in ("events", "confirmations", "replays"):
            names = [name async for name in client.scan_iter(f"{kind}:*")]
            if names:
                await client.delete(*names)

    await _with_client(url, delete)


async def _with_client(url: str, work: Any) -> None:
    redis = importlib.import_module("redis.asyncio")
    errors = importlib.import_module("redis.exceptions")
    try:
        async with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
            await work(client)
    except (errors.RedisError, OSError, ValueError) as error:
        raise LaunchError(
            f"The Redis server does not answer: {error}", "Start it, or correct --redis-url"
        ) from error
