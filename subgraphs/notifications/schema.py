"""Queries and mutations of the notifications subgraph, and the hidden mutation for a step of sagas."""

from typing import Any

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import Schema, for_role, for_users, object_type
from subgraphs.kit.pagination import DEFAULT_FIRST, After, Connection, First, Page
from subgraphs.kit.steps import StepOrder, run_step, step_field
from subgraphs.notifications import delivery_store, steps
from subgraphs.notifications.delivery_store import DELIVERY_ROWS
from subgraphs.notifications.delivery_types import Delivery, DeliveryStatus, conditions
from subgraphs.notifications.messages import MarkAllRead, MarkRead, SendAgain, UpdateSettings
from subgraphs.notifications.model import TYPES
from subgraphs.notifications.types import (
    Info,
    Notification,
    NotificationSettings,
    NotificationSettingsInput,
    User,
)


@object_type()
class Query:
    """Queries about notifications; their list is a field of `User`."""

    @for_users
    async def notification(self, info: Info, id: strawberry.ID) -> Notification | None:
        """The caller's notification with this id; null if there is none."""
        return await Notification.load(info, id)

    @for_role("admin")
    async def deliveries(
        self,
        info: Info,
        first: First = DEFAULT_FIRST,
        after: After = None,
        status: DeliveryStatus | None = None,
    ) -> Connection[Delivery] | None:
        """Messages by e-mail, push and SMS of the last 90 days, the newest first; for admins."""
        info.context.require_role("admin")
        page, wanted = Page.of(delivery_store.NEWEST, first, after), conditions(status)
        database = info.context.database
        return page.connection(
            await DELIVERY_ROWS.page(database, page, wanted),
            Delivery.of,
            lambda record: (record.created_at, record.id),
            lambda: DELIVERY_ROWS.count(database, wanted),
        )


@object_type()
class Mutation:
    """Mutations of notifications."""

    @for_users
    async def mark_notification_read(self, info: Info, id: strawberry.ID) -> Notification | None:
        """Mark the caller's notification as read."""
        command = MarkRead(by=info.context.require(), notification_id=checks.identifier(id, "id"))
        return Notification.of(await info.context.bus.handle(command))

    @for_users
    async def mark_all_notifications_read(self, info: Info) -> int | None:
        """Mark all of the caller's visible notifications as read; returns how many were unread."""
        return await info.context.bus.handle(MarkAllRead(by=info.context.require()))

    @for_users
    async def update_notification_settings(
        self, info: Info, input: NotificationSettingsInput
    ) -> NotificationSettings | None:
        """Change the caller's settings for notifications."""
        command = UpdateSettings(by=info.context.require(), changes=input.read())
        return NotificationSettings.of(await info.context.bus.handle(command))

    @for_role("admin")
    async def send_again(self, info: Info, id: strawberry.ID) -> Delivery | None:
        """Send a message that has failed or was skipped; for admins."""
        info.context.require_role("admin")
        command = SendAgain(delivery_id=checks.identifier(id, "id"))
        return Delivery.of(await info.context.bus.handle(command))

    @step_field
    async def notify(
        self,
        info: Info,
        order: StepOrder,
        user_id: strawberry.ID,
        type: str,
        title: str,
        message: str,
        data: JSON,
        urgent: bool,
    ) -> JSON | None:
        """Step of a saga: add a notification for a user, which is held until it is sent; or undo that."""
        if type not in TYPES:
            raise BadUserInput(f"'type' must be one of {', '.join(TYPES)}, got {type!r}", "type")
        ids: Any = data
        given = {
            "userId": str(checks.identifier(user_id, "userId")),
            "type": type,
            "title": checks.text(title, "title", 200),
            "message": checks.text(message, "message", 2000),
            "data": {str(name): str(value) for name, value in dict(ids).items()},
            "urgent": urgent,
        }
        return await run_step(info.context, order, given, steps.notify, steps.retract)

    @step_field
    async def send_notifications(
        self, info: Info, order: StepOrder, ids: list[strawberry.ID], discard: bool
    ) -> JSON | None:
        """Step of a saga: send the notifications that sagas have added and that are held, or delete them."""
        checked = [str(checks.identifier(one, "ids")) for one in ids]
        given = {"notificationIds": checked, "discard": discard}
        return await run_step(info.context, order, given, steps.send, steps.unsend)


schema = Schema(Query, Mutation, types=[Notification, User])
