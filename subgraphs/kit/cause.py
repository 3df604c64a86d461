"""The cause of the current work: its author, its request or saga, and the event that led to it.

It is stored with every event, so that a change can be traced across services. `because` sets it where work
begins (a request, an event of another service, a saga's step); `UnitOfWork.emit` reads it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

MAX_LENGTH = 100
SAGA = "saga:"  # the start of the correlation id of what a saga does; no client can choose it
_NAMES = UUID("5d3a3f43-31a5-4b0f-8d5e-3c0f6b1f6c52")


@dataclass(frozen=True, slots=True)
class Cause:
    """The author and origin of a change.

    `created_by`: the id of the user, or `service:<name>` for a service's own work. `correlation_id` is shared
    by all events that follow from one request or saga. `causation_id`: the event or command that led to the
    change.
    """

    created_by: str = ""
    correlation_id: str = ""
    causation_id: UUID | None = None


_NOBODY = Cause()
_current: ContextVar[Cause] = ContextVar("cause", default=_NOBODY)


def current() -> Cause:
    """Return the cause of the current work; outside of `because` a cause with empty fields."""
    return _current.get()


@contextmanager
def because(cause: Cause) -> Iterator[None]:
    """Set the cause of the work inside the `with` block."""
    token = _current.set(cause)
    try:
        yield
    finally:
        _current.reset(token)


def correlation_of(header: str | None) -> str:
    """Return the caller's request id if it is printable ASCII of 1 to 100 characters and not a saga's, else a
    new id.
    """
    value = (header or "").strip()
    allowed = 0 < len(value) <= MAX_LENGTH and value.isprintable() and value.isascii()
    return value if allowed and not value.lower().startswith(SAGA) else uuid4().hex


def as_uuid(correlation_id: str) -> UUID:
    """Return a correlation id as a UUID.

    The text of a UUID, also after SAGA, is parsed, any other text is hashed to a UUID, and for "" a new UUID
    is generated.
    """
    if not correlation_id:
        return uuid4()
    try:
        return UUID(correlation_id.removeprefix(SAGA))
    except ValueError:
        return uuid5(_NAMES, correlation_id)
