"""Queries and mutations of the notifications subgraph."""

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.graphql import Schema, object_type, resolver
from subgraphs.notifications.messages import MarkAllRead, MarkRead, UpdateSettings
from subgraphs.notifications.types import Info, Notification, NotificationSettings, NotificationSettingsInput, User


@object_type()
class Query:
    """What can be asked about notifications; their list is a field of `User`."""

    @resolver
    async def notification(self, info: Info, id: strawberry.ID) -> Notification | None:
        """One notification of one's own, or null when there is none with this id."""
        return await Notification.load(info, id)


@object_type()
class Mutation:
    """What can be done with notifications."""

    @resolver
    async def mark_notification_read(self, info: Info, id: strawberry.ID) -> Notification | None:
        """Mark a notification of one's own as read."""
        command = MarkRead(by=info.context.require(), notification_id=checks.identifier(id, "id"))
        return Notification.of(await info.context.bus.handle(command))

    @resolver
    async def mark_all_notifications_read(self, info: Info) -> int | None:
        """Mark all that one has as read; answers how many were not."""
        return await info.context.bus.handle(MarkAllRead(by=info.context.require()))

    @resolver
    async def update_notification_settings(
        self, info: Info, input: NotificationSettingsInput
    ) -> NotificationSettings | None:
        """Change how one wants to be told."""
        command = UpdateSettings(by=info.context.require(), changes=input.read())
        return NotificationSettings.of(await info.context.bus.handle(command))


schema = Schema(Query, Mutation, types=[Notification, User])
