"""Escrows as event-sourced aggregates: their state, and the table with the current states.

The state has the sums only; the movements of money are rows of the ledger (`store.post`).
"""

from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from subgraphs.kit.event_store.aggregate import Aggregate
from subgraphs.kit.event_store.sourced import EventSourcedTable, merge_changes
from subgraphs.payments.tables import ESCROW_ROWS

_NOBODY: Final = UUID(int=0)


class EscrowState(msgspec.Struct, frozen=True):
    """The state of the escrow of a booking: the charged amount, and what was paid out of it."""

    booking_id: UUID = _NOBODY
    request_id: UUID = _NOBODY
    client_id: UUID = _NOBODY
    musician_id: UUID = _NOBODY
    musician_user_id: UUID = _NOBODY
    amount: Decimal = Decimal(0)
    currency: str = "EUR"
    status: str = "held"
    released: Decimal = Decimal("0.00")
    refunded: Decimal = Decimal("0.00")


ESCROWS: Final = EventSourcedTable(
    Aggregate(aggregate_type="escrow", initial=EscrowState(), apply=merge_changes), ESCROW_ROWS
)
