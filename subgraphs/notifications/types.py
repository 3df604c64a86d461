"""The GraphQL types of the notifications subgraph, which are visible to their user and to admins only.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

import enum
from datetime import datetime, time
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import REFERENCE, enum_type, for_users, input_type, object_type, provided, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.notifications import store
from subgraphs.notifications.loaders import NotificationsContext
from subgraphs.notifications.model import TYPES, DeliverySettings, NotificationRecord

Info = strawberry.Info[NotificationsContext, None]
UNSET = strawberry.UNSET


@enum_type
class NotificationType(enum.Enum):
    """The type of a notification."""

    REQUEST_UPDATE = "request_update"
    NEW_APPLICATION = "new_application"
    MESSAGE = "message"
    REMINDER = "reminder"
    SYSTEM = "system"


@object_type(keys=[REFERENCE])
class MusicianRequest:
    """A request, of which this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The id of the request.")


@object_type(keys=[REFERENCE])
class Booking:
    """A booking, of which this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The id of the booking.")


@object_type(keys=["id"])
class Notification:
    """A notification of a user."""

    id: strawberry.ID = strawberry.field(description="The id of the notification.")
    type: NotificationType = strawberry.field(description="The type of the notification.")
    title: str = strawberry.field(description="The title, in one line.")
    message: str = strawberry.field(description="The text.")
    data: JSON = strawberry.field(description="The ids of the objects that the notification is about.")
    is_urgent: bool = strawberry.field(description="Whether the notification is sent in quiet hours, too.")
    is_read: bool = strawberry.field(description="Whether the user has read the notification.")
    read_at: datetime | None = strawberry.field(description="When the user first read the notification.")
    channels: list[str] = strawberry.field(
        description="The channels by which the notification is sent: email, push, sms."
    )
    deliver_after: datetime = strawberry.field(
        description="The earliest time at which the notification is sent."
    )
    created_at: datetime = strawberry.field(description="When the notification appeared in the user's list.")
    record: strawberry.Private[NotificationRecord]

    @resolver
    def request(self) -> MusicianRequest | None:
        """The request that the notification is about."""
        key = self.record.data.get("request_id")
        return MusicianRequest(id=strawberry.ID(key)) if key else None

    @resolver
    def booking(self) -> Booking | None:
        """The booking that the notification is about."""
        key = self.record.data.get("booking_id")
        return Booking(id=strawberry.ID(key)) if key else None

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Notification | None":
        """Return the notification with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, id)

    @classmethod
    async def load(cls, info: Info, id: str) -> "Notification | None":
        """Return the notification with this id, None if there is none.

        Raises Forbidden unless it is the caller's or the caller is an admin, Unauthenticated without a token.
        """
        info.context.require()
        key = uuid_of(id)
        record = await info.context.notifications.load(key) if key else None
        if record is None:
            return None
        info.context.require_owner_or_admin(record.user_id)
        return cls.of(record)

    @classmethod
    def of(cls, record: NotificationRecord) -> "Notification":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            type=NotificationType(record.type),
            title=record.title,
            message=record.message,
            data=JSON(dict(record.data)),
            is_urgent=record.is_urgent,
            is_read=record.is_read,
            read_at=record.read_at,
            channels=list(record.channels),
            deliver_after=record.deliver_after,
            created_at=record.appears_at,
            record=record,
        )


@object_type()
class TypeSetting:
    """Whether notifications of a type are sent."""

    type: NotificationType = strawberry.field(description="The type.")
    enabled: bool = strawberry.field(
        description="Whether notifications of this type are sent; they are in the list in any case."
    )


@object_type()
class NotificationSettings:
    """A user's settings for the delivery of notifications."""

    email_enabled: bool = strawberry.field(description="Whether notifications are sent by email.")
    push_enabled: bool = strawberry.field(description="Whether notifications are sent by push.")
    sms_enabled: bool = strawberry.field(description="Whether notifications are sent by SMS.")
    types: list[TypeSetting] = strawberry.field(description="Which types of notifications are sent.")
    quiet_hours_start: time = strawberry.field(
        description="The local time from which only urgent notifications are sent."
    )
    quiet_hours_end: time = strawberry.field(
        description="The local time at which quiet hours end; equal times mean no quiet hours."
    )
    time_zone: str = strawberry.field(description="The IANA time zone of the quiet hours.")

    @classmethod
    def of(cls, settings: DeliverySettings) -> "NotificationSettings":
        """Return the GraphQL object of settings."""
        return cls(
            email_enabled=settings.email_enabled,
            push_enabled=settings.push_enabled,
            sms_enabled=settings.sms_enabled,
            types=[
                TypeSetting(type=NotificationType(kind), enabled=settings.notification_types.get(kind, True))
                for kind in TYPES
            ],
            quiet_hours_start=settings.quiet_hours_start,
            quiet_hours_end=settings.quiet_hours_end,
            time_zone=settings.time_zone,
        )


@object_type(keys=["id"])
class User:
    """A user, with their notifications; the fields are for the user and admins."""

    id: strawberry.ID = strawberry.field(description="The user's id.")
    key: strawberry.Private[UUID]

    @for_users
    async def notifications(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None, unread_only: bool = False
    ) -> Connection[Notification] | None:
        """The user's notifications, the newest first."""
        info.context.require_owner_or_admin(self.key)
        context, page = info.context, Page.of(store.NEWEST, first, after)
        counts = context.unread_counts if unread_only else context.counts

        async def count() -> int:
            return await counts.load(self.key) or 0

        found = await context.pages.load((self.key, (page, unread_only)))
        return page.connection(found, Notification.of, lambda record: (record.appears_at, record.id), count)

    @for_users
    async def unread_notification_count(self, info: Info) -> int | None:
        """The number of unread notifications."""
        info.context.require_owner_or_admin(self.key)
        return await info.context.unread_counts.load(self.key) or 0

    @for_users
    async def notification_settings(self, info: Info) -> NotificationSettings | None:
        """The user's settings for the delivery of notifications."""
        info.context.require_owner_or_admin(self.key)
        return NotificationSettings.of(
            await info.context.settings.load(self.key) or DeliverySettings(self.key)
        )

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User | None":
        """Return the user with this id, without a check that it exists: the users service does it."""
        key = uuid_of(id)
        return cls(id=id, key=key) if key else None


@input_type
class TypeSettingInput:
    """Whether to send notifications of a type."""

    type: NotificationType = strawberry.field(description="The type.")
    enabled: bool = strawberry.field(description="Whether to send notifications of this type.")


@input_type
class NotificationSettingsInput:
    """Changes of settings; an absent field is not changed, null is refused."""

    email_enabled: bool | None = strawberry.field(
        default=UNSET, description="Whether to send notifications by email."
    )
    push_enabled: bool | None = strawberry.field(
        default=UNSET, description="Whether to send notifications by push."
    )
    sms_enabled: bool | None = strawberry.field(
        default=UNSET, description="Whether to send notifications by SMS."
    )
    types: list[TypeSettingInput] | None = strawberry.field(
        default=UNSET, description="Types to switch on or off."
    )
    quiet_hours_start: time | None = strawberry.field(
        default=UNSET, description="The local time at which quiet hours start."
    )
    quiet_hours_end: time | None = strawberry.field(
        default=UNSET, description="The local time at which quiet hours end."
    )
    time_zone: str | None = strawberry.field(
        default=UNSET, description="An IANA time zone, such as Europe/Berlin."
    )

    def read(self) -> dict[str, Any]:
        """Return the provided new values of settings, by column. Raises BadUserInput for null."""
        changes = provided(self)
        if (name := next((name for name, value in changes.items() if value is None), None)) is not None:
            raise BadUserInput(f"'{to_camel_case(name)}' must not be null", to_camel_case(name))
        if (types := changes.pop("types", None)) is not None:
            changes["notification_types"] = {item.type.value: item.enabled for item in types}
        return changes
