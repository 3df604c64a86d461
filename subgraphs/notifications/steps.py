"""The steps of sagas in the notifications service: add a held notification, and send it; and their undo.

`kit/steps` calls them with `given`, the input of the step, and, to undo it, `done`, the result of doing it.
"""

from uuid import UUID, uuid4

from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications import appearance, model, store


async def notify(uow: UnitOfWork, given: Given) -> Given:
    """Add a held notification for a user, with channels by the user's settings; return its id.

    `send` sends it when the saga has ended.
    """
    added = await _add_notification(uow, given, given["title"], given["message"], is_held=True)
    return {"notificationId": str(added)}


async def send(uow: UnitOfWork, given: Given) -> Given:
    """Send held notifications, at the time that their users' settings allow, or delete them (`discard`).

    Returns how many; those that were sent or deleted before are passed over.
    """
    now = uow.clock.now()
    held = await store.held(uow, [UUID(one) for one in given["notificationIds"]])
    if given["discard"]:
        for one in held:
            await store.remove_held(uow, one.id)
        return {"deleted": len(held)}
    settings = await store.settings_of(uow, [one.user_id for one in held])
    for one in held:
        await store.send_held(uow, one.id, now, settings[one.user_id].deliver_after(now, one.is_urgent))
    appearance.publish(uow, held)
    return {"sent": len(held)}


async def unsend(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Do nothing: what was sent stays sent."""
    return {}


async def retract(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """Undo `notify`: delete the notification while it is held, else add one that takes it back."""
    if await store.remove_held(uow, UUID(done["notificationId"])):
        return {"removed": True}
    notification_id = await _add_notification(
        uow, given, f"No longer: {given['title']}"[:200], "This could not be completed after all."
    )
    return {"removed": False, "notificationId": str(notification_id)}


async def _add_notification(
    uow: UnitOfWork, given: Given, title: str, message: str, *, is_held: bool = False
) -> UUID:
    now = uow.clock.now()
    user_id = UUID(given["userId"])
    draft = model.NotificationDraft(
        user_id=user_id,
        kind=given["type"],
        title=title,
        message=message,
        data=given["data"],
        is_urgent=given["urgent"],
    )
    settings = await store.settings_of(uow, [user_id])
    notification_id = uuid4()
    row = model.row_of(draft, settings[user_id], uuid4(), now, is_held=is_held)
    await appearance.add(uow, [{**row, "id": notification_id}])
    return notification_id
