"""The rules of time: what a span is, and what is left of one when another is cut out of it.

A span has its beginning in it and not its end, so that one event may begin when another ends.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput

LONGEST_EVENT = timedelta(hours=24)
LONGEST = timedelta(days=366)
"""Of what a musician blocks at once, and of what is asked for at once."""
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in UTC."""

    starts_at: datetime
    ends_at: datetime

    def without(self, other: "Span") -> list["Span"]:
        """What is left of this span outside the other one."""
        parts = [
            Span(self.starts_at, min(self.ends_at, other.starts_at)),
            Span(max(self.starts_at, other.ends_at), self.ends_at),
        ]
        return [part for part in parts if part.starts_at < part.ends_at]


def check_span(
    starts_at: datetime,
    ends_at: datetime,
    longest: timedelta,
    names: tuple[str, str] = ("startsAt", "endsAt"),
) -> Span:
    """A span that ends after it begins and is not too long; times without an offset are UTC."""
    span = Span(_moment(starts_at, names[0]), _moment(ends_at, names[1]))
    if span.ends_at <= span.starts_at:
        raise BadUserInput(f"'{names[1]}' must be after '{names[0]}'", names[1])
    if span.ends_at - span.starts_at > longest:
        raise BadUserInput(f"From '{names[0]}' to '{names[1]}' it is at most {_shown(longest)}", names[1])
    return span


def _moment(value: datetime, field: str) -> datetime:
    try:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)
    if not _FIRST <= moment < _LAST:
        raise BadUserInput(f"'{field}' is beyond the calendar", field)
    return moment


def _shown(length: timedelta) -> str:
    return f"{length.days} days" if length.days > 1 else "24 hours"


def check_title(title: str) -> str:
    """What it is about, in a line; may be empty."""
    return checks.optional_text(title, "title", 200) or ""
