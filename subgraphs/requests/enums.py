"""The GraphQL enums of the requests subgraph; a member's Python value is the text in the database."""

import enum

from subgraphs.kit.graphql import enum_type, enum_value


@enum_type
class ApplicationStatus(enum.Enum):
    """The status of an application."""

    PENDING = enum_value("pending", "The client has not decided yet.")
    ACCEPTED = enum_value("accepted", "The client has accepted the application.")
    REJECTED = enum_value(
        "rejected", "The client has rejected the application, or cancelled its request or its booking."
    )
    WITHDRAWN = enum_value("withdrawn", "The musician has withdrawn the application.")


@enum_type
class BookingStatus(enum.Enum):
    """The status of a booking."""

    PENDING = enum_value("pending", "The musician has not confirmed the booking yet.")
    CONFIRMED = enum_value("confirmed", "Client and musician have agreed; the price is in escrow.")
    DISPUTED = enum_value("disputed", "A party objects to the payout; an admin decides.")
    COMPLETED = enum_value("completed", "The event took place, and the musician is paid.")
    CANCELLED = enum_value(
        "cancelled", "The client or the musician has cancelled the booking, or its offer has expired."
    )
