"""The GraphQL types of the payments subgraph, which are visible to the client, the musician and
admins only.
"""

import enum
from datetime import datetime
from uuid import UUID

import strawberry

from subgraphs.kit.graphql import REFERENCE, enum_type, enum_value, for_users, object_type, resolver
from subgraphs.kit.loaders import uuid_of
from subgraphs.kit.money import Money
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
    """A user, who has paid."""

    uuid: strawberry.ID


@object_type(keys=[REFERENCE])
class Musician:
    """A musician, who is paid."""

    uuid: strawberry.ID


@object_type(keys=[REFERENCE])
class MusicianRequest:
    """The request of a booking."""

    uuid: strawberry.ID


@object_type()
class Refund:
    """A refund to a client from an escrow."""

    amount: Money = strawberry.field(description="The refunded amount.")
    reason: str = strawberry.field(description="The reason of the refund.")
    created_at: datetime = strawberry.field(description="When the client was refunded.")
    undone_at: datetime | None = strawberry.field(
        description="When the refund was undone; null if it was not."
    )

    @classmethod
    def of(cls, record: RefundRecord, currency: str) -> "Refund":
        """Return the GraphQL object of a record; `currency`: of its escrow."""
        return cls(
            amount=Money.of(record.amount, currency),
            reason=record.reason,
            created_at=record.created_at,
            undone_at=record.undone_at,
        )


@object_type(keys=["uuid"])
class Escrow:
    """The client's payment for a booking, until it is paid to the musician or refunded.

    For its client, its musician and admins.
    """

    uuid: strawberry.ID
    amount: Money = strawberry.field(description="The amount that the client paid.")
    released: Money = strawberry.field(description="The amount that was paid to the musician.")
    refunded: Money = strawberry.field(description="The amount that was refunded to the client.")
    status: EscrowStatus = strawberry.field(description="The status of the escrow.")
    version: int = strawberry.field(
        description="The number of changes of the escrow; it grows by 1 with each."
    )
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
        return MusicianRequest(uuid=strawberry.ID(str(self.record.request_id)))

    @resolver
    def client(self) -> User | None:
        """The client of the booking."""
        return User(uuid=strawberry.ID(str(self.record.client_id)))

    @resolver
    def musician(self) -> Musician | None:
        """The musician of the booking."""
        return Musician(uuid=strawberry.ID(str(self.record.musician_id)))

    @resolver
    async def refunds(self, info: Info) -> list[Refund] | None:
        """The refunds to the client, the oldest first."""
        refunds = await info.context.refunds_of_escrows.load(self.record.id)
        return [Refund.of(refund, self.record.currency) for refund in refunds]

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Escrow | None":
        """Return the escrow with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(uuid))

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
            uuid=strawberry.ID(str(record.id)),
            amount=Money.of(record.amount, record.currency),
            released=Money.of(record.released, record.currency),
            refunded=Money.of(record.refunded, record.currency),
            status=EscrowStatus(record.status),
            version=record.version,
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )


@object_type(keys=["uuid"])
class Booking:
    """A booking, with its escrow."""

    uuid: strawberry.ID
    key: strawberry.Private[UUID]

    @for_users
    async def escrow(self, info: Info) -> Escrow | None:
        """The escrow of the booking; null before the client has paid. For its client, its musician and
        admins.
        """
        info.context.require()
        return Escrow.of_visible(info, await info.context.escrows_of_bookings.load(self.key))

    @classmethod
    def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Booking | None":
        """Return the booking with this id, without a check that it exists: the requests service does it."""
        return cls.of(uuid_of(uuid))

    @classmethod
    def of(cls, key: UUID | None) -> "Booking | None":
        """Return the booking with this id; None for None."""
        return cls(uuid=strawberry.ID(str(key)), key=key) if key else None


@object_type(keys=["uuid"])
class Payment:
    """A charge of a client; for the client, the musician of the booking and admins."""

    uuid: strawberry.ID
    amount: Money = strawberry.field(description="The charged amount.")
    status: PaymentStatus = strawberry.field(description="The status of the charge.")
    created_at: datetime = strawberry.field(description="When the client was charged.")
    escrow_id: strawberry.Private[UUID]

    @for_users
    async def escrow(self, info: Info) -> Escrow | None:
        """The escrow into which the client has paid."""
        return await Escrow.load(info, self.escrow_id)

    @classmethod
    async def resolve_reference(cls, info: Info, uuid: strawberry.ID) -> "Payment | None":
        """Return the payment with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        return await cls.load(info, uuid_of(uuid))

    @classmethod
    async def load(cls, info: Info, key: UUID | None) -> "Payment | None":
        """Return the payment with this id, None if there is none. Raises Unauthenticated, Forbidden."""
        info.context.require()
        record = await info.context.payments.load(key) if key else None
        if record is None:
            return None
        info.context.require_owner_or_admin(record.client_id, record.musician_user_id)
        return cls.of(record)

    @classmethod
    def of(cls, record: PaymentRecord) -> "Payment":
        """Return the GraphQL object of a record."""
        return cls(
            uuid=strawberry.ID(str(record.id)),
            amount=Money.of(record.amount, record.currency),
            status=PaymentStatus(record.status),
            created_at=record.created_at,
            escrow_id=record.escrow_id,
        )


@enum_type
class AccountType(enum.Enum):
    """The type of a user's account of money."""

    CLIENT = enum_value("client", "The account of a client, from which payments are taken.")
    MUSICIAN = enum_value("musician", "The account of a musician, to which earnings are paid.")


@object_type()
class AccountBalance:
    """The balance of one of the caller's accounts in one currency."""

    account_type: AccountType = strawberry.field(description="Whose account it is: client or musician.")
    balance: Money = strawberry.field(
        description="The sum of a musician's earnings, or minus the sum of a client's payments."
    )
    owner_id: strawberry.Private[str]

    @resolver
    def client(self) -> User | None:
        """The client who has the account; null for a musician's account."""
        return User(uuid=strawberry.ID(self.owner_id)) if self.account_type is AccountType.CLIENT else None

    @resolver
    def musician(self) -> Musician | None:
        """The musician who has the account; null for a client's account."""
        is_musicians = self.account_type is AccountType.MUSICIAN
        return Musician(uuid=strawberry.ID(self.owner_id)) if is_musicians else None

    @classmethod
    def of(cls, found: Balance) -> "AccountBalance":
        """Return the GraphQL object of a balance."""
        kind, _, owner_id = found.account.partition(":")
        return cls(
            account_type=AccountType(kind),
            balance=Money.of(found.amount, found.currency),
            owner_id=owner_id,
        )
