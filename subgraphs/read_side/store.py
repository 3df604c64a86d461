"""The queries of the read models; their tables are in tables.py and created by projections/."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, func, select

from subgraphs.kit.database import Session
from subgraphs.kit.pagination import Order, Page
from subgraphs.read_side.tables import active_requests, matches, musicians, rankings, requests, top_musicians

_REPEATED_MINUS = re.compile(r'-(?=[^\w"]*-)')
_KM_PER_DEGREE = math.pi * 6371.0088 / 180


def _musicians(name: str, column: str, kind: Any, *, descending: bool = False) -> Order:
    return Order(f"find_musicians:{name}", musicians.c[column], kind, musicians.c.musician_id, descending)


MUSICIAN_ORDERS = {
    "rating": _musicians("rating", "rating_order", Decimal, descending=True),
    "newest": _musicians("newest", "created_at", datetime, descending=True),
    "rate_asc": _musicians("rate_asc", "hourly_rate", Decimal),
    "rate_desc": _musicians("rate_desc", "hourly_rate", Decimal, descending=True),
}
REQUEST_ORDERS = {
    "soonest": Order("find_requests:soonest", requests.c.starts_at, datetime, requests.c.request_id),
    "newest": Order(
        "find_requests:newest", requests.c.created_at, datetime, requests.c.request_id, descending=True
    ),
}


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle around a point."""

    latitude: float
    longitude: float
    km: float

    def conditions(self, table: Table) -> list[ColumnElement[bool]]:
        """Return the SQL conditions: a bounding box, for which an index is used, then the exact distance.

        Near a pole or the date line the box has no condition on the longitude.
        """
        latitude, longitude = table.c.latitude, table.c.longitude
        reach = self.km / _KM_PER_DEGREE
        found: list[ColumnElement[bool]] = [latitude.between(self.latitude - reach, self.latitude + reach)]
        shrink = math.cos(math.radians(min(abs(self.latitude) + reach, 90.0)))
        if reach < 180 * shrink and abs(self.longitude) + reach / shrink <= 180:
            found.append(longitude.between(self.longitude - reach / shrink, self.longitude + reach / shrink))
        return [*found, func.km_between(self.latitude, self.longitude, latitude, longitude) <= self.km]


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicianCriteria:
    """Conditions on musicians, joined by AND; an empty or None field is no condition."""

    text: str | None = None
    skill_ids: tuple[UUID, ...] = ()
    min_rating: float | None = None
    max_hourly_rate: Decimal | None = None
    city: str | None = None
    available_only: bool = False
    near: Circle | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions."""
        found: list[ColumnElement[bool]] = []
        if self.text:
            found.append(_matches(musicians, self.text))
        if self.skill_ids:
            found.append(musicians.c.skill_ids.contains(list(self.skill_ids)))
        if self.min_rating is not None:
            found.append(musicians.c.rating >= Decimal(str(self.min_rating)))
        if self.max_hourly_rate is not None:
            found.append(musicians.c.hourly_rate <= self.max_hourly_rate)
        if self.city:
            found.append(func.lower(musicians.c.city) == self.city.lower())
        if self.available_only:
            found.append(musicians.c.is_available)
        return [*found, *(self.near.conditions(musicians) if self.near else ())]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCriteria:
    """Conditions on requests, joined by AND; an empty or None field is no condition."""

    text: str | None = None
    skill_ids: tuple[UUID, ...] = ()
    statuses: tuple[str, ...] = ()
    starts_from: datetime | None = None
    starts_to: datetime | None = None
    near: Circle | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions."""
        found: list[ColumnElement[bool]] = []
        if self.text:
            found.append(_matches(requests, self.text))
        if self.skill_ids:
            found.append(requests.c.required_skill_ids.contains(list(self.skill_ids)))
        if self.statuses:
            found.append(requests.c.status.in_(self.statuses))
        if self.starts_from:
            found.append(requests.c.starts_at >= self.starts_from)
        if self.starts_to:
            found.append(requests.c.starts_at <= self.starts_to)
        return [*found, *(self.near.conditions(requests) if self.near else ())]


def _matches(table: Table, words: str) -> ColumnElement[bool]:
    """Return the condition for a full text search with the syntax of search engines ("quoted", or, -without).

    Any text is a valid query. Repeated minus signs are reduced to one: each is a level of nesting, of which
    PostgreSQL allows 32.
    """
    query = _REPEATED_MINUS.sub(" ", words)
    condition: ColumnElement[bool] = table.c.search.op("@@")(func.websearch_to_tsquery("simple", query))
    return condition


async def page_of(
    session: Session, table: Table, criteria: MusicianCriteria | RequestCriteria, page: Page
) -> Sequence[Row[Any]]:
    """Return the rows of a page, and one more if there is a next page."""
    columns = [column for column in table.c if column.name != "search"]
    return await session.fetch_all(page.select(select(*columns).where(*criteria.conditions())))


async def count_of(session: Session, table: Table, criteria: MusicianCriteria | RequestCriteria) -> int:
    """Return the number of rows that fulfil the criteria."""
    statement = select(func.count()).select_from(table).where(*criteria.conditions())
    return int(await session.fetch_value(statement))


async def top_rated(session: Session, first: int) -> Sequence[Row[Any]]:
    """Return the best `first` rows of the view of top musicians."""
    view = top_musicians.c
    order = (view.rating.desc(), view.total_reviews.desc(), view.musician_id)
    return await session.fetch_all(
        select(*[column for column in view if column.name != "search"]).order_by(*order).limit(first)
    )


async def active_summary(session: Session) -> Sequence[Row[Any]]:
    """Return the summary of open requests and those in progress, by status and currency."""
    return await session.fetch_all(
        select(active_requests).order_by(active_requests.c.status, active_requests.c.currency)
    )


async def client_of_ranking(session: Session, request_id: UUID) -> UUID | None:
    """Return the client of a request that has a ranking, else None."""
    statement = select(rankings.c.client_id).where(rankings.c.request_id == request_id)
    client_id = await session.fetch_value(statement)
    return client_id if client_id is None else UUID(str(client_id))


async def ranking(session: Session, request_id: UUID, first: int) -> Sequence[Row[Any]]:
    """Return the first `first` rows of a request's ranking."""
    own = select(matches).where(matches.c.request_id == request_id)
    return await session.fetch_all(own.order_by(matches.c.ranking_position).limit(first))


async def rows_in(session: Session, table: Table) -> int:
    """Return the number of visible rows of a read model."""
    return int(await session.fetch_value(select(func.count()).select_from(table)))
