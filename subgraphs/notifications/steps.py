"""The step of sagas in the notifications service: add a notification; and its undo.

`kit/steps` calls them with `given`, the input of the step, and, to undo it, `done`, the result of doing it.
"""

from uuid import UUID, uuid4

from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications import model, store


async def notify(uow: UnitOfWork, given: Given) -> Given:
    """Add a notification for a user, with channels and delivery time by the user's settings; return
    its id.
    """
    return {"notificationId": str(await _add_notification(uow, given, given["title"], given["message"]))}


async def retract(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `notify`: delete the notification, or if it was read or sent, add one that revokes it."""
    if await store.remove_unread(uow, UUID(done["notificationId"])):
        return {"removed": True}
    notification_id = await _add_notification(
        uow, given, f"No longer: {given['title']}"[:200], "This could not be completed after all."
    )
    return {"removed": False, "notificationId": str(notification_id)}


async def _add_notification(uow: UnitOfWork, given: Given, title: str, message: str) -> UUID:
    now = uow.clock.now()
    user_id = UUID(given["userId"])
    draft = model.NotificationDraft(
        user_id=user_id,
        kind=given["type"],
        title=title,
        message=message,
        data=given["data"],
    )
    settings = await store.settings_of(uow, [user_id])
    notification_id = uuid4()
    row = {**model.row_of(draft, settings[user_id], uuid4(), now), "id": notification_id}
    await store.add(uow, [row])
    return notification_id
