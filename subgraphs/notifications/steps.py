"""What sagas tell people, and how it is taken back.

An unread notice is removed, one that was read is followed by another.
"""

from uuid import UUID, uuid4

from subgraphs.kit.steps import Given
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications import model, store


async def notify(uow: UnitOfWork, given: Given) -> Given:
    """Tell somebody, in their own way: quiet hours and channels are as they want them."""
    return {"notificationId": str(await _tell(uow, given, given["title"], given["message"]))}


async def retract(uow: UnitOfWork, given: Given, done: Given) -> Given:
    """What was not read yet was never said; whoever has read it hears that it does not hold."""
    if await store.remove_unread(uow, UUID(done["notificationId"])):
        return {"removed": True}
    told = await _tell(
        uow, given, f"No longer: {given['title']}"[:200], "This could not be completed after all."
    )
    return {"removed": False, "notificationId": str(told)}


async def _tell(uow: UnitOfWork, given: Given, title: str, message: str) -> UUID:
    now = uow.clock.now()
    user_id = UUID(given["userId"])
    telling = model.NotificationDraft(
        user_id=user_id,
        kind=given["type"],
        title=title,
        message=message,
        data=given["data"],
    )
    settings = await store.settings_of(uow, [user_id])
    notification_id = uuid4()
    row = {**model.row_of(telling, settings[user_id], uuid4(), now), "id": notification_id}
    await store.add(uow, [row])
    return notification_id
