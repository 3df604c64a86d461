"""The inbox of a service reads the events of other services from the queue and has them applied by `applier`,
once per event, in order per aggregate.

The processes of a service share the partitions of the events by leases; each reads the partitions that it has
leased. A batch is applied in one transaction; if that fails, its events are applied one by one. An event that
fails is stored in the consumer's database, retried after growing pauses, and marked as `failed` when all
retries have failed. If the database is unavailable, the inbox waits for it and counts no retry. The inbox
confirms the outcome of each event to its publisher, which publishes unconfirmed events again.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from subgraphs.kit.database import Database
from subgraphs.kit.queue import confirmations, cursors
from subgraphs.kit.queue.applier import ANY_TYPE, EventApplier, EventHandler
from subgraphs.kit.queue.confirmations import Confirmation, Subscription
from subgraphs.kit.queue.cursors import StreamEntry
from subgraphs.kit.queue.failures import RetryPolicy
from subgraphs.kit.queue.leases import LeaseLost, Leases
from subgraphs.kit.queue.outages import is_outage
from subgraphs.kit.queue.streams import replays_of, run_id, stream_of
from subgraphs.kit.tasks import cancel

__all__ = ["ANY_TYPE", "EventHandler", "Inbox"]

log = structlog.get_logger("subgraphs.inbox")

BATCH = 100  # events per transaction
_READ = 50  # entries per stream and read
_BLOCK_MS = 500
HELLO_SECONDS = 60.0  # interval at which the subscriptions are published again


class Inbox:
    """Consumes the events of the services `sources`, under the name `consumer`, until it is stopped.

    `handlers` are by event type; the handler with the key ANY_TYPE receives events of all other types.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        consumer: str,
        sources: Sequence[str],
        handlers: Mapping[str, EventHandler],
        *,
        retry_policy: RetryPolicy | None = None,
        lease_seconds: float = 10.0,
    ) -> None:
        self._redis = redis
        self._database = database
        self._clock = database.clock
        self._consumer = consumer
        self.sources = sources
        self.handlers = handlers
        self._subscriptions = [
            Subscription(consumer=consumer, source=source, event_types=tuple(handlers)) for source in sources
        ]
        retry_policy = retry_policy or RetryPolicy()
        self._retry_interval = retry_policy.seconds / 2
        self._leases = Leases(database, consumer, lease_seconds)
        self._intake = EventApplier(database, consumer, handlers, self._leases, retry_policy)
        self._replays = replays_of(consumer)
        self._positions: dict[str, str] = {}
        self._tokens: dict[int, int] = {}
        self._run_id = ""
        self._leases_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start background tasks that renew leases, publish subscriptions and consume events."""
        loops = {"renew leases": self._renew_leases, "subscribe": self._subscribe, "consume": self._run}
        for name, loop in loops.items():
            self._tasks.append(asyncio.create_task(loop(), name=f"inbox {self._consumer} {name}"))

    async def stop(self) -> None:
        """Stop the tasks and release the leases, so that another process can lease the partitions now.

        The other process reads from the stored positions, so it applies the events that this process has read
        and not committed.
        """
        while self._tasks:
            await cancel(self._tasks.pop())
        try:
            await self._leases.release()
        except Exception as error:
            log.info("leases could not be released; they expire", consumer=self._consumer, reason=repr(error))

    async def _renew_leases(self) -> None:
        while True:
            try:
                await self._leases.renew()
                self._leases_changed.set()
            except Exception as error:
                log.warning(
                    "leases could not be renewed; retrying", consumer=self._consumer, reason=repr(error)
                )
            await self._clock.sleep(self._leases.seconds / 5)

    async def _subscribe(self) -> None:
        """Publish the subscriptions every HELLO_SECONDS: the queue may lose one, and a publisher considers a
        consumer without a recent subscription as dead.
        """
        while True:
            pause = HELLO_SECONDS
            try:
                await confirmations.publish(self._redis, self._subscriptions)
            except (RedisError, OSError):
                pause = 1.0
            await self._clock.sleep(pause)

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                await self._process_available()
                delay = 0.1
            except LeaseLost as lost:
                log.info("lease lost; another process continues", consumer=self._consumer, reason=str(lost))
                self._tokens = {}
                await self._clock.sleep(0.1)
            except Exception as error:
                log.warning("events could not be read; retrying", consumer=self._consumer, reason=repr(error))
                self._tokens, self._run_id = {}, ""
                await self._clock.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def _process_available(self) -> None:
        """Retry the stored events that are due, then read and apply new entries."""
        tokens = dict(self._leases.held)
        if not tokens:
            await self._wait_for_leases()
            return
        await self._find_positions(tokens)
        await self._retry(tokens)
        block = min(_BLOCK_MS, int(self._retry_interval * 1000) + 1)
        entries = await cursors.read_entries(self._redis, self._positions, _READ, block)
        replays = [entry for entry in entries if entry.stream == self._replays]
        if replays:
            await self._intake.replay(replays, tokens)
            self._positions[self._replays] = replays[-1].id
        events = [entry for entry in entries if entry.stream != self._replays]
        for start in range(0, len(events), BATCH):
            await self._process(events[start : start + BATCH], tokens)

    async def _wait_for_leases(self) -> None:
        self._leases_changed.clear()
        await self._leases_changed.wait()

    async def _find_positions(self, tokens: dict[int, int]) -> None:
        """Load the stored positions of the leased partitions if the leases changed or the queue's server was
        restarted. The process with the lease of partition 0 also reads the stream of replays.
        """
        current = await run_id(self._redis) if not self._run_id or tokens != self._tokens else self._run_id
        if current != self._run_id or tokens != self._tokens:
            streams = [stream_of(source, partition) for source in self.sources for partition in tokens]
            if 0 in tokens:
                streams.append(self._replays)
            known = await cursors.load_positions(self._database, self._consumer, streams)
            self._positions = await cursors.valid_positions(self._redis, known)
            self._tokens, self._run_id = tokens, current

    async def _retry(self, tokens: Mapping[int, int]) -> None:
        while rows := await self._intake.due(tokens):
            for row in rows:
                await self._confirm(await self._intake.retry(row, tokens))

    async def _process(self, entries: Sequence[StreamEntry], tokens: Mapping[int, int]) -> None:
        try:
            outcomes = await self._intake.apply_batch(entries, tokens)
        except Exception as error:
            if isinstance(error, LeaseLost) or is_outage(error):
                raise
            if len(entries) > 1:
                for entry in entries:
                    await self._process([entry], tokens)
                return
            outcomes = await self._intake.store_failed(entries[0], tokens, error)
        self._positions.update({entry.stream: entry.id for entry in entries})
        await self._confirm(outcomes)

    async def _confirm(self, outcomes: Sequence[Confirmation]) -> None:
        """Publish confirmations. If that fails, the publisher publishes the events again."""
        if outcomes:
            try:
                await confirmations.publish(self._redis, outcomes)
            except (RedisError, OSError) as error:
                log.warning(
                    "confirmations could not be published",
                    consumer=self._consumer,
                    count=len(outcomes),
                    reason=repr(error),
                )
