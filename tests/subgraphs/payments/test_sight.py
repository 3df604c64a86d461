"""Tests of who sees escrows, payments and balances."""

from typing import Any
from uuid import uuid4

from subgraphs.kit.global_ids import encode
from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from tests.subgraphs.payments.conftest import Deal

ESCROW = """query($id: ID!) { escrow(id: $id) {
    amount { amount currency } version
    booking { uuid } request { uuid } client { uuid } musician { uuid } } }"""
PAYMENTS = """query($first: Int, $after: String, $last: Int, $before: String, $status: PaymentStatus,
    $between: BetweenInput) {
  myPayments(first: $first, after: $after, last: $last, before: $before,
      status: $status, between: $between) {
    totalCount pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
    edges { node { uuid amount { amount currency } status } } } }"""


async def paid(client: Client, person: ApiUser | None, **arguments: Any) -> list[str]:
    """Return the ids of a page of a user's payments."""
    page = (await client.data(PAYMENTS, person, **arguments))["myPayments"]
    return [edge["node"]["uuid"] for edge in page["edges"]]


async def test_an_escrow_is_for_its_two_people(deal: Deal, keys: SigningKeys) -> None:
    """Only its client, its musician and admins see an escrow, by every query."""
    made = await deal.create().do()
    money = {"amount": "400.00", "currency": "EUR"}
    expected = {"amount": money, "version": 1, "booking": {"uuid": str(deal.booking_id)}}
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
    wrong = encode("Booking", made["escrowId"])
    assert (await deal.client.data(ESCROW, deal.host, id=wrong))["escrow"] is None
    assert (await deal.client.data(ESCROW, deal.host, id=encode("Escrow", made["escrowId"])))["escrow"]
    for kind, key, below in (
        ("Escrow", made["escrowId"], "amount { amount }"),
        ("Booking", deal.booking_id, "escrow { amount { amount } }"),
        ("Payment", made["paymentId"], "amount { amount } escrow { uuid }"),
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
    page = (await deal.client.data(PAYMENTS, deal.host, first=2))["myPayments"]
    assert (page["totalCount"], [edge["node"]["uuid"] for edge in page["edges"]]) == (3, made[:0:-1])
    rest = (await deal.client.data(PAYMENTS, deal.host, first=2, after=page["pageInfo"]["endCursor"]))[
        "myPayments"
    ]
    assert ([edge["node"]["uuid"] for edge in rest["edges"]], rest["pageInfo"]["hasNextPage"]) == (
        made[:1],
        False,
    )
    assert (await deal.client.data(PAYMENTS, deal.player))["myPayments"]["totalCount"] == 2
    assert (await deal.client.data(PAYMENTS, ApiUser.make(keys)))["myPayments"]["totalCount"] == 0
    assert (await deal.client.data(PAYMENTS, ApiUser.make(keys, "admin")))["myPayments"]["totalCount"] >= 3
    assert await deal.client.codes(PAYMENTS) == ["UNAUTHENTICATED"]
    assert await deal.client.codes(PAYMENTS, deal.host, after="x") == ["BAD_USER_INPUT"]


async def test_payments_backwards_and_filtered(deal: Deal) -> None:
    """The last payments come in the same order; status and time select."""
    client, host = deal.client, deal.host
    deals = [Deal(client, deal.carrier, host, deal.player, deal.musician_id, uuid4()) for _ in range(3)]
    steps = [one.create() for one in deals]
    made = [(await step.do())["paymentId"] for step in steps]
    last = (await client.data(PAYMENTS, host, last=2))["myPayments"]
    assert [edge["node"]["uuid"] for edge in last["edges"]] == made[1::-1]
    assert (last["pageInfo"]["hasPreviousPage"], last["pageInfo"]["hasNextPage"]) == (True, False)
    before = last["pageInfo"]["startCursor"]
    assert await paid(client, host, last=2, before=before) == made[2:]
    assert await client.codes(PAYMENTS, host, first=1, last=1) == ["BAD_USER_INPUT"]
    await steps[1].undo()
    assert await paid(client, host, status="VOIDED") == [made[1]]
    assert await paid(client, host, status="CAPTURED", first=1) == [made[2]]
    assert await paid(client, host, between={"to": "2020-01-01T00:00:00Z"}) == []
    assert await paid(client, host, between={"from": "2020-01-01T00:00:00Z"}) == made[::-1]
    wrong = {"from": "2027-01-02T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
    answer = await client.send(PAYMENTS, host, between=wrong)
    assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "between.from"}


async def test_balances_are_ones_own(deal: Deal, keys: SigningKeys) -> None:
    """A user sees the own balances by account and currency: payments of a client, earnings of a musician."""
    query = """{ accountBalance {
        accountType client { uuid } musician { uuid } balance { amount currency } } }"""
    swiss = Deal(deal.client, deal.carrier, deal.host, deal.player, deal.musician_id, uuid4())
    await deal.create("100").do()
    await deal.release().do()
    await swiss.create("70", "CHF").do()
    await swiss.refund(50).do()
    account = {"accountType": "CLIENT", "client": {"uuid": str(deal.host.id)}, "musician": None}
    assert (await deal.client.data(query, deal.host))["accountBalance"] == [
        {**account, "balance": {"amount": "-35.00", "currency": "CHF"}},
        {**account, "balance": {"amount": "-100.00", "currency": "EUR"}},
    ]
    account = {"accountType": "MUSICIAN", "client": None, "musician": {"uuid": str(deal.musician_id)}}
    assert (await deal.client.data(query, deal.player))["accountBalance"] == [
        {**account, "balance": {"amount": "35.00", "currency": "CHF"}},
        {**account, "balance": {"amount": "100.00", "currency": "EUR"}},
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
