"""What the payments service tells the others. Nobody orders anything of it but sagas, by its steps."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from subgraphs.kit.messages import Event


@dataclass(frozen=True, kw_only=True)
class _EscrowFacts(Event):
    aggregate_type: ClassVar[str] = "escrow"
    aggregate_key: ClassVar[str] = "escrow_id"

    escrow_id: UUID
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


@dataclass(frozen=True, kw_only=True)
class EscrowCreated(_EscrowFacts):
    """A client was charged, and the money waits."""


@dataclass(frozen=True, kw_only=True)
class EscrowReleased(_EscrowFacts):
    """The musician was paid."""


@dataclass(frozen=True, kw_only=True)
class EscrowRefunded(_EscrowFacts):
    """The client got money back: all of it, or a part, and the musician the rest."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class EscrowRestored(_EscrowFacts):
    """What was paid out is back in escrow: a saga has taken its step back."""
