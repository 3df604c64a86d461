"""The tables with sample data of the service `payments`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid5

from subgraphs.platform.sample.gigs import Gig
from subgraphs.platform.sample.table import Row, SampleData, Table


def _escrow_id(gig: Gig) -> UUID:
    return uuid5(gig.id, "escrow")


def _paid_out(gig: Gig) -> datetime:
    return gig.ends_at + timedelta(hours=2)


def _escrows(world: SampleData) -> Iterator[Row]:
    for gig, musician in world.booked():
        chosen, done = gig.booked, gig.booking_status == "completed"
        if chosen is not None:
            who = (gig.booking_id, gig.id, gig.client.id, musician.id, musician.person.id)
            released, status = (chosen.price, "released") if done else (Decimal(0), "held")
            changed = _paid_out(gig) if done else chosen.at
            money = (chosen.price, gig.client.city.currency, status, released)
            yield _escrow_id(gig), *who, *money, chosen.at, changed


def _payments(world: SampleData) -> Iterator[Row]:
    for gig, musician in world.booked():
        if gig.booked is not None:
            money = (gig.booked.price, gig.client.city.currency, gig.booked.at, gig.booked.at)
            yield uuid5(gig.id, "payment"), _escrow_id(gig), gig.client.id, musician.person.id, *money


def _ledger(world: SampleData) -> Iterator[Row]:
    """Yield the ledger's rows: for each charge of a client, and for each payment to a musician.

    Musicians are paid for completed bookings. Each movement of money has two rows, which sum up to 0.
    """
    for gig, musician in world.booked():
        if gig.booked is None:
            continue
        escrow, price, currency = _escrow_id(gig), gig.booked.price, gig.client.city.currency
        moves = [("charge", f"client:{gig.client.id}", f"escrow:{escrow}", gig.booked.at)]
        if gig.booking_status == "completed":
            moves.append(("release", f"escrow:{escrow}", f"musician:{musician.id}", _paid_out(gig)))
        for name, giver, taker, at in moves:
            number = uuid5(gig.id, name)
            yield number, escrow, giver, -price, currency, at
            yield number, escrow, taker, price, currency, at


PAYMENT_TABLES = (
    Table(
        "payments",
        "escrows",
        "id booking_id request_id client_id musician_id musician_user_id amount currency status "
        "released created_at updated_at",
        _escrows,
    ),
    Table(
        "payments",
        "payments",
        "id escrow_id client_id musician_user_id amount currency created_at updated_at",
        _payments,
    ),
    Table(
        "payments",
        "ledger_entries",
        "transaction_id escrow_id account amount currency created_at",
        _ledger,
    ),
)
