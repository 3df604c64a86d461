"""Who does what is being done, and because of what.

It goes with every event, so that a change can be followed across services.

Set where something comes in (a request, an event of another service, a saga's step) and read where an event
is emitted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

MAX_LENGTH = 100
_NAMES = UUID("5d3a3f43-31a5-4b0f-8d5e-3c0f6b1f6c52")


@dataclass(frozen=True, slots=True)
class Cause:
    """`created_by`: the user, or `service:<name>` for what a service does by itself.

    `correlation_id` is shared by all that follows from one request or saga; `causation_id` is the event that
    led to this.
    """

    created_by: str = ""
    correlation_id: str = ""
    causation_id: UUID | None = None


_NOBODY = Cause()
_current: ContextVar[Cause] = ContextVar("cause", default=_NOBODY)


def current() -> Cause:
    """The cause of what is being done now."""
    return _current.get()


@contextmanager
def because(cause: Cause) -> Iterator[None]:
    """What is done inside is done because of this."""
    token = _current.set(cause)
    try:
        yield
    finally:
        _current.reset(token)


def correlation_of(header: str | None) -> str:
    """The id that a caller gave its request, if it is one that can be kept; a new one otherwise."""
    given = (header or "").strip()
    return given if 0 < len(given) <= MAX_LENGTH and given.isprintable() and given.isascii() else uuid4().hex


def as_uuid(correlation_id: str) -> UUID:
    """A correlation id as a UUID.

    Itself if it is one, the same one for the same text otherwise, a new one for none.
    """
    if not correlation_id:
        return uuid4()
    try:
        return UUID(correlation_id)
    except ValueError:
        return uuid5(_NAMES, correlation_id)
