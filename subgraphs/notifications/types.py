"""The GraphQL types of the notifications subgraph, which are visible to their user and to admins only; inputs
are in `inputs`, payloads in `payloads`.

The method `of` makes an object from a record; `resolve_reference` resolves the representation of an entity.
"""

import enum
from datetime import datetime, time
from typing import Annotated
from uuid import UUID

import strawberry

from subgraphs.kit.graphql import REFERENCE, enum_type, enum_value, for_users, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.notifications import chat_store, store
from subgraphs.notifications.chat_model import MessageRecord
from subgraphs.notifications.loaders import NotificationsContext
from subgraphs.notifications.model import TYPES, DeliverySettings, NotificationRecord

Info = strawberry.Info[NotificationsContext, None]
NIL = UUID(int=0)
"""The id of no object, for the lists of unknown ones."""


@enum_type
class NotificationType(enum.Enum):
    """The type of a notification."""

    REQUEST_UPDATE = enum_value("request_update", "Something has changed in a request or a booking.")
    NEW_APPLICATION = enum_value("new_application", "A musician has applied to the user's request.")
    MESSAGE = enum_value("message", "A message to the user.")
    REMINDER = enum_value("reminder", "An event of the user begins within a day.")
    SYSTEM = enum_value("system", "Something about the account or the platform.")


@enum_type
class DeliveryChannel(enum.Enum):
    """A way to send a message."""

    EMAIL = enum_value("email", "An e-mail to the address of the account.")
    PUSH = enum_value("push", "A push message to the user's devices.")
    SMS = enum_value("sms", "A text message to the user's telephone number.")


TypesFilter = Annotated[
    list[NotificationType] | None,
    strawberry.argument(description="Only notifications of these types; [] and null: of all types."),
]
UnreadOnly = Annotated[bool, strawberry.argument(description="Only notifications that were not read.")]


@object_type(keys=[REFERENCE])
class MusicianRequest:
    """A request, of which this subgraph has the id only."""

    uuid: strawberry.ID


@object_type(keys=[REFERENCE])
class Application:
    """An application, of which this subgraph has the id only."""

    uuid: strawberry.ID


@object_type(keys=["uuid"])
class Booking:
    """A booking, with what its parties write to each other."""

    uuid: strawberry.ID
    key: strawberry.Private[UUID]

    @for_users
    async def messages(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> "Connection[Message] | None":
        """What the client and the musician write to each other, the newest first; for them and admins."""
        info.context.require()
        page = Page.of(chat_store.NEWEST, first, after, last, before)
        known = await info.context.bookings.load(self.key)
        if known is not None:
            info.context.require_owner_or_admin(*known.parties)
        key = NIL if known is None else self.key  # no event about it has arrived, so nobody could write
        return await info.context.messages_of_bookings.connection(key, page, Message.of)

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Booking | None":
        """Return the booking with this id, without a check that it exists: the requests service does it."""
        return cls.of(uuid_of(uuid))

    @classmethod
    def of(cls, key: UUID | None) -> "Booking | None":
        """Return the booking with this id; None for None."""
        return cls(uuid=strawberry.ID(str(key)), key=key) if key else None


@object_type(keys=["uuid"])
class Message:
    """A message between the parties of a booking; for them and admins."""

    uuid: strawberry.ID
    text: str = strawberry.field(description="The text.")
    sent_at: datetime = strawberry.field(description="When the message was sent.")
    record: strawberry.Private[MessageRecord]

    @resolver
    def booking(self) -> Booking | None:
        """The booking whose parties write."""
        return Booking.of(self.record.booking_id)

    @resolver
    def author(self) -> "User | None":
        """The party who has sent the message."""
        return User(uuid=strawberry.ID(str(self.record.author_id)), key=self.record.author_id)

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Message | None":
        """Return the message with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        info.context.require()
        key = uuid_of(uuid)
        record = await info.context.messages.load(key) if key else None
        if record is None:
            return None
        known = await info.context.bookings.load(record.booking_id)
        info.context.require_owner_or_admin(*(known.parties if known is not None else ()))
        return cls.of(record)

    @classmethod
    def of(cls, record: MessageRecord) -> "Message":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)), text=record.text, sent_at=record.sent_at, record=record
        )


@object_type(keys=["uuid"])
class Notification:
    """A notification of a user."""

    uuid: strawberry.ID
    type: NotificationType = strawberry.field(description="The type of the notification.")
    title: str = strawberry.field(description="The title, in one line.")
    message: str = strawberry.field(description="The text.")
    is_urgent: bool = strawberry.field(description="Whether the notification is sent in quiet hours, too.")
    is_read: bool = strawberry.field(description="Whether the user has read the notification.")
    read_at: datetime | None = strawberry.field(description="When the user first read the notification.")
    channels: list[DeliveryChannel] = strawberry.field(
        description="The channels by which the notification is sent."
    )
    deliver_after: datetime = strawberry.field(
        description="The earliest time at which the notification is sent."
    )
    created_at: datetime = strawberry.field(description="When the notification appeared in the user's list.")
    record: strawberry.Private[NotificationRecord]

    @resolver
    def request(self) -> MusicianRequest | None:
        """The request that the notification is about; null if it is about none."""
        key = self.record.data.get("request_id")
        return MusicianRequest(uuid=strawberry.ID(key)) if key else None

    @resolver
    def booking(self) -> Booking | None:
        """The booking that the notification is about; null if it is about none."""
        return Booking.of(uuid_of(self.record.data.get("booking_id")))

    @resolver
    def application(self) -> Application | None:
        """The application that the notification is about; null if it is about none."""
        key = self.record.data.get("application_id")
        return Application(uuid=strawberry.ID(key)) if key else None

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Notification | None":
        """Return the notification with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(uuid))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "Notification | None":
        """Return the notification with this UUID, None if there is none.

        Raises Forbidden unless it is the caller's or the caller is an admin, Unauthenticated without a token.
        """
        info.context.require()
        record = await info.context.notifications.load(key) if key else None
        if record is None:
            return None
        info.context.require_owner_or_admin(record.user_id)
        return cls.of(record)

    @classmethod
    def of(cls, record: NotificationRecord) -> "Notification":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            type=NotificationType(record.type),
            title=record.title,
            message=record.message,
            is_urgent=record.is_urgent,
            is_read=record.is_read,
            read_at=record.read_at,
            channels=[DeliveryChannel(name) for name in record.channels],
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


@object_type(keys=["uuid"])
class User:
    """A user, with their notifications; the fields are for the user and admins."""

    uuid: strawberry.ID
    key: strawberry.Private[UUID]

    @for_users
    async def notifications(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        unread_only: UnreadOnly = False,
        types: TypesFilter = None,
    ) -> Connection[Notification] | None:
        """The user's notifications, the newest first."""
        info.context.require_owner_or_admin(self.key)
        wanted = sorted({kind.value for kind in types or ()})
        only = store.NotificationCriteria(unread_only, tuple(wanted))
        page = Page.of(store.NEWEST, first, after, last, before, only=only)
        return await info.context.lists_of_users.connection(self.key, page, Notification.of)

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
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "User | None":
        """Return the user with this id, without a check that it exists: the users service does it."""
        key = uuid_of(uuid)
        return cls(uuid=uuid, key=key) if key else None
