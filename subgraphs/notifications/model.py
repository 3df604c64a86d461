"""The rules of telling: what goes out by which way, and when.

Inside a user's quiet hours only what is urgent goes out; the rest waits for their end. Quiet hours are
wall-clock times in the user's zone and usually run over midnight. Where the clock skips their end, they end
as much later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput

TYPES = ("request_update", "new_application", "message", "reminder", "system")
REMIND_BEFORE = timedelta(hours=24)
SOON = timedelta(hours=48)
"""A cancellation this short before the event is urgent."""


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How a user wants to be told; the defaults hold for whoever has not said anything."""

    user_id: UUID
    email_enabled: bool = True
    push_enabled: bool = True
    sms_enabled: bool = False
    notification_types: Mapping[str, bool] = field(default_factory=dict)
    quiet_hours_start: time = time(22)
    quiet_hours_end: time = time(8)
    time_zone: str = "UTC"

    def channels(self, kind: str) -> tuple[str, ...]:
        """By which ways this type of notification goes out."""
        if not self.notification_types.get(kind, True):
            return ()
        ways = {"email": self.email_enabled, "push": self.push_enabled, "sms": self.sms_enabled}
        return tuple(name for name, enabled in ways.items() if enabled)

    def deliver_after(self, moment: datetime, is_urgent: bool) -> datetime:
        """When what comes up at this moment may go out."""
        local = moment.astimezone(_zone(self.time_zone))
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
class NotificationDraft:
    """Something that one user is to be told."""

    user_id: UUID
    kind: str
    title: str
    message: str
    data: Mapping[str, str] = field(default_factory=dict)
    is_urgent: bool = False
    appears_at: datetime | None = None


def row_of(
    telling: NotificationDraft, settings: DeliverySettings, event_id: UUID, now: datetime
) -> dict[str, Any]:
    """The row of a notification for a user with these settings."""
    appears_at = telling.appears_at or now
    return {
        "user_id": telling.user_id,
        "type": telling.kind,
        "title": telling.title,
        "message": telling.message,
        "data": dict(telling.data),
        "is_urgent": telling.is_urgent,
        "appears_at": appears_at,
        "channels": list(settings.channels(telling.kind)),
        "deliver_after": settings.deliver_after(appears_at, telling.is_urgent),
        "event_id": event_id,
    }


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name if name in checks.known_zones() else "UTC")


def check_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a user may set: a zone that there is, types that there are, and times without an offset."""
    checked = dict(changes)
    if "time_zone" in checked:
        checks.time_zone(checked["time_zone"])
    for name, shown in (("quiet_hours_start", "quietHoursStart"), ("quiet_hours_end", "quietHoursEnd")):
        if name in checked and checked[name].tzinfo is not None:
            raise BadUserInput(f"'{shown}' is a time of the wall clock, without an offset", shown)
    return checked
