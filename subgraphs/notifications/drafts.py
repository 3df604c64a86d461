"""Makes the drafts of the notifications that follow from other services' events.

DRAFTS is a table of functions by event type; `handlers.notify` calls them.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from subgraphs.kit.messages import Envelope
from subgraphs.notifications.messages import (
    ApplicationFacts,
    BookingFacts,
    MovedRequestFacts,
    RegisteredUser,
    ReviewFacts,
)
from subgraphs.notifications.model import REMIND_BEFORE, NotificationDraft, zone_of

MakeDrafts = Callable[[Envelope, datetime], Iterable[NotificationDraft]]
"""Makes the notifications of an event; the second argument is the present time."""


def _data(facts: msgspec.Struct, **more: UUID | None) -> dict[str, str]:
    """Return the ids in an event by name, as the notification's data, without ids of users.

    `more`: further ids by name.
    """
    ids = {name: getattr(facts, name) for name in facts.__struct_fields__ if name.endswith("_id")} | more
    private = {"client_id", "musician_user_id", "user_id"}
    return {name: str(value) for name, value in ids.items() if value is not None and name not in private}


def _user_registered(envelope: Envelope, _now: datetime) -> Iterable[NotificationDraft]:
    facts = envelope.read(RegisteredUser)
    message = "Publish a request, or make your profile as a musician, to begin."
    title = f"Welcome to MussikOn, {facts.username}"
    yield NotificationDraft(user_id=facts.user_id, kind="system", title=title, message=message)


def _application(kind: str, title: str, message: str, to_client: bool) -> MakeDrafts:
    def tell(envelope: Envelope, _now: datetime) -> Iterable[NotificationDraft]:
        facts = envelope.read(ApplicationFacts)
        yield NotificationDraft(
            user_id=facts.client_id if to_client else facts.musician_user_id,
            kind=kind,
            title=title.format(title=facts.title),
            message=message.format(title=facts.title),
            data=_data(facts),
            is_urgent=facts.urgency_level == "urgent",
        )

    return tell


def _request_moved(envelope: Envelope, _now: datetime) -> Iterable[NotificationDraft]:
    facts = envelope.read(MovedRequestFacts)
    when = _local_time(facts.starts_at, facts.time_zone)
    message = (
        f"The event is now on {when}, at {facts.address}, {facts.city}. Withdraw if you cannot play then."
    )
    for user_id in facts.musician_user_ids:
        yield NotificationDraft(
            user_id=user_id,
            kind="request_update",
            title=f"New date or place: {facts.title}",
            message=message,
            data=_data(facts),
            is_urgent=facts.urgency_level == "urgent",
        )


def _local_time(moment: datetime, time_zone: str) -> str:
    """Return a time as people at the place read it, such as "2026-06-01 at 20:00 (Europe/Berlin)"."""
    return f"{moment.astimezone(zone_of(time_zone)):%Y-%m-%d at %H:%M} ({time_zone})"


def _reminders(envelope: Envelope, now: datetime) -> Iterable[NotificationDraft]:
    """Remind both parties of a confirmed booking on the day before; sagas notify them of the rest."""
    facts = envelope.read(BookingFacts)
    remind_at = facts.starts_at - REMIND_BEFORE
    for user_id in (facts.client_id, facts.musician_user_id) if remind_at > now else ():
        yield NotificationDraft(
            user_id=user_id,
            kind="reminder",
            title=f"Tomorrow: {facts.title}",
            message=f"It begins on {_local_time(facts.starts_at, facts.time_zone)}.",
            data=_data(facts),
            appears_at=remind_at,
        )


def _review_published(envelope: Envelope, _now: datetime) -> Iterable[NotificationDraft]:
    facts = envelope.read(ReviewFacts)
    yield NotificationDraft(
        user_id=facts.musician_user_id,
        kind="request_update",
        title=f"A new review: {facts.rating} of 5",
        message="A client has rated an event that you played at.",
        data=_data(facts),
    )


DRAFTS: Mapping[str, MakeDrafts] = {
    "UserRegistered": _user_registered,
    "ApplicationSubmitted": _application(
        "new_application",
        "New application: {title}",
        "A musician would play at “{title}”. Have a look.",
        to_client=True,
    ),
    "ApplicationRejected": _application(
        "request_update",
        "Not this time: {title}",
        "The client has chosen otherwise or cancelled.",
        to_client=False,
    ),
    "ApplicationWithdrawn": _application(
        "request_update",
        "Application withdrawn: {title}",
        "A musician has taken the application back.",
        to_client=True,
    ),
    "RequestMoved": _request_moved,
    "BookingConfirmed": _reminders,
    "ReviewPublished": _review_published,
}
