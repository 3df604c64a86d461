"""The use cases of the matching service."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import BadUserInput, Conflict, Forbidden, NotFound
from subgraphs.kit.messages import Command, Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching import store
from subgraphs.matching.matcher import Matcher
from subgraphs.matching.messages import FindMatches, MusicianFacts, RequestFacts

_LOOKING = ("open", "in_progress")


def chosen(algorithms: Mapping[str, Row[Any]], name: str) -> Row[Any]:
    """The algorithm of this name."""
    if (found := algorithms.get(name)) is None:
        raise BadUserInput(
            f"There is no algorithm of this name; there are {', '.join(algorithms)}", "algorithm"
        )
    return found


def command_handlers(matcher: Matcher) -> Mapping[type[Command[Any]], CommandHandler]:
    """The handlers of the orders, over this matcher."""

    async def find_matches(uow: UnitOfWork, command: FindMatches) -> UUID:
        request = (await store.requests_by_ids(uow, [command.request_id])).get(command.request_id)
        if request is None:
            raise NotFound("There is no such request, or it has not arrived here yet: try again in a moment")
        if not command.by.is_owner_or_admin(request.client_id):
            raise Forbidden("This request belongs to somebody else")
        if request.status not in _LOOKING:
            raise Conflict(f"The request is {request.status}, so it looks for nobody")
        algorithms = {row.name: row for row in await store.all_algorithms(uow)}
        row = await matcher.result(uow, chosen(algorithms, command.algorithm), request, command.force_refresh)
        return UUID(str(row.id))

    return {FindMatches: find_matches}


async def store_musician(uow: UnitOfWork, envelope: Envelope) -> None:
    """Copy what the musicians service says of a musician."""
    await store.upsert_musician(uow, {**_values(envelope.read(MusicianFacts)), **_place(envelope)})


async def store_request(uow: UnitOfWork, envelope: Envelope) -> None:
    """Copy what the requests service says of a request."""
    await store.upsert_request(uow, {**_values(envelope.read(RequestFacts)), **_place(envelope)})


def _place(envelope: Envelope) -> dict[str, int]:
    return {"position": envelope.position, "version": envelope.version}


def _values(facts: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in facts.__struct_fields__}


EVENT_HANDLERS: Mapping[str, EventHandler] = {
    "MusicianProfileCreated": store_musician,
    "MusicianProfileUpdated": store_musician,
    "RequestPublished": store_request,
    "RequestUpdated": store_request,
}
