"""The events of the payments service, with the escrow's values after the change.

The service has no commands: only steps of sagas change its data.
"""

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
    """A client was charged, and the money is in escrow."""


@dataclass(frozen=True, kw_only=True)
class EscrowReleased(_EscrowFacts):
    """The whole escrow was paid to the musician."""


@dataclass(frozen=True, kw_only=True)
class EscrowRefunded(_EscrowFacts):
    """The client was refunded, wholly or in part; the musician was paid the rest."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class EscrowRestored(_EscrowFacts):
    """The payout was undone by a saga; the money is in escrow again."""
