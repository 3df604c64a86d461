"""The use cases of the matching service: the handler of the command FindMatches, and the handlers of events,
which store copies of musicians and requests.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from subgraphs.kit import closed_accounts
from subgraphs.kit.bus import CommandHandler
from subgraphs.kit.errors import BadUserInput, Conflict, Forbidden, NotFound
from subgraphs.kit.messages import Command, Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.records import values_of
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.matching import store
from subgraphs.matching.matcher import Matcher
from subgraphs.matching.messages import FindMatches, MusicianFacts, RequestFacts
from subgraphs.matching.records import AlgorithmRecord

_OPEN_STATUSES = ("open", "in_progress")


def algorithm_named(algorithms: Mapping[str, AlgorithmRecord], name: str) -> AlgorithmRecord:
    """Return the algorithm with this name. Raises BadUserInput for an unknown name."""
    if (algorithm := algorithms.get(name)) is None:
        raise BadUserInput(f"'algorithm' must be one of {', '.join(algorithms)}, got {name!r}", "algorithm")
    return algorithm


def command_handlers(matcher: Matcher) -> Mapping[type[Command[Any]], CommandHandler]:
    """Return the service's command handlers by command type; they rank musicians with `matcher`."""

    async def find_matches(uow: UnitOfWork, command: FindMatches) -> UUID:
        request = await store.request(uow, command.request_id)
        if request is None:
            raise NotFound(
                f"There is no request with the id {command.request_id}, or the matching service has not"
                " received it yet: try again in a moment"
            )
        if not command.by.is_owner_or_admin(request.client_id):
            raise Forbidden(
                "The request belongs to another user: only its client and admins may rank musicians"
            )
        if request.status not in _OPEN_STATUSES:
            raise Conflict(f"Musicians are ranked for open requests only, this one is {request.status}")
        algorithms = {known.name: known for known in await store.all_algorithms(uow)}
        algorithm = algorithm_named(algorithms, command.algorithm)
        result = await matcher.result(
            uow, algorithm, request, force=command.force_refresh, result_id=command.result_id
        )
        return result.id

    return {FindMatches: find_matches}


async def store_musician(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store a copy of the musician in an event of the musicians service (a handler of events)."""
    await store.upsert_musician(uow, {**_values(envelope.read(MusicianFacts)), **_order(envelope)})


async def store_account(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store whether an account is closed (a handler of events): its musician is not ranked then."""
    facts = await closed_accounts.store_account(uow, envelope)
    await store.refresh_musician(uow, facts.user_id)


async def store_request(uow: UnitOfWork, envelope: Envelope) -> None:
    """Store a copy of the request in an event of the requests service (a handler of events)."""
    await store.upsert_request(uow, {**_values(envelope.read(RequestFacts)), **_order(envelope)})


def _order(envelope: Envelope) -> dict[str, int]:
    return {"position": envelope.position, "version": envelope.version}


def _values(facts: msgspec.Struct) -> dict[str, Any]:
    return values_of(facts, *facts.__struct_fields__)


EVENT_HANDLERS: Mapping[str, EventHandler] = {
    "MusicianProfileCreated": store_musician,
    "MusicianProfileUpdated": store_musician,
    "UserUpdated": store_account,
    "RequestPublished": store_request,
    "RequestUpdated": store_request,
}
