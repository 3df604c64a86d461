"""Measures how soon a change is visible in a read model, on its way by outbox, queue, inbox, log
and projection.

This process runs the service `musicians` and changes profiles at a constant rate; another process runs the
read side. PostgreSQL and Valkey have durable settings.
"""

import asyncio
import sys
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import asyncpg
import httpx
from sqlalchemy import make_url

from bench.processes import free_port, running, wait_for
from subgraphs.kit.service import Service
from subgraphs.kit.settings import ServiceSettings
from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from subgraphs.musicians.app import bootstrap
from subgraphs.platform.valkey import start_valkey

MUSICIANS, RATE, SECONDS = 50, 100, 10  # profiles, changes per second, seconds
CREATE = """mutation($name: String!) {
  createMusicianProfile(input: {stageName: $name, hourlyRate: {amount: "50", currency: "EUR"}}) {
    musician { uuid } userErrors { code field message } } }"""
UPDATE = """mutation($rate: Decimal!) {
  updateMusicianProfile(input: {hourlyRate: {amount: $rate, currency: "EUR"}}) {
    musician { uuid } userErrors { code field message } } }"""
STATE = "{ readModels { name eventsApplied latency { events p50Ms p95Ms p99Ms } } }"


async def change(service: Service, keys: SigningKeys) -> int:
    """Create MUSICIANS profiles and change them RATE times per second; return the number of
    published events.
    """
    client = Client(service)
    people = [ApiUser.make(keys, "musician") for _ in range(MUSICIANS)]
    for number, person in enumerate(people):
        await client.data(CREATE, person, name=f"Band {number}")
    loop = asyncio.get_running_loop()
    begun, tasks = loop.time(), set()
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, begun + number / RATE - loop.time()))
        given = str(Decimal(5001 + number) / 100)
        task = asyncio.create_task(client.data(UPDATE, people[number % MUSICIANS], rate=given))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return MUSICIANS + RATE * SECONDS


async def latencies(port: int, keys: SigningKeys, events: int) -> dict[str, float]:
    """Wait until the read model of musicians has applied `events` events; return its latencies in ms.

    `port`: that of the read side. Raises RuntimeError after a minute.
    """
    headers = ApiUser.make(keys, "admin").headers
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            answer = await client.post(
                f"http://127.0.0.1:{port}/graphql", json={"query": STATE}, headers=dict(headers)
            )
            model = next(one for one in answer.json()["data"]["readModels"] if one["name"] == "musicians")
            if model["eventsApplied"] == events:
                found: dict[str, float] = model["latency"]
                return found
            await asyncio.sleep(0.1)
    raise RuntimeError(
        f"the read model must apply {events} events within a minute, it applied {model['eventsApplied']}"
    )


async def _databases(url: str) -> dict[str, str]:
    made = {}
    connection = await asyncpg.connect(url)
    for name in ("lag_musicians", "lag_reads"):
        await connection.execute(f"CREATE DATABASE {name}")
        made[name] = make_url(url).set(database=name).render_as_string(hide_password=False)
    await connection.close()
    return made


async def _measure(settings: ServiceSettings, keys: SigningKeys, port: int) -> dict[str, float]:
    service = bootstrap(settings)
    await service.start()
    try:
        return await latencies(port, keys, await change(service, keys))
    finally:
        await service.stop()


def projection_lag(folder: Path, postgres_url: str, keys: SigningKeys) -> dict[str, float]:
    """Return the milliseconds until a change is visible: p50Ms, p95Ms and p99Ms of the newest 1,000 events.

    `folder`: for the data of Valkey; `postgres_url`: the server on which databases are created.
    """
    databases = asyncio.run(_databases(postgres_url))
    port = free_port()
    with ExitStack() as stack:
        valkey = start_valkey(folder / "valkey", durable=True)
        stack.callback(valkey.stop)
        environment = {
            "DATABASE_URL": databases["lag_reads"],
            "REDIS_URL": valkey.url,
            "JWT_PUBLIC_KEY_FILE": str(keys.public),
            "PORT": str(port),
        }
        command = [sys.executable, "-m", "subgraphs.kit.serve", "read_side"]
        stack.enter_context(running("read_side", command, environment, gateway=False))
        wait_for("read_side", f"http://127.0.0.1:{port}/graphql")
        settings = ServiceSettings("musicians", databases["lag_musicians"], valkey.url, keys.public)
        return asyncio.run(_measure(settings, keys, port))
