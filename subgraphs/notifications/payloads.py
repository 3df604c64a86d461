"""The GraphQL types of what the mutations of the notifications subgraph return."""

import strawberry

from subgraphs.kit.graphql import object_type
from subgraphs.kit.payloads import Payload
from subgraphs.notifications.delivery_types import Delivery
from subgraphs.notifications.types import Message, Notification, NotificationSettings, User


@object_type()
class MarkNotificationReadPayload(Payload):
    """The result of `markNotificationRead`."""

    notification: Notification | None = strawberry.field(
        default=None, description="The notification, which is read."
    )


@object_type()
class MarkAllNotificationsReadPayload(Payload):
    """The result of `markAllNotificationsRead`."""

    read_notifications: int | None = strawberry.field(
        default=None, description="The number of notifications that were unread until now."
    )
    user: User | None = strawberry.field(
        default=None, description="The caller, who has no unread notifications now."
    )


@object_type()
class UpdateNotificationSettingsPayload(Payload):
    """The result of `updateNotificationSettings`."""

    settings: NotificationSettings | None = strawberry.field(
        default=None, description="All settings after the change."
    )


@object_type()
class SendAgainPayload(Payload):
    """The result of `sendAgain`."""

    delivery: Delivery | None = strawberry.field(default=None, description="The message, which is pending.")


@object_type()
class SendMessagePayload(Payload):
    """The result of `sendMessage`."""

    message: Message | None = strawberry.field(default=None, description="The message, which is sent.")
