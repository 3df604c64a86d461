"""The rules of requests and applications, without I/O.

A request has local times and the time zone of the event's place. They are converted to UTC once, when the
request is published. An end at or before the start is on the next day. A local time that is skipped in spring
is refused; of a local time that occurs twice in autumn the first is used. The duration is computed in UTC, so
that it is right for a night with a change of the clock.

The functions check commands and records that a handler has read and locked; the handler then writes. The
rules of bookings are in `life`.

Example: 2026-10-24, 20:00 to 04:00 in Europe/Berlin is 18:00 to 03:00 UTC, nine hours, because the clocks are
set back in that night.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput, Conflict
from subgraphs.kit.event_store.events import VersionConflict
from subgraphs.kit.records import values_of
from subgraphs.requests.messages import (
    Budget,
    Place,
    PublishRequest,
    TimeChanges,
    UpdateRequest,
    WallTimes,
)
from subgraphs.requests.records import ApplicationRecord, RequestRecord

MIN_DURATION = timedelta(minutes=15)
MAX_DURATION = timedelta(hours=24)
MAX_AHEAD = timedelta(days=3 * 365)
MAX_SKILLS = 20

TRANSITIONS: Final[dict[str, dict[str, frozenset[str]]]] = {
    "request": {
        "open": frozenset({"in_progress", "assigned", "cancelled"}),
        "in_progress": frozenset({"open", "assigned", "cancelled"}),
        "assigned": frozenset({"open", "in_progress", "completed", "cancelled"}),
    },
    "application": {
        "pending": frozenset({"accepted", "rejected", "withdrawn"}),
        "accepted": frozenset({"rejected", "withdrawn"}),
        "withdrawn": frozenset({"pending"}),
    },
    "booking": {
        "pending": frozenset({"confirmed", "cancelled"}),
        "confirmed": frozenset({"disputed", "completed", "cancelled"}),
        "disputed": frozenset({"completed", "cancelled"}),
    },
}
"""The statuses that may follow a status of an object; a status without a row is final.

A request in_progress has pending applications, an assigned one has a booking.
"""
_OPEN: Final = frozenset({"open", "in_progress"})
_WHEN_AND_WHERE: Final = ("starts_at", "ends_at", "latitude", "longitude", "address", "city", "country")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The start and end of an event in UTC."""

    starts_at: datetime
    ends_at: datetime


def check_transition(what: str, before: str, after: str) -> None:
    """Raise Conflict unless the status `after` may follow `before` (TRANSITIONS).

    `what` is "request", "application" or "booking".
    """
    if after not in TRANSITIONS[what].get(before, ()):
        raise Conflict(
            f"The {what} is {before.replace('_', ' ')}, so it cannot become {after.replace('_', ' ')}"
        )


def check_changeable(request: RequestRecord) -> None:
    """Raise Conflict unless the client may still change the request: it is open or in progress."""
    if request.status not in _OPEN:
        raise Conflict(
            f"Only an open request or one in progress can be changed, this one is {request.status}"
        )


def check_accepts_applications(request: RequestRecord, by: UUID, now: datetime) -> None:
    """Raise Conflict unless the user `by` may apply to the request.

    It must be another user's, open or in progress, and its event must not have started.
    """
    if request.client_id == by:
        raise Conflict("You cannot apply to your own request")
    if request.status not in _OPEN:
        raise Conflict(f"The request does not accept applications any more: it is {request.status}")
    if request.starts_at <= now:
        raise Conflict("The request does not accept applications any more: the event has started")


def check_closable(application: ApplicationRecord, status: str) -> None:
    """Raise Conflict unless the application can get the status "rejected" or "withdrawn"."""
    if application.status == "accepted":
        raise Conflict("The application was accepted and cannot be closed: cancel its booking")
    check_transition("application", application.status, status)


def check_pending(application: ApplicationRecord) -> None:
    """Raise Conflict unless the client has not decided about the application."""
    if application.status != "pending":
        raise Conflict(f"Only a pending application can be changed, this one is {application.status}")


def published(command: PublishRequest, now: datetime) -> dict[str, Any]:
    """Return the checked values of a new request, by column. Raises BadUserInput, with all wrong fields."""
    with checks.Mistakes() as mistakes:
        values = {
            "client_id": command.by.user_id,
            "title": mistakes.check(check_title, command.title),
            "description": mistakes.check(check_description, command.description),
            "urgency_level": command.urgency_level,
        }
        parts = (
            mistakes.check(_time_values, command.times, now),
            mistakes.check(_budget_values, command.budget),
            mistakes.check(_place_values, command.place),
            mistakes.check(_skill_values, command.required_skill_ids),
        )
    return {**values, **{name: value for part in parts for name, value in part.items()}}


def _time_values(times: WallTimes, now: datetime) -> dict[str, Any]:
    event = time_range_of(times, now)
    local = values_of(times, "event_date", "start_time", "end_time", "time_zone")
    return {**local, "starts_at": event.starts_at, "ends_at": event.ends_at}


def _budget_values(given: Budget) -> dict[str, Any]:
    budget = check_budget(given)
    return {"budget_min": budget.least, "budget_max": budget.most, "currency": budget.currency}


def _place_values(place: Place) -> dict[str, Any]:
    return asdict(check_place(place))


def _skill_values(skills: tuple[UUID, ...]) -> dict[str, Any]:
    return {"required_skill_ids": list(check_skills(skills))}


def changed(request: RequestRecord, command: UpdateRequest, now: datetime) -> dict[str, Any]:
    """Return the checked new values of a request, by column.

    Raises VersionConflict, Conflict, and BadUserInput with all wrong fields.
    """
    if command.expected_version not in (None, request.version):
        raise VersionConflict(command.expected_version or 0, request.version)
    check_changeable(request)
    with checks.Mistakes() as mistakes:
        parts = [mistakes.check(_budget_values, _changed_budget(request, command))]
        if command.times != TimeChanges():
            parts.append(mistakes.check(_time_values, _changed_times(request, command.times), now))
        if command.place is not None:
            parts.append(mistakes.check(_place_values, command.place))
        if command.title is not None:
            parts.append({"title": mistakes.check(check_title, command.title)})
        if command.description is not None:
            parts.append({"description": mistakes.check(check_description, command.description)})
        if command.required_skill_ids is not None:
            parts.append(mistakes.check(_skill_values, command.required_skill_ids))
        if command.urgency_level is not None:
            parts.append({"urgency_level": command.urgency_level})
    return {name: value for part in parts for name, value in part.items()}


def is_moved(before: RequestRecord, after: RequestRecord) -> bool:
    """Return whether a change of a request concerns its musicians' plans: when or where they would play."""
    return any(getattr(before, name) != getattr(after, name) for name in _WHEN_AND_WHERE)


def _changed_budget(request: RequestRecord, command: UpdateRequest) -> Budget:
    """Return a request's budget with some changes. Raises BadUserInput if only one amount changes its
    currency.
    """
    is_partial = command.budget_min is None or command.budget_max is None
    if is_partial and command.currency not in (None, request.currency.strip()):
        field = "budgetMax" if command.budget_min is None else "budgetMin"
        raise BadUserInput(
            f"'{field}' must be in the request's currency {request.currency}, got {command.currency}:"
            " change both amounts to change the currency",
            f"{field}.currency",
        )
    return Budget(
        least=request.budget_min if command.budget_min is None else command.budget_min,
        most=request.budget_max if command.budget_max is None else command.budget_max,
        currency=command.currency or request.currency,
    )


def _changed_times(request: RequestRecord, changes: TimeChanges) -> WallTimes:
    """Return a request's local times with some changes.

    Without a new end date the end is on the same day or the next one, as its local time says.
    """
    return WallTimes(
        event_date=changes.event_date or request.event_date,
        start_time=request.start_time if changes.start_time is None else changes.start_time,
        end_time=request.end_time if changes.end_time is None else changes.end_time,
        time_zone=changes.time_zone or request.time_zone,
        end_date=changes.end_date,
    )


def time_range_of(times: WallTimes, now: datetime) -> TimeRange:
    """Return local times converted to UTC.

    Raises BadUserInput for an event that is in the past, more than three years ahead, or too long, and for
    local times that do not exist.
    """
    if times.start_time.tzinfo or times.end_time.tzinfo:
        raise BadUserInput(
            "'startTime' and 'endTime' must be local times without an offset: the zone is 'timeZone'",
            "startTime",
        )
    if times.start_time == times.end_time and times.end_date in (None, times.event_date):
        raise BadUserInput("'startTime' and 'endTime' are equal: an event must last for some time", "endTime")
    zone = checks.zone(times.time_zone)
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
    """Raise BadUserInput unless the end is at least 15 minutes after the start and within 24 hours.

    Without `end_date` the local end is after the local start. A change of the clock in autumn can still make
    the duration longer than 24 hours; a change in spring cannot make it negative, because local times that
    are skipped are refused before.
    """
    if ends_at <= starts_at:
        raise BadUserInput("The event must end after its start, but it ends before it starts", "endTime")
    if ends_at - starts_at < MIN_DURATION:
        raise BadUserInput(f"An event must last at least 15 minutes, got {ends_at - starts_at}", "endTime")
    if ends_at - starts_at > MAX_DURATION:
        raise BadUserInput(f"An event must last at most 24 hours, got {ends_at - starts_at}", "endTime")


def check_budget(budget: Budget) -> Budget:
    """Return a checked budget.

    Raises BadUserInput for a negative amount, and for a lowest price above the highest.
    """
    currency = checks.currency(budget.currency, "budgetMin.currency")
    with checks.Mistakes() as mistakes:
        least = mistakes.check(checks.money, budget.least, "budgetMin", currency)
        most = mistakes.check(checks.money, budget.most, "budgetMax", currency)
    if least > most:
        raise BadUserInput(
            f"'budgetMin' must not be greater than 'budgetMax', got {least} and {most}", "budgetMin"
        )
    return Budget(least=least, most=most, currency=currency)


def check_place(place: Place) -> Place:
    """Return the place of an event with trimmed texts. Raises BadUserInput for coordinates out of range, long
    texts and wrong country codes.
    """
    with checks.Mistakes() as mistakes:
        return Place(
            latitude=mistakes.check(checks.latitude, place.latitude, "location.latitude"),
            longitude=mistakes.check(checks.longitude, place.longitude, "location.longitude"),
            address=mistakes.check(checks.optional_text, place.address, "location.address", 300) or "",
            city=mistakes.check(checks.optional_text, place.city, "location.city", 120) or "",
            country=mistakes.check(checks.country, place.country, "location.country")
            if place.country
            else "",
        )


def check_title(title: str) -> str:
    """Return a trimmed title of one line and 1 to 200 characters. Raises BadUserInput."""
    return checks.label(title, "title", 200)


def check_description(description: str) -> str:
    """Return a trimmed description of up to 5,000 characters, "" if it is blank. Raises BadUserInput."""
    return checks.optional_text(description, "description", 5000, lines=True) or ""


def check_message(message: str) -> str:
    """Return a trimmed message of up to 2,000 characters, "" if it is blank. Raises BadUserInput."""
    return checks.optional_text(message, "message", 2000, lines=True) or ""


def check_skills(skills: tuple[UUID, ...]) -> tuple[UUID, ...]:
    """Return at most MAX_SKILLS ids of required skills, without repetitions. Raises BadUserInput."""
    if len(skills) > MAX_SKILLS:
        raise BadUserInput(
            f"'requiredSkills' must have at most {MAX_SKILLS} skills, got {len(skills)}", "requiredSkills"
        )
    return tuple(dict.fromkeys(skills))


def check_price(
    price: Decimal, currency: str, field: str = "proposedPrice", named: str | None = None
) -> Decimal:
    """Return a checked price. Raises BadUserInput unless it is above 0 and not too high, with the decimals of
    the currency.

    `named`: the currency that the caller has named for the price, which must be `currency`.
    """
    if named is not None and named != currency.strip():
        raise BadUserInput(
            f"'{field}' must be in the request's currency {currency}, got {named}", f"{field}.currency"
        )
    if not (checked := checks.money(price, field, currency)):
        raise BadUserInput(f"'{field}' must be greater than 0, got 0", field)
    return checked
