"""Tests of the users service and the queue: events are published, and the service works while the queue is
down.
"""

import asyncio

from sqlalchemy import text

from subgraphs.kit.queue.streams import Queue
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import Client, Running, SigningKeys, entries_of, fresh_database
from subgraphs.users.app import bootstrap

REGISTER = """mutation($name: String!) {
  register(input: {username: $name, email: "a@mail.example", password: "correct horse"}) {
    session { user { uuid } } }
}"""


async def test_who_registers_is_told(running: Running, queue_url: str) -> None:
    """The event of a registration is published, beside that of the mail to confirm the address."""
    queue = Queue(queue_url)
    async with running("users", bootstrap) as service:
        user = (await Client(service).data(REGISTER, name="ann"))["register"]["session"]["user"]["uuid"]
        entries: list[dict[bytes, bytes]] = []
        for _ in range(250):
            if len(entries := await entries_of(queue.redis, "users")) == 2:
                break
            await asyncio.sleep(0.02)
    await queue.stop()
    (registered,) = [fields for fields in entries if fields[b"event_type"] == b"UserRegistered"]
    assert registered[b"aggregate_id"].decode() == user


async def test_it_starts_and_works_without_the_queue(postgres_url: str, keys: SigningKeys) -> None:
    """Without Valkey the service starts, is ready, registers a user, stores the events, and stops."""
    async with fresh_database(postgres_url, "users") as url:
        settings = ServiceSettings("users", url, "redis://127.0.0.1:1/0", keys.public, keys.private)
        service = bootstrap(settings)
        await service.start()
        await Client(service).data(REGISTER, name="ann")
        assert await service.database.is_ready()
        waiting = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        assert await service.database.fetch_value(waiting) == 2
        await service.stop()
