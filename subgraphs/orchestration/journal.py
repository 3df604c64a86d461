"""The journal of sagas, whose changes are published as events."""

from importlib.resources import files

from gateway.saga.postgres import PostgresJournal


def events_script() -> str:
    """Return the SQL statements by which changes of sagas write events to the outbox."""
    return files("subgraphs.orchestration").joinpath("saga_events.sql").read_text(encoding="utf-8")


class PublishedJournal(PostgresJournal):
    """The journal in the service's database, which has the kit's table `outbox`."""

    async def create(self) -> None:
        """Create the tables, and the trigger that writes events."""
        await super().create()
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(7245316)")  # as the journal does
            await connection.execute(events_script())
