"""What each event makes invalid in caches: the table `TOUCHED`, and the tags that follow from it.

The tags are those of the gateway's cache (`gateway/cache/keys`); the services' own caches use them, too.
The relay publishes an event's tags together with the event. Lists of the read side change later, when their
projection has applied the event: the read side publishes their tags itself (`LogProjection.cache_tags`).

Example: the event ReviewPublished about the musician 7f... gives `entity:Musician:{"uuid":"7f..."}`, which
invalidates what any service has replied about the musician, and `tag:Musician:7f...`, which invalidates what
root fields have returned for this id.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from gateway.cache.backplane import MESSAGES
from gateway.cache.keys import custom_tag, entity_tag
from subgraphs.kit.revocation import PREFIX

STREAM: Final = f"{PREFIX}{{cache}}:invalidations"
"""The stream of invalidations, which every process of the gateway and every service with a cache reads."""
NOTHING: Final = ()
_PROFILE: Final = ("Musician:musician_id", "User:user_id")
_REVIEW: Final = (
    *("Review:review_id", "Booking:booking_id", "Musician:musician_id", "User:author_id"),
    "reviews",
)
_REQUEST: Final = ("MusicianRequest:request_id", "User:client_id")
_BOOKING: Final = ("Booking:booking_id", "MusicianRequest:request_id", "User:client_id")
_ACCOUNT: Final = ("User:user_id", "users")
_SLOT: Final = ("Musician:musician_id",)

TOUCHED: Final[Mapping[str, tuple[str, ...]]] = {
    # users
    "UserRegistered": _ACCOUNT,
    "UserUpdated": _ACCOUNT,
    "AccountClosed": _ACCOUNT,
    "AccountMailRequested": NOTHING,
    # musicians
    "MusicianProfileCreated": _PROFILE,
    "MusicianProfileUpdated": _PROFILE,
    # reviews
    "ReviewPublished": _REVIEW,
    "ReviewEdited": _REVIEW,
    # requests
    "RequestPublished": _REQUEST,
    "RequestUpdated": _REQUEST,
    "RequestMoved": _REQUEST,
    "RequestCancelled": _REQUEST,
    "ApplicationSubmitted": NOTHING,  # applications are their parties' own and not cached
    "ApplicationChanged": NOTHING,
    "ApplicationRejected": NOTHING,
    "ApplicationWithdrawn": NOTHING,
    "BookingMade": _BOOKING,
    "BookingOffered": _BOOKING,
    "BookingUndone": _BOOKING,
    "BookingRestored": _BOOKING,
    "BookingConfirmed": _BOOKING,
    "BookingDisputed": _BOOKING,
    "BookingCompleted": _BOOKING,
    "BookingCancelled": _BOOKING,
    # calendar
    "SlotTaken": _SLOT,
    "SlotFreed": _SLOT,
    # rankings, money, notifications, messages and sagas are not cached
    "MatchesRanked": NOTHING,
    "EscrowCreated": NOTHING,
    "EscrowReleased": NOTHING,
    "EscrowRefunded": NOTHING,
    "EscrowRestored": NOTHING,
    "NotificationDue": NOTHING,
    "NotificationReceived": NOTHING,
    "MessageSent": NOTHING,
    "SagaChanged": NOTHING,
}
"""By event type: entities as `Type:field`, where the payload's field has the id, and names of @cacheTag."""


def object_name(kind: str, key: UUID | str) -> str:
    """Return the name with which a reply of a root field is tagged that returns the object with this id."""
    return f"{kind}:{key}"


def object_tags(kind: str, key: UUID | str) -> tuple[str, ...]:
    """Return the tags of one object: as an entity, and as the value of a root field."""
    return entity_tag(kind, {"uuid": str(key)}), custom_tag(object_name(kind, key))


def tags_of(event_type: str, payload: Mapping[str, Any]) -> list[str]:
    """Return the tags that an event invalidates; those of a field that its payload lacks are left out."""
    found: list[str] = []
    for item in TOUCHED.get(event_type, NOTHING):
        kind, _, field = item.partition(":")
        if not field:
            found.append(custom_tag(kind))
        elif payload.get(field):
            found += object_tags(kind, payload[field])
    return found


def tags_of_all(events: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Return the tags of several events, as pairs of type and payload, without repetitions."""
    return list(dict.fromkeys(tag for kind, payload in events for tag in tags_of(kind, payload)))


async def publish(redis: Redis, tags: Sequence[str]) -> None:
    """Add an invalidation to the stream. Raises the errors of the connection."""
    await redis.xadd(STREAM, {"tags": encoded(tags)}, maxlen=int(MESSAGES), approximate=True)


def encoded(tags: Sequence[str]) -> bytes:
    """Return tags as the field `tags` of a message."""
    return msgspec.json.encode(list(tags))
