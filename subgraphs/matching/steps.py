"""What sagas ask of matching: whether a musician can be booked for a request, as far as is known here."""

from typing import Any
from uuid import UUID

from subgraphs.kit.errors import Conflict, NotFound
from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching import store


async def validate(uow: UnitOfWork, given: Given) -> Given:
    """The musician and the request are known, and the request still looks for somebody."""
    request_id, musician_id = UUID(given["requestId"]), UUID(given["musicianId"])
    request = (await store.requests_by_ids(uow, [request_id])).get(request_id)
    if request is None:
        raise NotFound("There is no such request")
    if request.status not in ("open", "in_progress"):
        raise Conflict(f"The request is {request.status}, so nobody can be booked for it")
    musician = await store.musician(uow, musician_id)
    if musician is None:
        raise NotFound("There is no such musician")
    if musician.currency == request.currency and musician.hourly_rate > request.budget_max:
        raise Conflict("The musician's hourly rate is above the whole budget")
    found: dict[str, Any] = {"stageName": musician.stage_name, "musicianUserId": str(musician.user_id)}
    return {**found, "title": request.title, "startsAt": request.starts_at.isoformat()}


async def unvalidate(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """A look leaves nothing to undo."""
    return {}
