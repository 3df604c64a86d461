"""The rules of delivery, without I/O: by which channels a notification is sent, and when.

In a user's quiet hours only urgent notifications are sent; others are sent when the quiet hours end. Quiet
hours are local times in the user's time zone, and usually include midnight. If the clocks are set forward
past the time at which they end, they end later by the skipped time.

Example: with quiet hours from 22:00 to 08:00, a notification that appears at 23:30 is sent at 08:00 of the
next day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput

TYPES = ("request_update", "new_application", "message", "reminder", "system")
REMIND_BEFORE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """A user's settings for the delivery of notifications; the defaults are for users without settings."""

    user_id: UUID
    email_enabled: bool = True
    push_enabled: bool = True
    sms_enabled: bool = False
    notification_types: Mapping[str, bool] = field(default_factory=dict)
    quiet_hours_start: time = time(22)
    quiet_hours_end: time = time(8)
    time_zone: str = "UTC"

    def channels(self, kind: str) -> tuple[str, ...]:
        """Return the channels by which notifications of the type `kind` are sent; () if they are not sent."""
        if not self.notification_types.get(kind, True):
            return ()
        channels = {"email": self.email_enabled, "push": self.push_enabled, "sms": self.sms_enabled}
        return tuple(name for name, enabled in channels.items() if enabled)

    def deliver_after(self, moment: datetime, is_urgent: bool) -> datetime:
        """Return the earliest time to send a notification that appears at `moment`.

        It is `moment`, or for one that is not urgent the end of the quiet hours around it.
        """
        local = moment.astimezone(zone_of(self.time_zone))
        if is_urgent or not self._is_quiet(local.time()):
            return moment
        day = local.date() + timedelta(days=local.time() >= self.quiet_hours_end)
        return datetime.combine(day, self.quiet_hours_end, local.tzinfo).astimezone(UTC)

    def _is_quiet(self, clock: time) -> bool:
        start, end = self.quiet_hours_start, self.quiet_hours_end
        if start <= end:
            return start <= clock < end
        return clock >= start or clock < end


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRecord:
    """A row of the table `notifications`.

    `appears_at`: the time from which the user's list contains it; `deliver_after`: the earliest time to send
    it; `event_id`: the event from which it follows; `is_held`: it waits for the end of the saga that has
    written it, and is neither visible nor sent before; `is_announced`: NotificationReceived was written.
    """

    id: UUID
    user_id: UUID
    type: str
    title: str
    message: str
    data: Mapping[str, str]
    is_urgent: bool
    is_read: bool
    read_at: datetime | None
    appears_at: datetime
    channels: Sequence[str]
    deliver_after: datetime
    sent_at: datetime | None
    event_id: UUID | None
    is_held: bool
    is_announced: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationDraft:
    """A notification to add for a user, before channels and delivery time are known.

    `appears_at`: the time from which the user's list contains it; None: now.
    """

    user_id: UUID
    kind: str
    title: str
    message: str
    data: Mapping[str, str] = field(default_factory=dict)
    is_urgent: bool = False
    appears_at: datetime | None = None


def row_of(
    draft: NotificationDraft,
    settings: DeliverySettings,
    event_id: UUID,
    now: datetime,
    *,
    is_held: bool = False,
) -> dict[str, Any]:
    """Return the row of a notification, with channels and delivery time by the user's settings.

    `event_id`: the event from which it follows.
    """
    appears_at = draft.appears_at or now
    return {
        "user_id": draft.user_id,
        "type": draft.kind,
        "title": draft.title,
        "message": draft.message,
        "data": dict(draft.data),
        "is_urgent": draft.is_urgent,
        "appears_at": appears_at,
        "channels": list(settings.channels(draft.kind)),
        "deliver_after": settings.deliver_after(appears_at, draft.is_urgent),
        "event_id": event_id,
        "is_held": is_held,
        "is_announced": not is_held and appears_at <= now,
    }


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone with an IANA name, UTC for a name that this machine does not know."""
    return ZoneInfo(name if name in checks.known_zones() else "UTC")


def check_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked new values of settings, by name.

    Raises BadUserInput, with every wrong field, for an unknown time zone and for times with an offset.
    """
    checked = dict(changes)
    with checks.Mistakes() as mistakes:
        for name, shown in (("quiet_hours_start", "quietHoursStart"), ("quiet_hours_end", "quietHoursEnd")):
            if name in checked and checked[name].tzinfo is not None:
                wrong = BadUserInput(f"'{shown}' must be a local time without an offset", shown)
                mistakes.found.append(wrong)
        if "time_zone" in checked:
            mistakes.check(checks.time_zone, checked["time_zone"])
    return checked
