"""The SQL queries of the read models, for the resolvers in `schema`.

The views that they read are defined in `tables`; the projections create them.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, func, select

from subgraphs.kit.between import EVER, Between
from subgraphs.kit.database import Session
from subgraphs.kit.geography import Circle
from subgraphs.kit.pagination import Order
from subgraphs.read_side.records import ActiveSummary, ListedMusician, RankedRecord
from subgraphs.read_side.tables import (
    ACTIVE_ROWS,
    RANKED_ROWS,
    TOP_MUSICIAN_ROWS,
    active_requests,
    matches,
    musicians,
    rankings,
    requests,
    top_musicians,
)

_REPEATED_MINUS = re.compile(r'-(?=[^\w"]*-)')


def _musicians(name: str, column: str, kind: Any, *, descending: bool = False) -> Order:
    return Order(f"search_musicians:{name}", musicians.c[column], kind, musicians.c.musician_id, descending)


MUSICIAN_ORDERS = {
    "rating": _musicians("rating", "rating_order", Decimal, descending=True),
    "newest": _musicians("newest", "created_at", datetime, descending=True),
    "rate_asc": _musicians("rate_asc", "hourly_rate", Decimal),
    "rate_desc": _musicians("rate_desc", "hourly_rate", Decimal, descending=True),
    "experience_desc": _musicians("experience_desc", "experience_years", int, descending=True),
    "name_asc": _musicians("name_asc", "stage_name", str),
}
REQUEST_ORDERS = {
    "soonest": Order("search_requests:soonest", requests.c.starts_at, datetime, requests.c.request_id),
    "newest": Order(
        "search_requests:newest", requests.c.created_at, datetime, requests.c.request_id, descending=True
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicianCriteria:
    """Conditions on musicians, joined by AND; a field that is empty or None is no condition.

    A rate is an amount and its currency. Musicians whose account is closed are never listed.
    """

    text: str | None = None
    skill_ids: tuple[UUID, ...] = ()
    min_rating: float | None = None
    min_rate: tuple[Decimal, str] | None = None
    max_rate: tuple[Decimal, str] | None = None
    min_experience: int | None = None
    name: str | None = None
    city: str | None = None
    near: Circle | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions."""
        found: list[ColumnElement[bool]] = [musicians.c.is_available]
        if self.text:
            found.append(_matches(musicians, self.text))
        if self.skill_ids:
            found.append(musicians.c.skill_ids.contains(list(self.skill_ids)))
        if self.min_rating is not None:
            found.append(musicians.c.rating >= Decimal(str(self.min_rating)))
        if self.min_rate is not None:
            amount, currency = self.min_rate
            found += [musicians.c.hourly_rate >= amount, musicians.c.currency == currency]
        if self.max_rate is not None:
            amount, currency = self.max_rate
            found += [musicians.c.hourly_rate <= amount, musicians.c.currency == currency]
        if self.min_experience is not None:
            found.append(musicians.c.experience_years >= self.min_experience)
        if self.name:
            name = func.lower(musicians.c.stage_name)
            found.append(name.contains(self.name.lower(), autoescape=True))
        if self.city:
            found.append(func.lower(musicians.c.city) == self.city.lower())
        return [*found, *_within(musicians, self.near)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCriteria:
    """Conditions on requests, joined by AND; an empty or None field is no condition."""

    text: str | None = None
    skill_ids: tuple[UUID, ...] = ()
    statuses: tuple[str, ...] = ()
    urgency_levels: tuple[str, ...] = ()
    starts: Between = EVER
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
        if self.urgency_levels:
            found.append(requests.c.urgency_level.in_(self.urgency_levels))
        return [*found, *self.starts.conditions(requests.c.starts_at), *_within(requests, self.near)]


def _within(table: Table, circle: Circle | None) -> list[ColumnElement[bool]]:
    """Return the conditions that a row's place is in a circle; without a circle no condition.

    `km_between` is a function of the database, which a migration creates.
    """
    if circle is None:
        return []
    place = (table.c.latitude, table.c.longitude)
    distance = func.km_between(circle.latitude, circle.longitude, *place)
    return [*circle.box(*place), distance <= circle.km]


def _matches(table: Table, words: str) -> ColumnElement[bool]:
    """Return the condition for a full text search with the syntax of search engines ("quoted", or, -without).

    Any text is a valid query. Repeated minus signs are reduced to one: each is a level of nesting, of which
    PostgreSQL allows 32.
    """
    query = _REPEATED_MINUS.sub(" ", words)
    condition: ColumnElement[bool] = table.c.search.op("@@")(func.websearch_to_tsquery("simple", query))
    return condition


async def top_rated(session: Session, first: int) -> list[ListedMusician]:
    """Return the `first` best musicians of the view `v_top_musicians`: by rating, then number of reviews."""
    view = top_musicians.c
    order = (view.rating.desc(), view.total_reviews.desc(), view.musician_id)
    best = select(*TOP_MUSICIAN_ROWS.columns).order_by(*order).limit(first)
    return await TOP_MUSICIAN_ROWS.fetch_all(session, best)


async def active_summary(session: Session) -> list[ActiveSummary]:
    """Return the numbers and means of open requests and those in progress, per status and currency."""
    order = (active_requests.c.status, active_requests.c.currency)
    return await ACTIVE_ROWS.fetch_all(session, select(active_requests).order_by(*order))


async def client_of_ranking(session: Session, request_id: UUID) -> UUID | None:
    """Return the id of a request's client; None if the request has no ranking yet."""
    statement = select(rankings.c.client_id).where(rankings.c.request_id == request_id)
    client_id = await session.fetch_value(statement)
    return client_id if client_id is None else UUID(str(client_id))


async def ranking(session: Session, request_id: UUID, first: int) -> list[RankedRecord]:
    """Return the `first` best musicians of a request's ranking, the best first."""
    own = select(matches).where(matches.c.request_id == request_id)
    return await RANKED_ROWS.fetch_all(session, own.order_by(matches.c.ranking_position).limit(first))
