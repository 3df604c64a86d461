"""A consumer in its own process, for tests that pause or kill it.

`python -m tests.subgraphs.kit.queue.consumer_process DATABASE_URL QUEUE_URL`.
"""

import asyncio
import signal
import sys

from subgraphs.kit.database import Database
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.inbox import Inbox
from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.unit_of_work import UnitOfWork
from tests.subgraphs.kit.queue.service_pair import QUICK_RETRIES, record


async def slowly(uow: UnitOfWork, envelope: Envelope) -> None:
    """Record the event slowly, so that a signal of the test arrives during the open transaction."""
    await record(uow, envelope)
    await asyncio.sleep(0.002)


async def main(database_url: str, queue_url: str) -> None:
    """Consume events until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    database, queue = Database(database_url), Queue(queue_url)
    inbox = Inbox(
        database,
        queue.redis,
        "consumer",
        ["publisher"],
        {"ItemCounted": slowly},
        retry_policy=QUICK_RETRIES,
        lease_seconds=1.0,
    )
    await inbox.start()
    await ended.wait()
    await inbox.stop()
    await queue.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
