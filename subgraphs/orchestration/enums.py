"""The GraphQL enums of the orchestration subgraph; a member's Python value is the text in the journal."""

from enum import Enum

from subgraphs.kit.graphql import enum_type, enum_value
from subgraphs.orchestration import sagas


@enum_type
class SagaType(Enum):
    """The type of a saga."""

    ASSIGNMENT = enum_value(sagas.ASSIGNMENT, "A request is offered to a musician, with the price in escrow.")
    OFFER = enum_value(sagas.OFFER, "The musician is asked to confirm, and the offer's time begins.")
    EXPIRY = enum_value(sagas.EXPIRY, "An offer that nobody has answered ends, and the client is refunded.")
    CONFIRMATION = enum_value(sagas.CONFIRMATION, "The musician confirms an offer.")
    PAYOUT = enum_value(sagas.PAYOUT, "The event is over, and the musician is paid.")
    OBJECTION = enum_value(sagas.OBJECTION, "A party objects to the payout, which stops it.")
    DECISION = enum_value(sagas.DECISION, "An admin decides who is paid.")
    CANCELLATION = enum_value(
        sagas.CANCELLATION, "A booking or a request is cancelled, and refunded by policy."
    )
    CLOSURE = enum_value(sagas.CLOSURE, "The bookings and requests of a closed account end.")
    NOTICES = enum_value(sagas.NOTICES, "The notifications of a saga that has ended are sent.")


@enum_type
class SagaStatus(Enum):
    """The status of a saga."""

    STARTED = enum_value("started", "No step has started.")
    IN_PROGRESS = enum_value("in_progress", "Its steps are being executed.")
    COMPLETED = enum_value("completed", "All steps are done.")
    FAILED = enum_value("failed", "A step was refused, and nothing had to be undone.")
    COMPENSATING = enum_value("compensating", "A step was refused, and the steps before it are being undone.")
    COMPENSATED = enum_value("compensated", "A step was refused, and the steps before it are undone.")
    COMPENSATION_FAILED = enum_value("compensation_failed", "A step cannot be undone: an operator is needed.")
    CANCELLED = enum_value("cancelled", "An operator has cancelled it, and its steps are undone.")


@enum_type
class StepStatus(Enum):
    """The status of a saga's step."""

    PENDING = enum_value("pending", "It has not started.")
    IN_PROGRESS = enum_value("in_progress", "It is being done.")
    COMPLETED = enum_value("completed", "It is done.")
    FAILED = enum_value("failed", "It was refused, or all attempts failed.")
    COMPENSATING = enum_value("compensating", "It is being undone.")
    COMPENSATED = enum_value("compensated", "It is undone.")
    COMPENSATION_FAILED = enum_value("compensation_failed", "It cannot be undone: an operator is needed.")
    SKIPPED = enum_value("skipped", "It was left out.")


@enum_type
class AttemptKind(Enum):
    """What an attempt was to do."""

    DO = enum_value("do", "Do the step.")
    UNDO = enum_value("undo", "Undo the step.")
    RETRY = enum_value("retry", "An operator: retry the failed step.")
    SKIP = enum_value("skip", "An operator: skip the failed step.")
    COMPENSATE = enum_value("compensate", "An operator: undo all steps.")
    CANCEL = enum_value("cancel", "An operator: cancel the saga.")


@enum_type
class AttemptOutcome(Enum):
    """How an attempt ended."""

    DONE = enum_value("done", "It succeeded.")
    FAILED = enum_value("failed", "It failed, and may be retried.")
    REFUSED = enum_value("refused", "The service has refused it; a retry would change nothing.")
    RECORDED = enum_value("told", "An operator's command was recorded.")


@enum_type
class SagaVerb(Enum):
    """An operator's command for a saga."""

    RETRY = enum_value("retry", "Retry the step that failed.")
    SKIP = enum_value("skip", "Skip the step that failed.")
    COMPENSATE = enum_value("compensate", "Undo all steps, also of a completed saga.")
    CANCEL = enum_value("cancel", "Undo all steps of a running saga, which is then cancelled.")


@enum_type
class PayoutVerdict(Enum):
    """An admin's decision about a payout to which a party objects."""

    RELEASE = enum_value("release", "The musician is paid the whole price.")
    REFUND = enum_value("refund", "The client gets the whole price back.")
    SPLIT = enum_value("split", "The client gets a part back, and the musician is paid the rest.")
