"""The enums of the sync subgraph, whose values are those in its tables."""

from enum import Enum

from subgraphs.kit.graphql import enum_type, enum_value


@enum_type
class SyncStatus(Enum):
    """The status of an event at one service that consumes it."""

    PENDING = enum_value("pending", "The service has not confirmed the event yet.")
    PROCESSING = enum_value("processing", "An admin has requested a replay of the event.")
    COMPLETED = enum_value("completed", "The service has applied the event, or did not need it any more.")
    FAILED = enum_value("failed", "The service could not apply the event, and does not try it again.")
    RETRY = enum_value("retry", "The service could not apply the event, and tries it again.")


@enum_type
class SyncOperation(Enum):
    """The operation of an event on its entity."""

    CREATE = enum_value("create", "The entity was created.")
    UPDATE = enum_value("update", "The entity was changed.")
    DELETE = enum_value("delete", "The entity was deleted.")


@enum_type
class SyncOutcome(Enum):
    """The outcome of an event at a service, or a request to replay it."""

    DONE = enum_value("done", "The service has applied the event.")
    RETRY = enum_value("retry", "The service could not apply the event, and tries it again.")
    FAILED = enum_value("failed", "The service could not apply the event after all retries.")
    STALE = enum_value("stale", "The event was skipped, because a newer event was applied before.")
    GAP = enum_value("gap", "The event was applied, although an earlier event is missing.")
    REPLAY = enum_value("replay", "An admin has requested to apply the event again.")


@enum_type
class ComparedKind(Enum):
    """The kind of rows that a consistency check compares."""

    MUSICIAN = enum_value("musician", "Musicians' profiles.")
    MUSICIAN_REQUEST = enum_value("musician_request", "Clients' requests for musicians.")
    BOOKING = enum_value("booking", "Bookings.")
    ESCROW = enum_value("escrow", "Payments for bookings.")
    ESCROW_OF_BOOKING = enum_value(
        "escrow_of_booking", "Whether each booking that stands has its payment in escrow, and no other has."
    )
    TIME_OF_BOOKING = enum_value(
        "time_of_booking", "Whether each booking that stands has its time in a calendar, and no other has."
    )
