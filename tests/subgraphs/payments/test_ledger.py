"""Tests of the ledger: what the database refuses, and that any sequence of steps leaves it balanced."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from subgraphs.kit.database import Database
from subgraphs.kit.testing import ApiUser, Client, SigningKeys
from tests.subgraphs.payments.conftest import Deal, make_deal
from tests.subgraphs.saga_steps import StepCall

ADD = text(
    "insert into ledger_entries (transaction_id, escrow_id, account, amount, currency)"
    " values (:transaction, :escrow, :account, :amount, :currency)"
)
Post = Callable[..., Awaitable[None]]


@pytest.fixture
async def post(deal: Deal) -> Post:
    """Insert entries of one transaction by SQL: (account, amount, currency)."""
    escrow = UUID((await deal.create().do())["escrowId"])

    async def write(*entries: tuple[str, str, str], transaction: UUID | None = None) -> None:
        about = {"transaction": transaction or uuid4(), "escrow": escrow}
        async with deal.client.service.database.engine.begin() as connection:
            for account, amount, currency in entries:
                account = account.replace("ESCROW", str(escrow))
                await connection.execute(
                    ADD, {**about, "account": account, "amount": Decimal(amount), "currency": currency}
                )

    return write


async def test_entries_that_balance_are_taken(post: Post) -> None:
    """A transaction may have any number of accounts, if each currency balances."""
    one, other = f"client:{uuid4()}", f"musician:{uuid4()}"
    await post((one, "-5", "EUR"), (other, "3", "EUR"), ("platform", "2", "EUR"))


@pytest.mark.parametrize(
    "entries",
    [
        [("platform", "5", "EUR")],
        [("platform", "5", "EUR"), (f"client:{uuid4()}", "-4.99", "EUR")],
        [("platform", "5", "EUR"), (f"client:{uuid4()}", "-5", "CHF")],
    ],
)
async def test_the_database_refuses_what_does_not_balance(
    post: Post, entries: list[tuple[str, str, str]]
) -> None:
    """A single entry, a missing cent and mixed currencies fail at the commit."""
    with pytest.raises(IntegrityError, match="does not balance"):
        await post(*entries)


async def test_the_halves_of_a_transaction_come_together(post: Post) -> None:
    """A later commit cannot add entries to a transaction."""
    transaction, account = uuid4(), f"client:{uuid4()}"
    await post(("platform", "5", "EUR"), (account, "-5", "EUR"), transaction=transaction)
    with pytest.raises(IntegrityError, match="does not balance"):
        await post((f"client:{uuid4()}", "1", "EUR"), transaction=transaction)
    with pytest.raises(IntegrityError, match="unique"):
        await post((account, "1", "EUR"), transaction=transaction)


async def test_an_escrow_and_its_account_agree(post: Post, deal: Deal) -> None:
    """The commit fails if an escrow's row and the balance of its account differ."""
    with pytest.raises(IntegrityError, match="does not agree"):
        await post(("escrow:ESCROW", "5", "EUR"), ("platform", "-5", "EUR"))
    for change in ("status = 'released', released = amount", "amount = 500"):
        with pytest.raises(IntegrityError, match="does not agree"):
            await deal.client.service.database.execute(
                text(f"update escrows set {change} where booking_id = :id").bindparams(id=deal.booking_id)
            )


@pytest.mark.parametrize(
    "change",
    ["update ledger_entries set amount = 1", "delete from ledger_entries", "truncate ledger_entries"],
)
async def test_entries_stay_as_they_are(post: Post, client: Client, change: str) -> None:
    """The database refuses to change, delete or truncate entries."""
    with pytest.raises(IntegrityError, match="never changed or deleted"):
        await client.service.database.execute(text(change))


@pytest.mark.parametrize(
    "change",
    [
        "released = 300, refunded = 101",
        "refunded = -1",
        "status = 'refunded'",
        "amount = 0",
        "currency = 'eur'",
    ],
)
async def test_an_escrow_pays_out_no_more_than_it_has(post: Post, deal: Deal, change: str) -> None:
    """The database refuses amounts out of range, and a status that does not agree with them."""
    with pytest.raises(IntegrityError, match="check constraint"):
        await deal.client.service.database.execute(
            text(f"update escrows set {change} where booking_id = :id").bindparams(id=deal.booking_id)
        )


KINDS = some.sampled_from(["create", "release", "refund"])
CALLS = some.lists(
    some.tuples(some.integers(0, 5), some.sampled_from(["DO", "DO", "UNDO"]), some.integers(1, 2)),
    min_size=1,
    max_size=14,
)
PLANS = some.lists(
    some.tuples(some.integers(0, 1), KINDS, some.integers(1, 9999), some.integers(0, 100)),
    min_size=6,
    max_size=6,
)
REFUSALS = {"CONFLICT", "NOT_FOUND", "ALREADY_UNDONE", "SUPERSEDED"}


def step_of(deal: Deal, kind: str, cents: int, percent: int) -> StepCall:
    """Return a step in a saga of its own."""
    if kind == "create":
        return deal.create(str(Decimal(cents) / 100))
    return deal.release() if kind == "release" else deal.refund(percent)


async def check_books(database: Database, deals: list[Deal]) -> None:
    """Check that the ledger balances and agrees with every escrow."""
    unbalanced = text(
        "select transaction_id from ledger_entries group by transaction_id, currency having sum(amount) <> 0"
    )
    assert await database.fetch_all(unbalanced) == []
    each = text("""select e.*, account.kind, coalesce(account.total, 0) as total from escrows e left join
        (select escrow_id, split_part(account, ':', 1) as kind, sum(amount) as total
            from ledger_entries group by 1, 2) account
        on account.escrow_id = e.id where e.booking_id = any(:ids)""")
    for row in await database.fetch_all(each, ids=[deal.booking_id for deal in deals]):
        expected = {
            "client": row.refunded - row.amount,
            "escrow": row.amount - row.released - row.refunded,
            "musician": row.released,
        }
        assert row.total == expected[row.kind]
        assert (row.status == "held") == (expected["escrow"] == row.amount)


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],  # looking for the smallest example would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plans=PLANS, calls=CALLS)
async def test_any_sequence_leaves_the_books_in_order(
    client: Client, carrier: ApiUser, keys: SigningKeys, plans: list[Any], calls: list[tuple[int, str, int]]
) -> None:
    """The ledger agrees after any sequence of steps, repetitions and undos; undoing all in reverse order
    moves all money back.
    """
    deals, database = [make_deal(client, carrier, keys) for _ in range(2)], client.service.database
    steps = [step_of(deals[which], *rest) for which, *rest in plans]
    told: dict[tuple[int, str], Any] = {}
    done: list[int] = []
    for which, direction, token in calls:
        step = steps[which]
        answer = step.result_of(await step.send(direction, token))
        assert isinstance(answer, dict | None) or answer in REFUSALS
        if isinstance(answer, dict):
            assert told.setdefault((which, direction), answer) == answer
            if direction == "DO" and which not in done:
                done.append(which)
        await check_books(database, deals)
    for which in reversed(done):
        answer = await steps[which].undo(token=3)
        assert isinstance(answer, dict) or answer == "CONFLICT"
    await check_books(database, deals)
    total = text("select coalesce(sum(amount), 0) from ledger_entries where account = any(:accounts)")
    accounts = [f"client:{deal.host.id}" for deal in deals] + [
        f"musician:{deal.musician_id}" for deal in deals
    ]
    assert await database.fetch_value(total, accounts=accounts) == 0
    left = text("select count(*) from escrows where booking_id = any(:ids) and status <> 'refunded'")
    assert await database.fetch_value(left, ids=[deal.booking_id for deal in deals]) == 0
