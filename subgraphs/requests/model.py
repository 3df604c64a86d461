"""The rules of requests, applications and bookings.

Wall-clock times belong to the place of the event. Its zone's rules turn them into UTC once, when the request
is made: an end at or before its start lies on the next day; a time that the clock skips in spring is refused,
because nobody can come at it; of a time that the clock shows twice in autumn the first is meant. How long an
event lasts is counted in UTC, so that a night with a change of the clock is as long as it really is.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput, Conflict
from subgraphs.requests.messages import Budget, Place, WallTimes

LONGEST = timedelta(hours=24)
FARTHEST = timedelta(days=3 * 365)
MOST_SKILLS = 20

# in_progress: musicians have applied; assigned: one of them is booked
_REQUEST_STEPS = {
    "open": {"in_progress", "assigned", "cancelled"},
    "in_progress": {"assigned", "cancelled"},
    "assigned": {"in_progress", "completed", "cancelled"},
}
_APPLICATION_STEPS = {"pending": {"accepted", "rejected", "withdrawn"}, "accepted": {"rejected", "withdrawn"}}
_BOOKING_STEPS = {"pending": {"confirmed", "cancelled"}, "confirmed": {"completed", "cancelled"}}


@dataclass(frozen=True, slots=True)
class TimeRange:
    """When an event is, in UTC."""

    starts_at: datetime
    ends_at: datetime


def check_step(what: str, before: str, after: str) -> None:
    """Refuse a change of status that the life of this thing does not know."""
    steps = {"request": _REQUEST_STEPS, "application": _APPLICATION_STEPS, "booking": _BOOKING_STEPS}[what]
    if after not in steps.get(before, ()):
        raise Conflict(
            f"The {what} is {before.replace('_', ' ')}, so it cannot become {after.replace('_', ' ')}"
        )


def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name."""
    try:
        if name in checks.known_zones():
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise BadUserInput("'timeZone' must be an IANA name such as Europe/Berlin", "timeZone")


def time_range_of(times: WallTimes, now: datetime) -> TimeRange:
    """Turn wall-clock times into UTC and check them against each other and the present."""
    if times.start_time.tzinfo or times.end_time.tzinfo:
        raise BadUserInput(
            "Times are those of the wall clock, without an offset: the zone is 'timeZone'", "startTime"
        )
    if times.start_time == times.end_time and times.end_date in (None, times.event_date):
        raise BadUserInput("'startTime' and 'endTime' are equal: an event must last for some time", "endTime")
    zone = zone_of(times.time_zone)
    starts_at = _to_utc(times.event_date, times.start_time, zone, "startTime")
    ends_at = _to_utc(_end_date(times), times.end_time, zone, "endTime")
    _check_duration(starts_at, ends_at)
    if starts_at <= now:
        raise BadUserInput("The event starts in the past", "eventDate")
    if starts_at > now + FARTHEST:
        raise BadUserInput("The event is more than three years away", "eventDate")
    return TimeRange(starts_at, ends_at)


def _end_date(times: WallTimes) -> date:
    if times.end_date is not None:
        return times.end_date
    try:
        return times.event_date + timedelta(days=times.end_time <= times.start_time)
    except OverflowError:
        raise BadUserInput("'eventDate' is beyond the calendar", "eventDate") from None


def _to_utc(day: date, clock: time, zone: ZoneInfo, field: str) -> datetime:
    local = datetime.combine(day, clock, zone)
    try:
        moment = local.astimezone(UTC)
        back = moment.astimezone(zone)
    except OverflowError:
        raise BadUserInput("'eventDate' is beyond the calendar", "eventDate") from None
    if back.replace(tzinfo=None) != local.replace(tzinfo=None):
        raise BadUserInput(
            f"On {day} the clocks in {zone.key} skip {clock:%H:%M}: there is no such time", field
        )
    return moment


def _check_duration(starts_at: datetime, ends_at: datetime) -> None:
    """The order of checks is that of what a person got wrong most likely.

    Without `end_date` an end is after its start by the wall clock; the clocks' change in autumn can still
    make the night longer than a day, and the one in spring cannot turn it around, as the skipped hour itself
    is refused.
    """
    if ends_at <= starts_at:
        raise BadUserInput("The event ends before it starts", "endTime")
    if ends_at - starts_at > LONGEST:
        raise BadUserInput("An event lasts at most 24 hours", "endTime")


def check_budget(budget: Budget) -> Budget:
    """A budget that can be paid: not negative, and its least not above its most."""
    least = checks.money(budget.least, "budgetMin")
    most = checks.money(budget.most, "budgetMax")
    if least > most:
        raise BadUserInput("'budgetMin' is more than 'budgetMax'", "budgetMin")
    return Budget(least=least, most=most, currency=checks.currency(budget.currency))


def check_place(place: Place) -> Place:
    """A place on Earth."""
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
    """One line that says what is looked for."""
    return checks.text(title, "title", 200)


def check_description(description: str) -> str:
    """As much as the client wants to tell."""
    return checks.optional_text(description, "description", 5000, lines=True) or ""


def check_skills(skills: tuple[UUID, ...]) -> tuple[UUID, ...]:
    """Each skill once, and not all of them."""
    if len(skills) > MOST_SKILLS:
        raise BadUserInput(f"A request asks for at most {MOST_SKILLS} skills", "requiredSkills")
    return tuple(dict.fromkeys(skills))


def check_price(price: Decimal) -> Decimal:
    """What a musician asks for."""
    return checks.money(price, "proposedPrice")
