"""The copies of bookings in this service, which the consistency check repairs (`kit/copies`)."""

from collections.abc import Mapping
from typing import Final

from subgraphs.kit.copies import Copy, KeyedTable
from subgraphs.notifications.chat_handlers import store_booking

COPIES: Final[Mapping[str, Copy]] = {
    "booking": Copy(
        KeyedTable("known_bookings", "booking_id"), "requests", "booking", "BookingUpdated", store_booking
    ),
}
COPY_TABLES: Final[Mapping[str, KeyedTable]] = {kind: copy.table for kind, copy in COPIES.items()}
