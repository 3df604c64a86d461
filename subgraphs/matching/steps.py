"""The step of sagas in the matching service: it checks whether a musician can be booked for a request.

`kit/steps` calls it with `given`, the input of the step, and, to undo it, `done`, the result of doing it.
"""

from typing import Any
from uuid import UUID

from subgraphs.kit.closed_accounts import has_closed
from subgraphs.kit.errors import Conflict, NotFound
from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching import store


async def validate(uow: UnitOfWork, given: Given) -> Given:
    """Check that a musician can be booked; return facts about musician and request for later steps.

    Raises NotFound for an unknown musician or request, and Conflict if the request is not open or the
    musician's hourly rate is above the whole budget.
    """
    request_id, musician_id = UUID(given["requestId"]), UUID(given["musicianId"])
    request = await store.request(uow, request_id)
    if request is None:
        raise NotFound(f"There is no request with the id {request_id}")
    if request.status not in ("open", "in_progress"):
        raise Conflict(f"Musicians can be booked for open requests only, this one is {request.status}")
    musician = await store.musician(uow, musician_id)
    if musician is None:
        raise NotFound(f"There is no musician with the id {musician_id}")
    if await has_closed(uow, [musician.user_id]):
        raise Conflict("The musician's account is closed")
    if musician.currency == request.currency and musician.hourly_rate > request.budget_max:
        raise Conflict(
            f"The musician's hourly rate, {musician.hourly_rate}, is above the whole budget,"
            f" {request.budget_max}"
        )
    facts: dict[str, Any] = {"stageName": musician.stage_name, "musicianUserId": str(musician.user_id)}
    return {**facts, "title": request.title, "startsAt": request.starts_at.isoformat()}


async def unvalidate(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Do nothing: the check has no effect to undo."""
    return {}
