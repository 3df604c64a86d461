"""The GraphQL types of the payments subgraph, which are visible to the client, the musician and
admins only.
"""

import enum
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import strawberry

from subgraphs.kit.graphql import REFERENCE, enum_type, enum_value, for_users, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.payments.loaders import PaymentsContext
from subgraphs.payments.records import Balance, EscrowRecord, PaymentRecord, RefundRecord

Info = strawberry.Info[PaymentsContext, None]


@enum_type
class EscrowStatus(enum.Enum):
    """The status of an escrow."""

    HELD = enum_value("held", "The money is in escrow.")
    RELEASED = enum_value("released", "The money was paid to the musician.")
    REFUNDED = enum_value("refunded", "The money was refunded to the client.")
    PARTLY_REFUNDED = enum_value(
        "partly_refunded", "A part was refunded to the client, the rest was paid to the musician."
    )


@enum_type
class PaymentStatus(enum.Enum):
    """The status of a charge."""

    CAPTURED = enum_value("captured", "The client has paid.")
    VOIDED = enum_value("voided", "The charge was undone, because the booking could not be made.")


@object_type(keys=[REFERENCE])
class User:
    """A user, of whom this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The user's id.")


@object_type(keys=[REFERENCE])
class Musician:
    """A musician, of whom this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The musician's id.")


@object_type(keys=[REFERENCE])
class MusicianRequest:
    """A request, of which this subgraph has the id only."""

    id: strawberry.ID = strawberry.field(description="The id of the request.")


@object_type()
class Refund:
    """A refund to a client from an escrow."""

    amount: Decimal = strawberry.field(description="The refunded amount.")
    reason: str = strawberry.field(description="The reason of the refund.")
    created_at: datetime = strawberry.field(description="When the client was refunded.")
    undone_at: datetime | None = strawberry.field(
        description="When the refund was undone; null if it was not."
    )

    @classmethod
    def of(cls, record: RefundRecord) -> "Refund":
        """Return the GraphQL object of a record."""
        return cls(
            amount=record.amount,
            reason=record.reason,
            created_at=record.created_at,
            undone_at=record.undone_at,
        )


@object_type(keys=["id"])
class Escrow:
    """The client's payment for a booking, until it is paid to the musician or refunded.

    For its client, its musician and admins.
    """

    id: strawberry.ID = strawberry.field(description="The id of the escrow.")
    amount: Decimal = strawberry.field(description="The amount that the client paid.")
    released: Decimal = strawberry.field(description="The amount that was paid to the musician.")
    refunded: Decimal = strawberry.field(description="The amount that was refunded to the client.")
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")
    status: EscrowStatus = strawberry.field(description="The status of the escrow.")
    created_at: datetime = strawberry.field(description="When the client was charged.")
    updated_at: datetime = strawberry.field(description="When the escrow was last changed.")
    record: strawberry.Private[EscrowRecord]

    @resolver
    def booking(self) -> "Booking | None":
        """The booking for which the client has paid."""
        return Booking.of(self.record.booking_id)

    @resolver
    def request(self) -> MusicianRequest | None:
        """The request of the booking."""
        return MusicianRequest(id=strawberry.ID(str(self.record.request_id)))

    @resolver
    def client(self) -> User | None:
        """The client of the booking."""
        return User(id=strawberry.ID(str(self.record.client_id)))

    @resolver
    def musician(self) -> Musician | None:
        """The musician of the booking."""
        return Musician(id=strawberry.ID(str(self.record.musician_id)))

    @resolver
    async def refunds(self, info: Info) -> list[Refund] | None:
        """The refunds to the client, the oldest first."""
        return [Refund.of(refund) for refund in await info.context.refunds_of_escrows.load(self.record.id)]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Escrow | None":
        """Return the escrow with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(id))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "Escrow | None":
        """Return the escrow with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        info.context.require()
        return cls.of_visible(info, await info.context.escrows.load(key) if key else None)

    @classmethod
    def of_visible(cls, info: Info, record: EscrowRecord | None) -> "Escrow | None":
        """Return the GraphQL object of a record that may be absent. Raises Unauthenticated, Forbidden."""
        if record is None:
            return None
        info.context.require_owner_or_admin(record.client_id, record.musician_user_id)
        return cls.of(record)

    @classmethod
    def of(cls, record: EscrowRecord) -> "Escrow":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            amount=record.amount,
            released=record.released,
            refunded=record.refunded,
            currency=record.currency,
            status=EscrowStatus(record.status),
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )


@object_type(keys=["id"])
class Booking:
    """A booking, with its escrow."""

    id: strawberry.ID = strawberry.field(description="The id of the booking.")
    key: strawberry.Private[UUID]

    @for_users
    async def escrow(self, info: Info) -> Escrow | None:
        """The escrow of the booking; null before the client has paid. For its client, its musician and
        admins.
        """
        info.context.require()
        return Escrow.of_visible(info, await info.context.escrows_of_bookings.load(self.key))

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> "Booking | None":
        """Return the booking with this id, without a check that it exists: the requests service does it."""
        return cls.of(uuid_of(id))

    @classmethod
    def of(cls, key: UUID | None) -> "Booking | None":
        """Return the booking with this id; None for None."""
        return cls(id=strawberry.ID(str(key)), key=key) if key else None


@object_type()
class Payment:
    """A charge of a client."""

    id: strawberry.ID = strawberry.field(description="The id of the payment.")
    amount: Decimal = strawberry.field(description="The charged amount.")
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")
    status: PaymentStatus = strawberry.field(description="The status of the charge.")
    created_at: datetime = strawberry.field(description="When the client was charged.")
    escrow_id: strawberry.Private[UUID]

    @for_users
    async def escrow(self, info: Info) -> Escrow | None:
        """The escrow into which the client has paid."""
        return await Escrow.load(info, self.escrow_id)

    @classmethod
    def of(cls, record: PaymentRecord) -> "Payment":
        """Return the GraphQL object of a record."""
        return cls(
            id=strawberry.ID(str(record.id)),
            amount=record.amount,
            currency=record.currency,
            status=PaymentStatus(record.status),
            created_at=record.created_at,
            escrow_id=record.escrow_id,
        )


@object_type()
class AccountBalance:
    """The balance of one of the caller's accounts in one currency."""

    account: str = strawberry.field(
        description="The account: `client:` and the user's id, or `musician:` and the profile's id."
    )
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")
    amount: Decimal = strawberry.field(
        description="The sum of a musician's earnings, or minus the sum of a client's payments."
    )

    @classmethod
    def of(cls, balance: Balance) -> "AccountBalance":
        """Return the GraphQL object of a balance."""
        return cls(account=balance.account, currency=balance.currency, amount=balance.amount)
