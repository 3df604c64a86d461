"""The types of the payments subgraph. Money is seen by those between whom it moves, and by admins."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import Row

from subgraphs.kit.graphql import REFERENCE, enum_type, enum_value, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.payments.loaders import PaymentsContext
from subgraphs.payments.store import Balance

Info = strawberry.Info[PaymentsContext, None]


@enum_type
class EscrowStatus(enum.Enum):
    """Where the money of an escrow is."""

    HELD = enum_value("held", "It waits.")
    RELEASED = enum_value("released", "The musician has got it.")
    REFUNDED = enum_value("refunded", "The client has got it back.")
    PARTLY_REFUNDED = enum_value("partly_refunded", "The client has got a part back, the musician the rest.")


@enum_type
class PaymentStatus(enum.Enum):
    """Whether a charge holds."""

    CAPTURED = enum_value("captured", "The client has paid.")
    VOIDED = enum_value("voided", "It was taken back, because the booking did not come about.")


@object_type(keys=[REFERENCE])
class User:
    """A user, of whom only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The user's id.")


@object_type(keys=[REFERENCE])
class Musician:
    """A musician, of whom only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")


@object_type(keys=[REFERENCE])
class MusicianRequest:
    """A request, of which only the id is known here."""

    id: strawberry.ID = strawberry.field(description="The id of the request.")


@object_type()
class Refund:
    """What a client got back of an escrow."""

    amount: Decimal = strawberry.field(description="How much.")
    reason: str = strawberry.field(description="Why.")
    created_at: datetime = strawberry.field(description="When.")
    undone_at: datetime | None = strawberry.field(
        description="Since when it no longer holds, if it does not."
    )


@object_type(keys=["id"])
class Escrow:
    """What a client paid for a booking, until it goes to the musician or back.

    Only the two of them see it.
    """

    id: strawberry.ID = strawberry.field(description="The id of the escrow.")
    amount: Decimal = strawberry.field(description="What the client paid.")
    released: Decimal = strawberry.field(description="What the musician has got of it.")
    refunded: Decimal = strawberry.field(description="What the client has got back of it.")
    currency: str = strawberry.field(description="The currency's ISO code.")
    status: EscrowStatus = strawberry.field(description="Where the money is.")
    created_at: datetime = strawberry.field(description="When the client was charged.")
    updated_at: datetime = strawberry.field(description="When money moved last.")
    row: strawberry.Private[Any]

    @resolver
    def booking(self) -> "Booking | None":
        """What it pays."""
        return Booking.of(self.row.booking_id)

    @resolver
    def request(self) -> MusicianRequest | None:
        """What the booking came of."""
        return MusicianRequest(id=strawberry.ID(str(self.row.request_id)))

    @resolver
    def client(self) -> User | None:
        """Who pays."""
        return User(id=strawberry.ID(str(self.row.client_id)))

    @resolver
    def musician(self) -> Musician | None:
        """Who plays for it."""
        return Musician(id=strawberry.ID(str(self.row.musician_id)))

    @resolver
    async def refunds(self, info: Info) -> list[Refund] | None:
        """What the client got back, oldest first."""
        rows = await info.context.refunds_of_escrows.load(self.row.id)
        return [
            Refund(amount=row.amount, reason=row.reason, created_at=row.created_at, undone_at=row.undone_at)
            for row in rows
        ]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Escrow | None":
        """The escrow of a representation, if the caller may see it; null when there is none."""
        return await cls.load(info, uuid_of(id))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "Escrow | None":
        """The escrow with this id, if the caller may see it."""
        info.context.require()
        return cls.shown(info, await info.context.escrows.load(key) if key else None)

    @classmethod
    def shown(cls, info: Info, row: Row[Any] | None) -> "Escrow | None":
        """The type of a row that may be absent, if the caller is one of the two."""
        if row is None:
            return None
        if not info.context.require().is_owner_or_admin(row.musician_user_id):
            info.context.require_owner_or_admin(row.client_id)
        return cls.of(row)

    @classmethod
    def of(cls, row: Row[Any]) -> "Escrow":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            amount=row.amount,
            released=row.released,
            refunded=row.refunded,
            currency=row.currency,
            status=EscrowStatus(row.status),
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
        )


@object_type(keys=["id"])
class Booking:
    """A booking, as far as money goes."""

    id: strawberry.ID = strawberry.field(description="The id of the booking.")
    key: strawberry.Private[UUID]

    @resolver
    async def escrow(self, info: Info) -> Escrow | None:
        """Where the money for it is; for the client and the musician. Null as long as nobody has paid."""
        info.context.require()
        return Escrow.shown(info, await info.context.escrows_of_bookings.load(self.key))

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Booking | None":
        """Return the booking with this id; whether it exists is not checked here but in the requests
        service.
        """
        return cls.of(uuid_of(id))

    @classmethod
    def of(cls, key: UUID | None) -> "Booking | None":
        """The booking with this id."""
        return cls(id=strawberry.ID(str(key)), key=key) if key else None


@object_type()
class Payment:
    """A charge of a client."""

    id: strawberry.ID = strawberry.field(description="The id of the payment.")
    amount: Decimal = strawberry.field(description="How much.")
    currency: str = strawberry.field(description="The currency's ISO code.")
    status: PaymentStatus = strawberry.field(description="Whether it holds.")
    created_at: datetime = strawberry.field(description="When.")
    escrow_id: strawberry.Private[UUID]

    @resolver
    async def escrow(self, info: Info) -> Escrow | None:
        """Where the money went."""
        return await Escrow.load(info, self.escrow_id)

    @classmethod
    def of(cls, row: Row[Any]) -> "Payment":
        """Return the GraphQL type of a row."""
        return cls(
            id=strawberry.ID(str(row.id)),
            amount=row.amount,
            currency=row.currency,
            status=PaymentStatus(row.status),
            created_at=row.created_at,
            escrow_id=row.escrow_id,
        )


@object_type()
class AccountBalance:
    """What one of the caller's accounts in the ledger holds in one currency."""

    account: str = strawberry.field(
        description="`client:` or `musician:` and an id: whoever pays has one, whoever earns another."
    )
    currency: str = strawberry.field(description="The currency's ISO code.")
    amount: Decimal = strawberry.field(
        description="The sum of its entries: minus what a client has paid, or what a musician has earned."
    )

    @classmethod
    def of(cls, balance: Balance) -> "AccountBalance":
        """Return the GraphQL type of a balance."""
        return cls(account=balance.account, currency=balance.currency, amount=balance.amount)
