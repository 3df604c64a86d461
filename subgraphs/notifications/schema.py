"""Queries and mutations of the notifications subgraph, and the hidden mutation for a step of sagas."""

from functools import partial
from typing import Any
from uuid import uuid4

import strawberry
from strawberry.scalars import JSON

from subgraphs.kit import checks
from subgraphs.kit.copies import digests_field, repair_field, rows_field, versions_field
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import Schema, for_role, for_users, object_type
from subgraphs.kit.idempotency_keys import IdempotencyKey, command_id_of
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.own_writes import await_known
from subgraphs.kit.pagination import After, Before, Connection, First, Last, Page
from subgraphs.kit.payloads import user_errors
from subgraphs.kit.steps import StepOrder, run_step, step_field
from subgraphs.notifications import chat_store, delivery_store, steps
from subgraphs.notifications.chat_model import LONGEST
from subgraphs.notifications.copies import COPIES, COPY_TABLES
from subgraphs.notifications.delivery_store import DELIVERY_ROWS
from subgraphs.notifications.delivery_types import Delivery, DeliveryFilter
from subgraphs.notifications.inputs import NotificationSettingsInput, SendMessageInput
from subgraphs.notifications.messages import MarkAllRead, MarkRead, SendAgain, SendMessage, UpdateSettings
from subgraphs.notifications.model import TYPES
from subgraphs.notifications.payloads import (
    MarkAllNotificationsReadPayload,
    MarkNotificationReadPayload,
    SendAgainPayload,
    SendMessagePayload,
    UpdateNotificationSettingsPayload,
)
from subgraphs.notifications.types import Booking, Info, Message, Notification, NotificationSettings, User


@object_type()
class Query:
    """Queries about notifications; their list is a field of `User`, that of messages one of `Booking`."""

    @for_users
    async def notification(self, info: Info, id: strawberry.ID) -> Notification | None:
        """The caller's notification with this id; null if there is none."""
        return await Notification.load(info, uuid_of(id, "Notification"))

    @for_role("admin")
    async def deliveries(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: DeliveryFilter | None = None,
    ) -> Connection[Delivery] | None:
        """Messages by e-mail, push and SMS of the last 90 days, the newest first; for admins."""
        info.context.require_role("admin")
        page = Page.of(delivery_store.NEWEST, first, after, last, before)
        wanted, database = (filter or DeliveryFilter()).conditions(), info.context.database
        return page.connection(
            await DELIVERY_ROWS.page(database, page, wanted),
            Delivery.of,
            lambda record: (record.created_at, record.id),
            lambda: DELIVERY_ROWS.count(database, wanted),
        )

    copy_digests = digests_field(COPY_TABLES)
    copy_versions = versions_field(COPY_TABLES)
    copy_rows = rows_field(COPY_TABLES)


@object_type()
class Mutation:
    """Mutations of notifications and messages."""

    repair_copies = repair_field(COPIES, "notifications")

    @for_users
    @user_errors(SendMessagePayload)
    async def send_message(
        self, info: Info, input: SendMessageInput, idempotency_key: IdempotencyKey = None
    ) -> SendMessagePayload | None:
        """Write to the other party of a booking, as its client or musician: at most 20 messages a minute."""
        by, context = info.context.require(), info.context
        with checks.Mistakes() as mistakes:
            booking_id = mistakes.check(checks.identifier, input.booking_id, "bookingId", "Booking")
            text = mistakes.check(checks.visible_text, input.text, "text", LONGEST)
        await await_known(partial(chat_store.booking, context.database, booking_id), context)
        command = SendMessage(
            by=by,
            booking_id=booking_id,
            text=text,
            message_id=command_id_of(idempotency_key, by) or uuid4(),
            idempotency_key=idempotency_key,
        )
        return SendMessagePayload(message=Message.of(await context.bus.handle(command)))

    @for_users
    @user_errors(MarkNotificationReadPayload)
    async def mark_notification_read(
        self, info: Info, id: strawberry.ID, idempotency_key: IdempotencyKey = None
    ) -> MarkNotificationReadPayload | None:
        """Mark the caller's notification as read."""
        by, key = info.context.require(), checks.identifier(id, "id", "Notification")
        command = MarkRead(by=by, notification_id=key, idempotency_key=idempotency_key)
        read = await info.context.bus.handle(command)
        return MarkNotificationReadPayload(notification=Notification.of(read))

    @for_users
    @user_errors(MarkAllNotificationsReadPayload)
    async def mark_all_notifications_read(
        self, info: Info, idempotency_key: IdempotencyKey = None
    ) -> MarkAllNotificationsReadPayload | None:
        """Mark all of the caller's visible notifications as read."""
        by = info.context.require()
        count: int = await info.context.bus.handle(MarkAllRead(by=by, idempotency_key=idempotency_key))
        user = User(uuid=strawberry.ID(str(by.user_id)), key=by.user_id)
        return MarkAllNotificationsReadPayload(read_notifications=count, user=user)

    @for_users
    @user_errors(UpdateNotificationSettingsPayload)
    async def update_notification_settings(
        self, info: Info, input: NotificationSettingsInput, idempotency_key: IdempotencyKey = None
    ) -> UpdateNotificationSettingsPayload | None:
        """Change the caller's settings for notifications."""
        by = info.context.require()
        command = UpdateSettings(by=by, changes=input.read(), idempotency_key=idempotency_key)
        settings = await info.context.bus.handle(command)
        return UpdateNotificationSettingsPayload(settings=NotificationSettings.of(settings))

    @for_role("admin")
    @user_errors(SendAgainPayload)
    async def send_again(
        self, info: Info, id: strawberry.ID, idempotency_key: IdempotencyKey = None
    ) -> SendAgainPayload | None:
        """Send a message that has failed or was skipped; for admins."""
        by, key = info.context.require_role("admin"), checks.identifier(id, "id", "Delivery")
        command = SendAgain(by=by, delivery_id=key, idempotency_key=idempotency_key)
        return SendAgainPayload(delivery=Delivery.of(await info.context.bus.handle(command)))

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


schema = Schema(Query, Mutation, types=[Booking, Message, Notification, User])
