"""Tests of who sees escrows, payments and balances."""

from uuid import uuid4

from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from tests.subgraphs.payments.conftest import Deal

ESCROW = """query($id: ID!) { escrow(id: $id) {
    amount booking { id } request { id } client { id } musician { id } } }"""
PAYMENTS = """query($after: String) { myPayments(first: 2, after: $after) {
    totalCount pageInfo { endCursor hasNextPage } edges { node { id } } } }"""


async def test_an_escrow_is_for_its_two_people(deal: Deal, keys: SigningKeys) -> None:
    """Only its client, its musician and admins see an escrow, by every query."""
    made = await deal.create().do()
    expected = {"amount": "400.00", "booking": {"id": str(deal.booking_id)}}
    stranger, admin = ApiUser.make(keys), ApiUser.make(keys, "admin")
    for person in (deal.host, deal.player, admin):
        assert (
            expected.items()
            <= (await deal.client.data(ESCROW, person, id=made["escrowId"]))["escrow"].items()
        )
    assert await deal.client.codes(ESCROW, stranger, id=made["escrowId"]) == ["FORBIDDEN"]
    assert await deal.client.codes(ESCROW, None, id=made["escrowId"]) == ["UNAUTHENTICATED"]
    assert (await deal.client.data(ESCROW, stranger, id=str(uuid4())))["escrow"] is None
    assert (await deal.client.data(ESCROW, stranger, id="7"))["escrow"] is None
    for kind, key, below in (
        ("Escrow", made["escrowId"], "amount"),
        ("Booking", deal.booking_id, "escrow { amount }"),
    ):
        refused = [await deal.client.entities(kind, [key], below, who) for who in (stranger, None)]
        codes = [error["extensions"]["code"] for answer in refused for error in answer["errors"]]
        assert codes == ["FORBIDDEN", "UNAUTHENTICATED"]
        answer = await deal.client.entities(kind, [key], below, deal.player)
        assert "400.00" in str(answer) and "errors" not in answer


async def test_payments_come_in_pages(deal: Deal, keys: SigningKeys) -> None:
    """Both users see their payments, the newest first; others see none, admins all."""
    other = Deal(deal.client, deal.carrier, deal.host, ApiUser.make(keys, "musician"), uuid4(), uuid4())
    third = Deal(deal.client, deal.carrier, deal.host, deal.player, deal.musician_id, uuid4())
    made = [(await one.create().do())["paymentId"] for one in (deal, other, third)]
    page = (await deal.client.data(PAYMENTS, deal.host))["myPayments"]
    assert (page["totalCount"], [edge["node"]["id"] for edge in page["edges"]]) == (3, made[:0:-1])
    rest = (await deal.client.data(PAYMENTS, deal.host, after=page["pageInfo"]["endCursor"]))["myPayments"]
    assert ([edge["node"]["id"] for edge in rest["edges"]], rest["pageInfo"]["hasNextPage"]) == (
        made[:1],
        False,
    )
    assert (await deal.client.data(PAYMENTS, deal.player))["myPayments"]["totalCount"] == 2
    assert (await deal.client.data(PAYMENTS, ApiUser.make(keys)))["myPayments"]["totalCount"] == 0
    assert (await deal.client.data(PAYMENTS, ApiUser.make(keys, "admin")))["myPayments"]["totalCount"] >= 3
    assert await deal.client.codes(PAYMENTS) == ["UNAUTHENTICATED"]
    assert await deal.client.codes(PAYMENTS, deal.host, after="x") == ["BAD_USER_INPUT"]


async def test_balances_are_ones_own(deal: Deal, keys: SigningKeys) -> None:
    """A user sees the own balances by account and currency: payments of a client, earnings of a musician."""
    query = "{ accountBalance { account currency amount } }"
    swiss = Deal(deal.client, deal.carrier, deal.host, deal.player, deal.musician_id, uuid4())
    await deal.create("100").do()
    await deal.release().do()
    await swiss.create("70", "CHF").do()
    await swiss.refund(50).do()
    account = {"account": f"client:{deal.host.id}"}
    assert (await deal.client.data(query, deal.host))["accountBalance"] == [
        {**account, "currency": "CHF", "amount": "-35.00"},
        {**account, "currency": "EUR", "amount": "-100.00"},
    ]
    account = {"account": f"musician:{deal.musician_id}"}
    assert (await deal.client.data(query, deal.player))["accountBalance"] == [
        {**account, "currency": "CHF", "amount": "35.00"},
        {**account, "currency": "EUR", "amount": "100.00"},
    ]
    assert (await deal.client.data(query, ApiUser.make(keys)))["accountBalance"] == []
    assert await deal.client.codes(query) == ["UNAUTHENTICATED"]


async def test_steps_are_hidden_from_no_service(client: Client) -> None:
    """The SDL marks every step and its order as inaccessible, so clients of the gateway do not see them."""
    lines = [
        line
        for line in client.service.sdl.splitlines()
        if "StepOrder" in line or "enum StepDirection" in line
    ]
    assert len(lines) == 5
    assert all("@inaccessible" in line for line in lines)
