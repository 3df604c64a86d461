"""The rules of requests, applications and bookings.

A request has local times and the time zone of the event's place. They are converted to UTC once, when the
request is published. An end at or before the start is on the next day. A local time that is skipped in spring
is refused; of a local time that occurs twice in autumn the first is used. The duration is computed in UTC, so
that it is right for a night with a change of the clock.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput, Conflict
from subgraphs.requests.messages import Budget, Place, WallTimes

MAX_DURATION = timedelta(hours=24)
MAX_AHEAD = timedelta(days=3 * 365)
MAX_SKILLS = 20

# The statuses that may follow a status. in_progress: musicians have applied; assigned: one of them is booked.
_REQUEST_TRANSITIONS = {
    "open": {"in_progress", "assigned", "cancelled"},
    "in_progress": {"assigned", "cancelled"},
    "assigned": {"in_progress", "completed", "cancelled"},
}
_APPLICATION_TRANSITIONS = {
    "pending": {"accepted", "rejected", "withdrawn"},
    "accepted": {"rejected", "withdrawn"},
}
_BOOKING_TRANSITIONS = {"pending": {"confirmed", "cancelled"}, "confirmed": {"completed", "cancelled"}}


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The start and end of an event in UTC."""

    starts_at: datetime
    ends_at: datetime


def check_transition(what: str, before: str, after: str) -> None:
    """Raise Conflict unless the status `after` may follow `before`. `what`: request, application or
    booking.
    """
    steps = {
        "request": _REQUEST_TRANSITIONS,
        "application": _APPLICATION_TRANSITIONS,
        "booking": _BOOKING_TRANSITIONS,
    }[what]
    if after not in steps.get(before, ()):
        raise Conflict(
            f"The {what} is {before.replace('_', ' ')}, so it cannot become {after.replace('_', ' ')}"
        )


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone with an IANA name. Raises BadUserInput."""
    try:
        if name in checks.known_zones():
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise BadUserInput("'timeZone' must be an IANA name such as Europe/Berlin", "timeZone")


def time_range_of(times: WallTimes, now: datetime) -> TimeRange:
    """Convert local times to UTC and check them. Raises BadUserInput."""
    if times.start_time.tzinfo or times.end_time.tzinfo:
        raise BadUserInput(
            "'startTime' and 'endTime' must be local times without an offset: the zone is 'timeZone'",
            "startTime",
        )
    if times.start_time == times.end_time and times.end_date in (None, times.event_date):
        raise BadUserInput("'startTime' and 'endTime' are equal: an event must last for some time", "endTime")
    zone = zone_of(times.time_zone)
    starts_at = _to_utc(times.event_date, times.start_time, zone, "startTime")
    ends_at = _to_utc(_end_date(times), times.end_time, zone, "endTime")
    _check_duration(starts_at, ends_at)
    if starts_at <= now:
        raise BadUserInput(
            f"The event must not start in the past, got {starts_at:%Y-%m-%d %H:%M} UTC", "eventDate"
        )
    if starts_at > now + MAX_AHEAD:
        raise BadUserInput(
            f"The event must start within three years, got {starts_at:%Y-%m-%d %H:%M} UTC", "eventDate"
        )
    return TimeRange(starts_at, ends_at)


def _end_date(times: WallTimes) -> date:
    if times.end_date is not None:
        return times.end_date
    try:
        return times.event_date + timedelta(days=times.end_time <= times.start_time)
    except OverflowError:
        raise BadUserInput("'eventDate' is outside of the calendar (years 1 to 9999)", "eventDate") from None


def _to_utc(day: date, clock: time, zone: ZoneInfo, field: str) -> datetime:
    local = datetime.combine(day, clock, zone)
    try:
        moment = local.astimezone(UTC)
        round_trip = moment.astimezone(zone)
    except OverflowError:
        raise BadUserInput("'eventDate' is outside of the calendar (years 1 to 9999)", "eventDate") from None
    if round_trip.replace(tzinfo=None) != local.replace(tzinfo=None):
        raise BadUserInput(
            f"'{field}' must be a time that exists: on {day} the clocks in {zone.key} skip {clock:%H:%M}",
            field,
        )
    return moment


def _check_duration(starts_at: datetime, ends_at: datetime) -> None:
    """Raise BadUserInput unless the end is after the start and within 24 hours.

    Without `end_date` the local end is after the local start. The change of the clock in autumn can still
    make the duration longer than 24 hours; that in spring cannot make it negative, because skipped times are
    refused.
    """
    if ends_at <= starts_at:
        raise BadUserInput("The event must end after its start, but it ends before it starts", "endTime")
    if ends_at - starts_at > MAX_DURATION:
        raise BadUserInput(f"An event must last at most 24 hours, got {ends_at - starts_at}", "endTime")


def check_budget(budget: Budget) -> Budget:
    """Check a budget: amounts that are not negative, the lowest not above the highest. Raises
    BadUserInput.
    """
    least = checks.money(budget.least, "budgetMin")
    most = checks.money(budget.most, "budgetMax")
    if least > most:
        raise BadUserInput(
            f"'budgetMin' must not be greater than 'budgetMax', got {least} and {most}", "budgetMin"
        )
    return Budget(least=least, most=most, currency=checks.currency(budget.currency))


def check_place(place: Place) -> Place:
    """Return the place of an event with trimmed texts. Raises BadUserInput for coordinates out of range, long
    texts and wrong country codes.
    """
    return Place(
        latitude=checks.decimal(place.latitude, "latitude", -90, 90),
        longitude=checks.decimal(place.longitude, "longitude", -180, 180),
        address=checks.optional_text(place.address, "address", 300) or "",
        city=checks.optional_text(place.city, "city", 120) or "",
        country=_check_country(place.country),
    )


def _check_country(value: str) -> str:
    if value and not (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
        raise BadUserInput("'country' must be a code of two capital letters, such as DE", "country")
    return value


def check_title(title: str) -> str:
    """Check a title: one line of 1 to 200 characters. Raises BadUserInput."""
    return checks.text(title, "title", 200)


def check_description(description: str) -> str:
    """Check a description of up to 5,000 characters; return "" if it is blank. Raises BadUserInput."""
    return checks.optional_text(description, "description", 5000, lines=True) or ""


def check_skills(skills: tuple[UUID, ...]) -> tuple[UUID, ...]:
    """Check the required skills; return them without repetitions. Raises BadUserInput."""
    if len(skills) > MAX_SKILLS:
        raise BadUserInput(
            f"'requiredSkills' must have at most {MAX_SKILLS} skills, got {len(skills)}", "requiredSkills"
        )
    return tuple(dict.fromkeys(skills))


def check_price(price: Decimal) -> Decimal:
    """Check a proposed price. Raises BadUserInput."""
    return checks.money(price, "proposedPrice")
