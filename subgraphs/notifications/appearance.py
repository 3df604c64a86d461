"""Adds notifications, and publishes NotificationReceived for each one when it appears in its user's list.

Most appear at once, reminders at their time, and those of sagas when the saga has ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.notifications import store
from subgraphs.notifications.messages import NotificationReceived
from subgraphs.notifications.model import NotificationRecord


async def add(uow: UnitOfWork, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert notifications, and publish those that are visible from now on."""
    if rows:
        publish(uow, [added for added in await store.add(uow, rows) if added.is_announced])


async def publish_appeared(uow: UnitOfWork, most: int) -> None:
    """Publish up to `most` notifications whose time has come."""
    publish(uow, await store.claim_appeared(uow, most))


def publish(uow: UnitOfWork, appeared: Iterable[NotificationRecord]) -> None:
    """Publish that these notifications are visible."""
    for one in appeared:
        uow.emit(NotificationReceived(notification_id=one.id, user_id=one.user_id, type=one.type))
