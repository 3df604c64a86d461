"""Tests of the steps that charge, pay and refund: their effect, events and undo."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.testing import ApiUser, Client, SigningKeys, counted_statements
from tests.subgraphs.payments.conftest import Deal, make_deal


async def escrow_of(deal: Deal) -> dict[str, Any]:
    """Return the active escrow, as its client sees it."""
    query = """query($r: [_Any!]!) { _entities(representations: $r) { ... on Booking {
        escrow { uuid status amount { amount } released { amount } refunded { amount }
          refunds { amount { amount currency } reason undoneAt } } } } }"""
    data = await deal.client.data(
        query, deal.host, r=[{"__typename": "Booking", "uuid": str(deal.booking_id)}]
    )
    found: dict[str, Any] = data["_entities"][0]["escrow"]
    return found


async def numbers_of(deal: Deal) -> tuple[str, str, str]:
    """Return status, released and refunded amount of the active escrow."""
    found = await escrow_of(deal)
    return found["status"], found["released"]["amount"], found["refunded"]["amount"]


async def balances_of(deal: Deal) -> tuple[Decimal, Decimal]:
    """Return the balances of client and musician in the ledger."""
    total = text("select coalesce(sum(amount), 0) from ledger_entries where account = :account")
    accounts = (f"client:{deal.host.id}", f"musician:{deal.musician_id}")
    host, player = [await deal.client.service.database.fetch_value(total, account=one) for one in accounts]
    return host, player


async def events_of(deal: Deal) -> list[tuple[str, str]]:
    """Return the published events, each with the escrow's status."""
    query = text("select event_type, payload from outbox where payload ->> 'booking_id' = :id order by id")
    rows = await deal.client.service.database.fetch_all(query, id=str(deal.booking_id))
    return [(row.event_type, row.payload["status"]) for row in rows]


async def test_charge_and_pay(deal: Deal) -> None:
    """The money moves from the client into escrow and to the musician; repeated steps change nothing."""
    create, release = deal.create("400"), deal.release()
    made = await create.do()
    assert (made["amount"], made["currency"]) == ("400.00", "EUR")
    assert UUID(made["escrowId"]) and UUID(made["paymentId"])
    assert await create.do() == made
    assert await create.do(amount="400.00") == made
    assert await numbers_of(deal) == ("HELD", "0.00", "0.00")
    assert await balances_of(deal) == (Decimal(-400), Decimal(0))
    paid = await release.do()
    assert (paid["escrowId"], paid["released"]) == (made["escrowId"], "400.00")
    assert await release.do() == paid
    assert await numbers_of(deal) == ("RELEASED", "400.00", "0.00")
    assert await balances_of(deal) == (Decimal(-400), Decimal(400))
    assert await events_of(deal) == [("EscrowCreated", "held"), ("EscrowReleased", "released")]


async def test_all_is_taken_back(deal: Deal) -> None:
    """Undoing the steps in reverse order moves all money back; the ledger has all movements."""
    create, release = deal.create(), deal.release()
    made = await create.do()
    await release.do()
    assert await create.undo() == "CONFLICT"
    assert (await release.undo())["released"] == "0.00"
    assert await numbers_of(deal) == ("HELD", "0.00", "0.00")
    assert await create.undo() == {"escrowId": made["escrowId"], "refunded": "400.00"}
    assert await create.undo() == {"escrowId": made["escrowId"], "refunded": "400.00"}
    assert await numbers_of(deal) == ("REFUNDED", "0.00", "400.00")
    assert await balances_of(deal) == (Decimal(0), Decimal(0))
    assert await create.do() == "ALREADY_UNDONE"
    entries = text("select count(*) from ledger_entries where escrow_id = :id")
    assert await deal.client.service.database.fetch_value(entries, id=UUID(made["escrowId"])) == 8
    assert [kind for kind, _ in await events_of(deal)] == [
        "EscrowCreated",
        "EscrowReleased",
        "EscrowRestored",
        "EscrowRefunded",
    ]


@pytest.mark.parametrize(
    ("percent", "refunded", "paid", "status"),
    [
        (100, "99.99", "0.00", "REFUNDED"),
        (50, "50.00", "49.99", "PARTLY_REFUNDED"),
        (1, "1.00", "98.99", "PARTLY_REFUNDED"),
        (0, "0.00", "99.99", "RELEASED"),
    ],
)
async def test_refund(deal: Deal, percent: int, refunded: str, paid: str, status: str) -> None:
    """A part is refunded to the client, the rest paid to the musician; after the undo the escrow is full
    again.
    """
    await deal.create("99.99").do()
    refund = deal.refund(percent, "the hall burnt down")
    told = await refund.do()
    assert (told["refunded"], told["paidToMusician"]) == (refunded, paid)
    assert await refund.do() == told
    assert await numbers_of(deal) == (status, paid, refunded)
    assert await balances_of(deal) == (Decimal(refunded) - Decimal("99.99"), Decimal(paid))
    money = {"amount": refunded, "currency": "EUR"}
    expected = [{"amount": money, "reason": "the hall burnt down", "undoneAt": None}] if percent else []
    assert (await escrow_of(deal))["refunds"] == expected
    assert await deal.release().do() == "CONFLICT"
    again = await deal.refund(10).do()
    if percent < 100:
        assert again == "CONFLICT"
    else:
        assert again["refunded"] == "0.00", "there is nothing left to refund"
    await refund.undo()
    assert await numbers_of(deal) == ("HELD", "0.00", "0.00")
    assert all(one["undoneAt"] for one in (await escrow_of(deal))["refunds"])
    assert await balances_of(deal) == (Decimal("-99.99"), Decimal(0))
    assert (await deal.release().do())["released"] == "99.99"


async def test_a_booking_has_one_escrow_that_counts(deal: Deal) -> None:
    """A second escrow is refused, also concurrently, until the charge of the first is undone."""
    first = deal.create()
    answers = await asyncio.gather(first.do(), *[deal.create().do() for _ in range(3)])
    assert sorted(str(one)[:8] for one in answers)[:3] == ["CONFLICT"] * 3
    made = next(one for one in answers if one != "CONFLICT")
    if answers[0] != made:
        return
    await first.undo()
    again = await deal.create("500").do()
    assert (await escrow_of(deal))["uuid"] == again["escrowId"]
    assert await balances_of(deal) == (Decimal(-500), Decimal(0))


async def test_no_escrow_is_made_for_a_booking_that_has_ended(deal: Deal) -> None:
    """A cancellation that arrives before the charge refunds nothing, and the charge is refused afterwards,
    until the cancellation is undone.
    """
    refund = deal.refund(100)
    assert (await refund.do())["refunded"] == "0.00"
    assert await deal.create().do() == "CONFLICT"
    await refund.undo()
    assert "escrowId" in await deal.create().do()
    assert await balances_of(deal) == (Decimal(-400), Decimal(0))


async def test_a_void_charge_stays_void(deal: Deal) -> None:
    """A refund cannot be undone if the charge was undone after it."""
    create, refund = deal.create(), deal.refund(100)
    await create.do()
    await refund.do()
    assert (await create.undo())["refunded"] == "400.00"
    assert await refund.undo() == "CONFLICT"
    assert await numbers_of(deal) == ("REFUNDED", "0.00", "400.00")
    payments = "{ myPayments { edges { node { status escrow { status } } } } }"
    nodes = (await deal.client.data(payments, deal.host))["myPayments"]["edges"]
    assert nodes == [{"node": {"status": "VOIDED", "escrow": {"status": "REFUNDED"}}}]


async def test_an_undo_that_comes_first_stays(deal: Deal) -> None:
    """A step that was undone before it arrived is refused."""
    create = deal.create()
    assert await create.undo() is None
    assert await create.do() == "ALREADY_UNDONE"
    assert await deal.release().do() == "NOT_FOUND"


async def test_one_of_many_pays_once(deal: Deal) -> None:
    """Of concurrent releases and refunds one moves the money."""
    await deal.create().do()
    answers = await asyncio.gather(*[deal.release().do(), deal.refund(50).do(), deal.release().do()])
    assert sum(one == "CONFLICT" for one in answers) == 2
    host, player = await balances_of(deal)
    assert host + player == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "1.001"}, "amount"),
        ({"amount": "1e12"}, "amount"),
        ({"currency": "euro"}, "currency"),
        ({"bookingId": "1 or 1=1"}, "bookingId"),
    ],
)
async def test_wrong_orders_are_refused(deal: Deal, changes: dict[str, str], field: str) -> None:
    """Each wrong value is refused with its field."""
    answer = await deal.create().send(changes=changes)
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "BAD_USER_INPUT", "field": field}]


async def test_wrong_refunds_are_refused(deal: Deal) -> None:
    """A refund needs a percentage from 0 to 100, and a reason."""
    await deal.create().do()
    assert await deal.refund(101).do() == "BAD_USER_INPUT"
    assert await deal.refund(-1).do() == "BAD_USER_INPUT"
    assert await deal.refund(10, "  ").do() == "BAD_USER_INPUT"


async def test_nobody_but_sagas_moves_money(deal: Deal, keys: SigningKeys) -> None:
    """Neither the users of a booking nor an admin can call a step; an older token and other input are
    refused.
    """
    create = deal.create()
    for person in (deal.host, deal.player, ApiUser.make(keys, "admin")):
        for step in (create, deal.release(), deal.refund(100)):
            answer = await step.send(by=person)
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    await create.do(token=5)
    assert await create.do(token=4) == "SUPERSEDED"
    assert await create.do(token=5, amount="1.00") == "IDEMPOTENCY_KEY_REUSED"


async def test_many_escrows_take_few_statements(client: Client, carrier: ApiUser, keys: SigningKeys) -> None:
    """Pages of payments and entities take one statement each, for any number of them."""

    first = make_deal(client, carrier, keys)
    for _ in range(6):
        other = Deal(client, carrier, first.host, first.player, first.musician_id, uuid4())
        await other.create("10").do()
        await other.refund(50).do()
    query = """{ myPayments(first: 5) { totalCount edges { node {
        escrow { uuid refunds { amount { amount } } booking { escrow { uuid } } } } } } }"""
    with counted_statements(client.service.database) as statements:
        data = await client.data(query, first.host)
    assert (data["myPayments"]["totalCount"], len(data["myPayments"]["edges"])) == (6, 5)
    assert len(statements) == 5
    with counted_statements(client.service.database) as statements:
        answer = await client.entities("Booking", [uuid4() for _ in range(50)], "escrow { uuid }", first.host)
    assert len(statements) == 1
    assert answer == {"data": {"_entities": [{"escrow": None}] * 50}}
