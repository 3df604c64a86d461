"""The records of the payments service: dataclasses with the columns of its tables, and balances.

The functions of `store` and the RecordTables in `tables` return them.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowRecord:
    """A row of the table `escrows`: the escrow of a booking."""

    id: UUID
    booking_id: UUID
    request_id: UUID
    client_id: UUID
    musician_id: UUID
    musician_user_id: UUID
    amount: Decimal
    currency: str
    status: str
    released: Decimal
    refunded: Decimal
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRecord:
    """A row of the table `payments`: a charge of a client."""

    id: UUID
    escrow_id: UUID
    client_id: UUID
    musician_user_id: UUID
    amount: Decimal
    currency: str
    status: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRecord:
    """A row of the table `refunds`: a refund to a client.

    `undone_at`: when a saga has undone it; None: it is valid.
    """

    id: UUID
    escrow_id: UUID
    amount: Decimal
    reason: str
    undone_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of an account in one currency."""

    account: str
    currency: str
    amount: Decimal
