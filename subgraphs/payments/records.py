"""The records of the payments service: the rows of its tables, and balances."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowRecord:
    """The escrow of a booking, as stored."""

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
    """A charge of a client, as stored."""

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
    """A refund to a client, as stored; `undone_at`: when a saga undid it, None if it stands."""

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
