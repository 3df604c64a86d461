"""The rules of calendars, without I/O: spans of time, and slots.

A span includes its start and excludes its end, so that an event may start when another one ends. A slot is a
span in a musician's calendar that is booked, blocked by the musician, or marked as free.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput, Conflict, NotFound

MAX_EVENT = timedelta(hours=24)
MAX_SPAN = timedelta(days=366)
"""The longest span that a musician may block, and that may be queried."""
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time in UTC, with its start and without its end."""

    starts_at: datetime
    ends_at: datetime

    def without(self, other: "Span") -> list["Span"]:
        """Return the parts of this span that are not in `other`, at most two."""
        parts = [
            Span(self.starts_at, min(self.ends_at, other.starts_at)),
            Span(max(self.starts_at, other.ends_at), self.ends_at),
        ]
        return [part for part in parts if part.starts_at < part.ends_at]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSlot:
    """A slot to be added to a musician's calendar; `kind` is "booked", "blocked" or "free"."""

    musician_id: UUID
    musician_user_id: UUID
    booking_id: UUID | None = None
    kind: str
    span: Span
    time_zone: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRecord:
    """A row of the table `slots`.

    `cancelled_by`: "musician" (who has replaced the slot), "release" (a saga has cancelled the booking) or
    "undo" (a saga has undone the step that added the slot); None: the slot is active.
    """

    id: UUID
    musician_id: UUID
    musician_user_id: UUID
    booking_id: UUID | None
    kind: str
    span: Span
    time_zone: str
    title: str
    created_at: datetime
    cancelled_at: datetime | None
    cancelled_by: str | None

    def part(self, span: Span) -> NewSlot:
        """Return a new slot that differs from this slot in its span only."""
        return NewSlot(
            musician_id=self.musician_id,
            musician_user_id=self.musician_user_id,
            booking_id=self.booking_id,
            kind=self.kind,
            span=span,
            time_zone=self.time_zone,
            title=self.title,
        )


@dataclass(frozen=True, slots=True)
class Cut:
    """A slot to cancel, and new slots for the parts of it that remain."""

    slot: SlotRecord
    parts: tuple[NewSlot, ...]


def cuts(slots: Sequence[SlotRecord], span: Span) -> list[Cut]:
    """Return how to remove a span from slots that overlap it: a cut for each slot.

    Example: a slot from 8 to 20 without the span from 10 to 12 has the parts 8 to 10 and 12 to 20.
    """
    return [Cut(slot, tuple(slot.part(part) for part in slot.span.without(span))) for slot in slots]


def check_restorable(slot: SlotRecord) -> None:
    """Raise Conflict unless the slot was released, so that undoing the release makes it active again."""
    if slot.cancelled_by != "release":
        raise Conflict(
            "The time cannot be blocked again: the saga that had blocked it has been undone, so there is"
            " nothing to restore; skip this step"
        )


def check_removable(slot: SlotRecord, user_id: UUID) -> None:
    """Raise NotFound unless the slot is active and a user's own, Conflict if it is booked."""
    if slot.musician_user_id != user_id or slot.cancelled_at is not None:
        raise NotFound(f"Your calendar has no slot with the id {slot.id}: query myCalendar")
    if slot.kind == "booked":
        raise Conflict("The slot belongs to a booking: cancel the booking to free its time")


def check_span(
    starts_at: datetime,
    ends_at: datetime,
    longest: timedelta,
    names: tuple[str, str] = ("startsAt", "endsAt"),
) -> Span:
    """Return the span between two times; times without an offset are in UTC.

    Raises BadUserInput unless the end is after the start, and by `longest` at most. `names`: the names of the
    two input fields, for errors.
    """
    with checks.Mistakes() as mistakes:
        start = mistakes.check(_moment, starts_at, names[0])
        end = mistakes.check(_moment, ends_at, names[1])
    span = Span(start, end)
    if span.ends_at <= span.starts_at:
        raise BadUserInput(f"'{names[1]}' must be after '{names[0]}'", names[1])
    if span.ends_at - span.starts_at > longest:
        raise BadUserInput(
            f"'{names[1]}' must be at most {_in_words(longest)} after '{names[0]}',"
            f" got {span.ends_at - span.starts_at}",
            names[1],
        )
    return span


def _moment(value: datetime, field: str) -> datetime:
    try:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)
    if not _FIRST <= moment < _LAST:
        raise BadUserInput(f"'{field}' must be in the years 2000 to 2199", field)
    return moment


def _in_words(length: timedelta) -> str:
    return f"{length.days} days" if length.days > 1 else "24 hours"


def check_title(title: str) -> str:
    """Return a trimmed title of up to 200 characters, "" if it is blank. Raises BadUserInput."""
    return checks.optional_text(title, "title", 200) or ""
