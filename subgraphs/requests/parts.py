"""The parts of a request: its duration, and the GraphQL type of the skills that it needs."""

import strawberry

from subgraphs.kit.graphql import REFERENCE, object_type
from subgraphs.requests.records import BookingRecord, RequestRecord


@object_type(keys=[REFERENCE])
class Skill:
    """A skill, of which this subgraph has the id only."""

    uuid: strawberry.ID


def duration_hours(event: RequestRecord | BookingRecord) -> float:
    """Return the duration of an event in hours, with four decimals."""
    return round((event.ends_at - event.starts_at).total_seconds() / 3600, 4)
