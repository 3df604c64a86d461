"""The types of the notifications subgraph. All of it is one's own: admins look, nobody else."""

import enum
from datetime import datetime, time
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import Row
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import REFERENCE, enum_type, input_type, object_type, provided, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.notifications import store
from subgraphs.notifications.loaders import NotificationsContext
from subgraphs.notifications.model import TYPES, DeliverySettings

Info = strawberry.Info[NotificationsContext, None]
UNSET = strawberry.UNSET


@enum_type
class NotificationType(enum.Enum):
    """What a notification is about."""

    REQUEST_UPDATE = "request_update"
    NEW_APPLICATION = "new_application"
    MESSAGE = "message"
    REMINDER = "reminder"
    SYSTEM = "system"


@object_type(keys=[REFERENCE])
class MusicianRequest:
    """A request, of which only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The id of the request.")


@object_type(keys=[REFERENCE])
class Booking:
    """A booking, of which only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The id of the booking.")


@object_type(keys=["id"])
class Notification:
    """Something that a user is told."""

    id: strawberry.ID = strawberry.field(description="The id of the notification.")
    type: NotificationType = strawberry.field(description="What it is about.")
    title: str = strawberry.field(description="It in a line.")
    message: str = strawberry.field(description="It at length.")
    data: JSON = strawberry.field(description="The ids of what it is about.")
    is_urgent: bool = strawberry.field(description="Whether it goes out in quiet hours, too.")
    is_read: bool = strawberry.field(description="Whether the user has read it.")
    read_at: datetime | None = strawberry.field(description="When the user read it first.")
    channels: list[str] = strawberry.field(description="By what it goes out: email, push, sms.")
    deliver_after: datetime = strawberry.field(description="Before when it does not go out.")
    created_at: datetime = strawberry.field(description="Since when the user sees it.")
    row: strawberry.Private[Any]

    @resolver
    def request(self) -> MusicianRequest | None:
        """The request that it is about."""
        key = self.row.data.get("request_id")
        return MusicianRequest(id=strawberry.ID(key)) if key else None

    @resolver
    def booking(self) -> Booking | None:
        """The booking that it is about."""
        key = self.row.data.get("booking_id")
        return Booking(id=strawberry.ID(key)) if key else None

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Notification | None":
        """The notification of a representation, if it is the caller's; null when there is none."""
        return await cls.load(info, id)

    @classmethod
    async def load(cls, info: Info, id: str) -> "Notification | None":
        """The notification with this id, if it is the caller's."""
        info.context.require()
        key = uuid_of(id)
        row = await info.context.notifications.load(key) if key else None
        if row is None:
            return None
        info.context.require_owner_or_admin(row.user_id)
        return cls.of(row)

    @classmethod
    def of(cls, row: Row[Any]) -> "Notification":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            type=NotificationType(row.type),
            title=row.title,
            message=row.message,
            data=JSON(row.data),
            is_urgent=row.is_urgent,
            is_read=row.is_read,
            read_at=row.read_at,
            channels=row.channels,
            deliver_after=row.deliver_after,
            created_at=row.appears_at,
            row=row,
        )


@object_type()
class TypeSetting:
    """Whether a type of notification goes out."""

    type: NotificationType = strawberry.field(description="The type.")
    enabled: bool = strawberry.field(description="Whether it goes out; one sees it in the list in any case.")


@object_type()
class NotificationSettings:
    """How a user wants to be told."""

    email_enabled: bool = strawberry.field(description="Whether by email.")
    push_enabled: bool = strawberry.field(description="Whether by push.")
    sms_enabled: bool = strawberry.field(description="Whether by SMS.")
    types: list[TypeSetting] = strawberry.field(description="Which types go out.")
    quiet_hours_start: time = strawberry.field(description="From when on only what is urgent goes out.")
    quiet_hours_end: time = strawberry.field(description="Until when; equal times mean no quiet hours.")
    time_zone: str = strawberry.field(description="The IANA time zone of these times.")

    @classmethod
    def of(cls, settings: DeliverySettings) -> "NotificationSettings":
        """The type of settings."""
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
    """A user, with what they are told. All of it is for themselves."""

    id: strawberry.ID = strawberry.field(description="The user's id.")
    key: strawberry.Private[UUID]

    @resolver
    async def notifications(
        self, info: Info, first: First = DEFAULT_FIRST, after: After = None, unread_only: bool = False
    ) -> Connection[Notification] | None:
        """What they are told, newest first."""
        info.context.require_owner_or_admin(self.key)
        context, page = info.context, Page.of(store.NEWEST, first, after)
        counts = context.unread_counts if unread_only else context.counts

        async def count() -> int:
            return await counts.load(self.key) or 0

        rows = await context.pages.load((self.key, (page, unread_only)))
        return page.connection(rows, Notification.of, lambda row: (row.appears_at, row.id), count)

    @resolver
    async def unread_notification_count(self, info: Info) -> int | None:
        """How many of them they have not read."""
        info.context.require_owner_or_admin(self.key)
        return await info.context.unread_counts.load(self.key) or 0

    @resolver
    async def notification_settings(self, info: Info) -> NotificationSettings | None:
        """How they want to be told."""
        info.context.require_owner_or_admin(self.key)
        return NotificationSettings.of(
            await info.context.settings.load(self.key) or DeliverySettings(self.key)
        )

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "User | None":
        """Return the user with this id; whether it exists is not checked here but in the users service."""
        key = uuid_of(id)
        return cls(id=id, key=key) if key else None


@input_type
class TypeSettingInput:
    """Whether a type of notification shall go out."""

    type: NotificationType = strawberry.field(description="The type.")
    enabled: bool = strawberry.field(description="Whether it shall go out.")


@input_type
class NotificationSettingsInput:
    """What to change; what is left out stays."""

    email_enabled: bool | None = strawberry.field(default=UNSET, description="Whether by email.")
    push_enabled: bool | None = strawberry.field(default=UNSET, description="Whether by push.")
    sms_enabled: bool | None = strawberry.field(default=UNSET, description="Whether by SMS.")
    types: list[TypeSettingInput] | None = strawberry.field(
        default=UNSET, description="Types to switch on or off."
    )
    quiet_hours_start: time | None = strawberry.field(
        default=UNSET, description="From when on quiet is wanted."
    )
    quiet_hours_end: time | None = strawberry.field(default=UNSET, description="Until when quiet is wanted.")
    time_zone: str | None = strawberry.field(
        default=UNSET, description="An IANA time zone, such as Europe/Berlin."
    )

    def read(self) -> dict[str, Any]:
        """The changes; nothing of it can be unset, so null is refused."""
        changes = provided(self)
        if (name := next((name for name, value in changes.items() if value is None), None)) is not None:
            raise BadUserInput(f"'{to_camel_case(name)}' cannot be null", to_camel_case(name))
        if (types := changes.pop("types", None)) is not None:
            changes["notification_types"] = {item.type.value: item.enabled for item in types}
        return changes
