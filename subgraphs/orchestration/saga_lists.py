"""The list of sagas: the table in which the journal has them, its order and its conditions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, ColumnElement, DateTime, MetaData, Table, Text, Uuid, func, select

from gateway.saga.journal import SagaView
from gateway.saga.postgres import PostgresJournal
from subgraphs.kit.between import EVER, Between, BetweenInput, between_of
from subgraphs.kit.database import Database
from subgraphs.kit.pagination import Order, Page
from subgraphs.orchestration.enums import SagaStatus, SagaType

sagas: Final = Table(
    "sagas",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("saga_type", Text),
    Column("status", Text),
    Column("created_by", Text),
    Column("started_at", DateTime(timezone=True)),
)
NEWEST: Final = Order("sagas:newest", sagas.c.started_at, datetime, sagas.c.id, descending=True)


@dataclass(frozen=True, slots=True)
class SagaCriteria:
    """Conditions on sagas, joined by AND; an empty or None field is no condition. `by`: the caller's id."""

    by: str | None = None
    statuses: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    started: Between = EVER

    @classmethod
    def read(
        cls,
        by: str | None,
        status: Sequence[SagaStatus] | None,
        types: Sequence[SagaType] | None,
        between: BetweenInput | None,
    ) -> "SagaCriteria":
        """Return the checked arguments. Raises BadUserInput."""
        statuses = tuple(one.value for one in status or ())
        return cls(by, statuses, tuple(one.value for one in types or ()), between_of(between))

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions on the table of sagas."""
        given = (
            (self.by, sagas.c.created_by == self.by),
            (self.statuses, sagas.c.status.in_(self.statuses)),
            (self.types, sagas.c.saga_type.in_(self.types)),
        )
        chosen = [condition for value, condition in given if value]
        return [*chosen, *self.started.conditions(sagas.c.started_at)]


async def page_of_sagas(
    database: Database, journal: PostgresJournal, page: Page, conditions: Sequence[ColumnElement[bool]]
) -> list[SagaView]:
    """Return the sagas of a page, and one more if there is another page, in the order of the statement."""
    rows = await database.fetch_all(page.select(select(sagas.c.id, sagas.c.started_at).where(*conditions)))
    views = {view.id: view for view in await journal.views([row.id for row in rows])}
    return [views[row.id] for row in rows]


async def count_sagas(database: Database, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Return the number of sagas that fulfil all conditions."""
    counted = select(func.count()).select_from(sagas).where(*conditions)
    return int(await database.fetch_value(counted))
