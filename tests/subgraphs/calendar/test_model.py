"""Tests of the calendar's rules without a database: spans, and what remains of slots when a span is
removed.
"""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from subgraphs.calendar import model
from subgraphs.calendar.model import SlotRecord, Span
from subgraphs.kit.errors import BadUserInput, Conflict

START = datetime(2027, 3, 1, tzinfo=UTC)


def hours(first: float, last: float) -> Span:
    """Return a span in hours after START."""
    return Span(START + timedelta(hours=first), START + timedelta(hours=last))


SPANS = some.tuples(some.integers(0, 30), some.integers(1, 30)).map(lambda at: hours(at[0], at[0] + at[1]))


def slot(span: Span, kind: str = "blocked", cancelled_by: str | None = None) -> SlotRecord:
    """Return a slot of a musician."""
    return SlotRecord(
        id=uuid4(),
        musician_id=uuid4(),
        musician_user_id=uuid4(),
        booking_id=None,
        kind=kind,
        span=span,
        time_zone="Europe/Berlin",
        title="Holidays",
        created_at=START,
        cancelled_at=START if cancelled_by else None,
        cancelled_by=cancelled_by,
    )


def hours_of(*spans: Span) -> set[int]:
    """Return the numbers of the hours in spans."""
    found: set[int] = set()
    for span in spans:
        first, last = span.starts_at - START, span.ends_at - START
        found.update(range(int(first / timedelta(hours=1)), int(last / timedelta(hours=1))))
    return found


@given(SPANS, SPANS)
def test_a_span_without_another(span: Span, other: Span) -> None:
    """The parts have exactly the hours outside of the other span; they are in order and do not overlap."""
    parts = span.without(other)
    assert hours_of(*parts) == hours_of(span) - hours_of(other)
    assert len(parts) <= 2
    assert all(part.starts_at < part.ends_at for part in parts)
    assert sum(len(hours_of(part)) for part in parts) == len(hours_of(*parts))


@given(some.lists(SPANS, max_size=4), SPANS)
def test_cuts_leave_the_rest_as_it_was(spans: list[Span], removed: Span) -> None:
    """Every slot is replaced by its parts outside of the span, with its kind, zone and title."""
    slots = [slot(span, kind) for span, kind in zip(spans, ["blocked", "free"] * 2, strict=False)]
    cuts = model.cuts(slots, removed)
    assert [cut.slot for cut in cuts] == slots
    for cut in cuts:
        assert [part.span for part in cut.parts] == cut.slot.span.without(removed)
        assert all(
            (part.musician_id, part.kind, part.time_zone, part.title, part.booking_id)
            == (cut.slot.musician_id, cut.slot.kind, cut.slot.time_zone, cut.slot.title, None)
            for part in cut.parts
        )


def test_a_slot_is_cut_in_two() -> None:
    """A slot from 8 to 20 without 10 to 12 has two parts."""
    (cut,) = model.cuts([slot(hours(8, 20))], hours(10, 12))
    assert [part.span for part in cut.parts] == [hours(8, 10), hours(12, 20)]


def test_only_a_release_is_undone() -> None:
    """A slot that was cancelled for another reason cannot be restored."""
    model.check_restorable(slot(hours(8, 20), "booked", "release"))
    for by in (None, "undo", "musician"):
        with pytest.raises(Conflict, match="undone"):
            model.check_restorable(slot(hours(8, 20), "booked", by))


def test_spans_are_in_utc() -> None:
    """Times with an offset are converted, times without one are in UTC."""
    berlin, naive = timezone(timedelta(hours=1)), hours(0, 9).ends_at.replace(tzinfo=None)
    span = model.check_span(datetime(2027, 3, 1, 9, tzinfo=berlin), naive, model.MAX_EVENT)
    assert span == hours(8, 9)
    assert span.starts_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        (START, START, "endsAt"),
        (START, START - timedelta(hours=1), "endsAt"),
        (START, START + timedelta(hours=24, seconds=1), "endsAt"),
        (datetime(1999, 12, 31, tzinfo=UTC), START, "startsAt"),
        (START, datetime(2200, 1, 1, tzinfo=UTC), "endsAt"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), START, "startsAt"),
    ],
)
def test_wrong_spans_are_refused(first: datetime, last: datetime, field: str) -> None:
    """Empty, reversed and too long spans are refused, and years that PostgreSQL or a client may not
    support.
    """
    with pytest.raises(BadUserInput) as caught:
        model.check_span(first, last, model.MAX_EVENT)
    assert caught.value.extensions["field"] == field


def test_the_longest_span_is_allowed() -> None:
    """A span of exactly 24 hours is accepted."""
    assert model.check_span(START, START + timedelta(hours=24), model.MAX_EVENT) == hours(0, 24)
