"""The enums and inputs of lists of requests and musicians, which several services declare.

The read side answers the lists; `requests` and `musicians` stand in for it with the same filters.
"""

import enum

import strawberry

from subgraphs.kit.between import BetweenInput
from subgraphs.kit.geography import Circle
from subgraphs.kit.graphql import enum_type, enum_value, input_type
from subgraphs.kit.money import MoneyInput


@enum_type
class RequestStatus(enum.Enum):
    """The status of a request."""

    OPEN = enum_value("open", "No musician has applied yet.")
    IN_PROGRESS = enum_value("in_progress", "Musicians have applied; the client has not chosen one.")
    ASSIGNED = enum_value("assigned", "A musician is booked.")
    COMPLETED = enum_value("completed", "The event took place.")
    CANCELLED = enum_value("cancelled", "The client has cancelled the request.")


@enum_type
class UrgencyLevel(enum.Enum):
    """How soon the client needs applications."""

    LOW = enum_value("low", "The client can wait.")
    MEDIUM = enum_value("medium", "The usual urgency.")
    HIGH = enum_value("high", "The client needs applications within days.")
    URGENT = enum_value(
        "urgent", "The client needs applications now; notifications are sent in quiet hours, too."
    )


@enum_type
class RequestOrder(enum.Enum):
    """The order of a list of requests."""

    NEWEST = enum_value("newest", "The newest request first.")
    SOONEST = enum_value("soonest", "The earliest event first.")


@enum_type
class MusicianOrder(enum.Enum):
    """The order of a list of musicians."""

    NEWEST = enum_value("newest", "The newest profile first.")
    RATING = enum_value("rating", "The best rating first; musicians without reviews are last.")
    RATE_ASC = enum_value("rate_asc", "The lowest hourly rate first.")
    RATE_DESC = enum_value("rate_desc", "The highest hourly rate first.")
    EXPERIENCE = enum_value("experience_desc", "The longest experience first.")
    NAME = enum_value("name_asc", "By stage name.")


@input_type
class NearInput:
    """A circle around a point."""

    latitude: float = strawberry.field(description="Degrees north, -90 to 90.")
    longitude: float = strawberry.field(description="Degrees east, -180 to 180.")
    radius_km: float = strawberry.field(default=50.0, description="The radius in kilometres.")

    def read(self, field: str = "near") -> Circle:
        """Return the checked circle; `field`: the name of the argument. Raises BadUserInput."""
        fields = (f"{field}.latitude", f"{field}.longitude", f"{field}.radiusKm")
        return Circle.read(self.latitude, self.longitude, self.radius_km, fields)


@input_type
class RequestFilter:
    """Conditions on requests, joined by AND; an absent field is no condition."""

    text: str | None = strawberry.field(
        default=None,
        description='Words of title and description, as in a search engine ("quoted", or, -without).',
    )
    skills: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Skills, all of which the request requires."
    )
    status: list[RequestStatus] | None = strawberry.field(
        default=None, description="Requests with one of these statuses."
    )
    urgency: list[UrgencyLevel] | None = strawberry.field(
        default=None, description="Requests with one of these urgency levels."
    )
    between: BetweenInput | None = strawberry.field(
        default=None, description="Events that start in this time range."
    )
    near: NearInput | None = strawberry.field(default=None, description="Events in this circle.")


@input_type
class MusicianFilter:
    """Conditions on musicians, joined by AND; an absent field is no condition."""

    text: str | None = strawberry.field(
        default=None,
        description='Words of stage name, text and skills, as in a search engine ("quoted", or, -without).',
    )
    name: str | None = strawberry.field(default=None, description="A part of the stage name.")
    skills: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Skills, all of which the musician must have."
    )
    min_rating: float | None = strawberry.field(default=None, description="The lowest mean rating, 1 to 5.")
    min_rate: MoneyInput | None = strawberry.field(
        default=None, description="The lowest hourly rate; only musicians with a rate in its currency."
    )
    max_rate: MoneyInput | None = strawberry.field(
        default=None, description="The highest hourly rate; only musicians with a rate in its currency."
    )
    min_experience: int | None = strawberry.field(
        default=None, description="The lowest number of years of experience."
    )
    city: str | None = strawberry.field(default=None, description="The city where the musician lives.")
    near: NearInput | None = strawberry.field(default=None, description="Musicians who live in this circle.")
