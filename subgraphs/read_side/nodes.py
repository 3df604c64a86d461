"""Relay's `node` and `nodes`: any object by its global id, whichever service owns it.

The read side asks the owner whether the object exists and whether the caller may see it, and returns the
object's type and key; the gateway reads the selected fields from the services that have them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import strawberry

from subgraphs.kit import descriptions
from subgraphs.kit.errors import BadUserInput, DomainError
from subgraphs.kit.global_ids import GlobalId, decode
from subgraphs.kit.graphql import REFERENCE, object_type
from subgraphs.read_side.command_side import CommandSide

MAX_NODES: Final = 100
OWNERS: Final[Mapping[str, str]] = {
    "User": "users",
    "Musician": "musicians",
    "Skill": "musicians",
    "Review": "reviews",
    "MusicianRequest": "requests",
    "Application": "requests",
    "Booking": "requests",
    "MatchingAlgorithm": "matching",
    "MatchingResult": "matching",
    "Notification": "notifications",
    "Message": "notifications",
    "Escrow": "payments",
    "Payment": "payments",
    "CalendarSlot": "calendar",
    "Saga": "orchestration",
    "AuditEvent": "events",
    "PendingSync": "sync",
    "SyncLog": "sync",
    "ConsistencyCheck": "sync",
}
"""The service that owns the objects of each type, by the type's name."""


def _own_id(root: Any) -> strawberry.ID:
    """Raise an error: each type has its own resolver of its global id."""
    raise NotImplementedError(f"the type of {root!r} must have a resolver of `id`")


@strawberry.interface(description="An object with a global id.")
class Node:
    """The interface of all objects that `node` returns."""

    id: strawberry.ID = strawberry.field(resolver=_own_id, description=descriptions.ID)


def reference(kind: str) -> Any:
    """Return the class of a type of which this subgraph has the key only."""
    cls = type(kind, (Node,), {"__annotations__": {"uuid": strawberry.ID}, "__module__": __name__})
    return object_type(keys=[REFERENCE])(cls)


def parse(value: str, field: str) -> GlobalId:
    """Return the parts of a global id. Raises BadUserInput for any other text."""
    found = decode(value)
    if found is None or found.kind not in OWNERS:
        raise BadUserInput(f"'{field}' must be the global id of an object, got {value[:60]!r}", field)
    return found


async def find_all(side: CommandSide, wanted: Sequence[GlobalId], types: Mapping[str, Any]) -> list[Any]:
    """Return, for each global id, the object of its type; None if there is none, or the owner's error.

    `side`: the command side, on behalf of the caller. `types`: the classes by the name of the type. There is
    one request per type.
    """
    kinds = list(dict.fromkeys(one.kind for one in wanted))
    found = await asyncio.gather(*(_of_kind(side, kind, wanted) for kind in kinds))
    known = dict(zip(kinds, found, strict=True))

    def resolved(one: GlobalId) -> Any:
        exists = known[one.kind]
        if isinstance(exists, DomainError):
            return exists
        state = exists[str(one.key)]
        return types[one.kind](uuid=strawberry.ID(str(one.key))) if state is True else state

    return [resolved(one) for one in wanted]


async def _of_kind(side: CommandSide, kind: str, wanted: Sequence[GlobalId]) -> Any:
    """Return whether each object of a type exists, by its key: True, None, or the error of its owner."""
    keys = list(dict.fromkeys(str(one.key) for one in wanted if one.kind == kind))
    try:
        return dict(zip(keys, await side.existing(OWNERS[kind], kind, keys), strict=True))
    except DomainError as error:
        return error
