"""The GraphQL types and values of parts of a request: its place, its duration, the skills that it needs."""

import strawberry

from subgraphs.kit.graphql import REFERENCE, object_type
from subgraphs.requests.records import BookingRecord, RequestRecord


@object_type(keys=[REFERENCE])
class Skill:
    """A skill, of which this subgraph has the id only."""

    uuid: strawberry.ID


@object_type(shareable=True)
class EventPlace:
    """The place of an event."""

    latitude: float = strawberry.field(description="Degrees north.")
    longitude: float = strawberry.field(description="Degrees east.")
    address: str = strawberry.field(description="Street and number.")
    city: str = strawberry.field(description="The city.")
    country: str = strawberry.field(description="The country's code of two letters.")

    @classmethod
    def of(cls, record: RequestRecord) -> "EventPlace":
        """Return the place in the record of a request."""
        return cls(
            latitude=record.latitude,
            longitude=record.longitude,
            address=record.address,
            city=record.city,
            country=record.country.strip(),
        )


def duration_hours(event: RequestRecord | BookingRecord) -> float:
    """Return the duration of an event in hours, with four decimals."""
    return round((event.ends_at - event.starts_at).total_seconds() / 3600, 4)
