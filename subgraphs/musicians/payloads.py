"""The GraphQL types of what the mutations of the musicians subgraph return."""

import strawberry

from subgraphs.kit.graphql import object_type
from subgraphs.kit.payloads import Payload
from subgraphs.musicians.types import Musician


@object_type()
class CreateMusicianProfilePayload(Payload):
    """The result of `createMusicianProfile`."""

    musician: Musician | None = strawberry.field(default=None, description="The created profile.")


@object_type()
class UpdateMusicianProfilePayload(Payload):
    """The result of `updateMusicianProfile`."""

    musician: Musician | None = strawberry.field(default=None, description="The changed profile.")
