"""The enums of the requests subgraph; their values are those of the tables."""

import enum

from subgraphs.kit.graphql import enum_type, enum_value


@enum_type
class RequestStatus(enum.Enum):
    """Where a request stands."""

    OPEN = enum_value("open", "Nobody has applied yet.")
    IN_PROGRESS = enum_value("in_progress", "Musicians have applied, the client chooses.")
    ASSIGNED = enum_value("assigned", "A musician is booked.")
    COMPLETED = enum_value("completed", "The event took place.")
    CANCELLED = enum_value("cancelled", "The client no longer looks for anybody.")


@enum_type
class UrgencyLevel(enum.Enum):
    """How soon the client needs an answer."""

    LOW = enum_value("low", "There is time.")
    MEDIUM = enum_value("medium", "As usual.")
    HIGH = enum_value("high", "Within days.")
    URGENT = enum_value("urgent", "Now: what is told about it does not wait for the morning.")


@enum_type
class ApplicationStatus(enum.Enum):
    """Where an application stands."""

    PENDING = enum_value("pending", "The client has not answered.")
    ACCEPTED = enum_value("accepted", "The musician was chosen.")
    REJECTED = enum_value("rejected", "The client has declined.")
    WITHDRAWN = enum_value("withdrawn", "The musician has taken it back.")


@enum_type
class BookingStatus(enum.Enum):
    """Where a booking stands."""

    PENDING = enum_value("pending", "The musician has not confirmed it yet.")
    CONFIRMED = enum_value("confirmed", "Both have agreed.")
    COMPLETED = enum_value("completed", "The event took place.")
    CANCELLED = enum_value("cancelled", "One of the two has cancelled it.")


@enum_type
class RequestOrder(enum.Enum):
    """In which order requests are listed."""

    NEWEST = enum_value("newest", "Published last, first.")
    SOONEST = enum_value("soonest", "The next event first.")
