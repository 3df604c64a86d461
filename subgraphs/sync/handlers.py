"""The use case of the sync service: an admin orders a replay of a failed event."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import Conflict
from subgraphs.kit.messages import Command
from subgraphs.kit.queue.streams import replays_of
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.sync import store
from subgraphs.sync.messages import ReplaySync
from subgraphs.sync.model import REPLAYABLE
from subgraphs.sync.tables import SYNC_ROWS

log = structlog.get_logger("subgraphs.sync")


def command_handlers(redis: Redis) -> Mapping[type[Command[Any]], CommandHandler]:
    """Return the command handlers; they publish requests for replays on the queue's server `redis`."""

    async def replay(uow: UnitOfWork, command: ReplaySync) -> UUID:
        """Publish a request to the consumer to apply a failed event again; return the sync's id.

        The request is published before the commit, because a repeated request is harmless, a lost one is not.
        Raises NotFound for an unknown sync, and Conflict if its status is not in REPLAYABLE or the queue is
        down.
        """
        sync = await SYNC_ROWS.lock(uow, command.id, f"There is no sync with the id {command.id}")
        if sync.status not in REPLAYABLE:
            raise Conflict(f"The sync is {sync.status}; only a failed sync can be replayed")
        await store.record_replay(uow, sync, command.by, command.reason)
        order: dict[Any, Any] = {
            "event_id": str(sync.event_id),
            "by": str(command.by),
            "reason": command.reason,
        }
        try:
            await redis.xadd(replays_of(sync.target_service), order, maxlen=10_000, approximate=True)
        except (RedisError, OSError) as error:
            raise Conflict("The queue is unreachable: try again when it runs") from error
        log.info("replay ordered", sync=str(sync.id), by=str(command.by), reason=command.reason)
        return command.id

    return {ReplaySync: replay}
