"""The GraphQL types of parts of a request: its place, and the skills that it needs."""

import strawberry

from subgraphs.kit.graphql import REFERENCE, object_type


@object_type(keys=[REFERENCE])
class Skill:
    """A skill, of which this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The id of the skill.")


@object_type()
class EventPlace:
    """The place of an event."""

    latitude: float = strawberry.field(description="Degrees north.")
    longitude: float = strawberry.field(description="Degrees east.")
    address: str = strawberry.field(description="Street and number.")
    city: str = strawberry.field(description="The city.")
    country: str = strawberry.field(description="The country's code of two letters.")
