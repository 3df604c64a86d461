"""The enums of the requests subgraph; their values are those of the tables."""

import enum
from typing import Any

import strawberry

from subgraphs.kit.graphql import enum_type


def _value(value: str, description: str) -> Any:
    """A value and what it means; strawberry leaves the plain string in the enum."""
    return strawberry.enum_value(value, description=description)


@enum_type
class RequestStatus(enum.Enum):
    """Where a request stands."""

    OPEN = _value("open", "Nobody has applied yet.")
    IN_PROGRESS = _value("in_progress", "Musicians have applied, the client chooses.")
    ASSIGNED = _value("assigned", "A musician is booked.")
    COMPLETED = _value("completed", "The event took place.")
    CANCELLED = _value("cancelled", "The client no longer looks for anybody.")


@enum_type
class UrgencyLevel(enum.Enum):
    """How soon the client needs an answer."""

    LOW = _value("low", "There is time.")
    MEDIUM = _value("medium", "As usual.")
    HIGH = _value("high", "Within days.")
    URGENT = _value("urgent", "Now: what is told about it does not wait for the morning.")


@enum_type
class ApplicationStatus(enum.Enum):
    """Where an application stands."""

    PENDING = _value("pending", "The client has not answered.")
    ACCEPTED = _value("accepted", "The musician was chosen.")
    REJECTED = _value("rejected", "The client has declined.")
    WITHDRAWN = _value("withdrawn", "The musician has taken it back.")


@enum_type
class BookingStatus(enum.Enum):
    """Where a booking stands."""

    PENDING = _value("pending", "The musician has not confirmed it yet.")
    CONFIRMED = _value("confirmed", "Both have agreed.")
    COMPLETED = _value("completed", "The event took place.")
    CANCELLED = _value("cancelled", "One of the two has cancelled it.")


@enum_type
class RequestOrder(enum.Enum):
    """In which order requests are listed."""

    NEWEST = _value("newest", "Published last, first.")
    SOONEST = _value("soonest", "The next event first.")
