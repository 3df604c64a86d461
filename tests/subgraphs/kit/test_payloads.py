"""Payloads: which errors of a mutation are user errors; and amounts of money in and out."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from subgraphs.kit import checks, mutation_keys
from subgraphs.kit.database import Database
from subgraphs.kit.errors import (
    BadUserInput,
    Conflict,
    DomainError,
    Forbidden,
    IdempotencyKeyReused,
    NotFound,
    RateLimited,
    SeveralMistakes,
    Unauthenticated,
)
from subgraphs.kit.money import Money, MoneyInput
from subgraphs.kit.payloads import Payload, user_errors
from subgraphs.kit.testing import fresh_database


@pytest.fixture
async def database(postgres_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh database with the kit's tables."""
    async with fresh_database(postgres_url, "payloads") as url:
        database = Database(url)
        await database.migrate(tmp_path)
        yield database
        await database.close()


def failing(error: Exception) -> Any:
    """Return a resolver that raises an error."""

    @user_errors(Payload)
    async def resolve() -> Payload | None:
        raise error

    return resolve


@pytest.mark.parametrize(
    "error",
    [BadUserInput("wrong", "title"), NotFound("none"), Conflict("taken"), IdempotencyKeyReused("used")],
)
async def test_what_a_person_can_correct_is_a_user_error(error: DomainError) -> None:
    """The payload has the code, the field and the message."""
    payload = await failing(error)()
    (found,) = payload.user_errors
    expected = (error.code, error.extensions.get("field"), error.message)
    assert (found.code, found.field, found.message) == expected


@pytest.mark.parametrize(
    "error", [Forbidden("no"), Unauthenticated("who"), RateLimited("slowly", 3), ValueError("a bug")]
)
async def test_all_other_errors_are_errors(error: Exception) -> None:
    """They are raised, so that the response has them in `errors`."""
    with pytest.raises(type(error)):
        await failing(error)()


async def test_every_wrong_field_is_a_user_error() -> None:
    """Mistakes are collected, also those of a nested check."""
    with pytest.raises(SeveralMistakes) as caught, checks.Mistakes() as mistakes:
        mistakes.check(checks.label, "", "title", 10)
        mistakes.check(checks.currency, "EUR")
        mistakes.check(MoneyInput(amount=Decimal(-1), currency="EUR").read, "price")
        mistakes.check(checks.email, "x")
    payload = await failing(caught.value)()
    assert [one.field for one in payload.user_errors] == ["title", "price.amount", "email"]


def test_one_mistake_is_raised_as_it_is() -> None:
    """A single mistake is its own error; without one, nothing is raised; another error is not hidden."""
    with pytest.raises(BadUserInput) as caught, checks.Mistakes() as mistakes:
        mistakes.check(checks.email, "x")
    assert type(caught.value) is BadUserInput
    with checks.Mistakes() as mistakes:
        assert mistakes.check(checks.email, "a@b.example") == "a@b.example"
    with pytest.raises(KeyError), checks.Mistakes() as mistakes:
        mistakes.check(checks.email, "x")
        raise KeyError


def test_money_has_the_decimals_of_its_currency() -> None:
    """Amounts are shown with two decimals or none; inputs with too many are refused."""
    assert str(Money.of(Decimal("5"), "EUR").amount) == "5.00"
    assert str(Money.of(Decimal("5000.00"), "JPY ").amount) == "5000"
    assert Money.of_any(None, "EUR") is None
    assert MoneyInput(amount=Decimal("1.5"), currency="EUR").read_in("price", "EUR ") == Decimal("1.50")
    for amount, currency, field in [
        ("1.5", "JPY", "price.amount"),
        ("1.005", "EUR", "price.amount"),
        ("NaN", "EUR", "price.amount"),
        ("-1", "EUR", "price.amount"),
        ("1e20", "EUR", "price.amount"),
        ("1", "euro", "price.currency"),
        ("1", "ZZZ", "price.currency"),
        ("1", "USD", "price.currency"),
    ]:
        wanted = currency if field == "price.amount" else "EUR"
        with pytest.raises(BadUserInput) as caught:
            MoneyInput(amount=Decimal(amount), currency=currency).read_in("price", wanted)
        assert caught.value.extensions["field"] == field


async def test_a_key_belongs_to_one_change_of_one_caller(database: Database) -> None:
    """A repetition is reported; another mutation or input is refused; each caller has keys of its own."""
    caller, other, key = str(uuid4()), str(uuid4()), "my key"
    assert not await mutation_keys.claim(database, key, caller, "markRead", {"id": 1})
    assert await mutation_keys.claim(database, key, caller, "markRead", {"id": 1})
    for mutation, given in (("markRead", {"id": 2}), ("sendAgain", {"id": 1})):
        with pytest.raises(IdempotencyKeyReused):
            await mutation_keys.claim(database, key, caller, mutation, given)
    assert not await mutation_keys.claim(database, key, other, "sendAgain", {"id": 1})
    assert not await mutation_keys.claim(database, None, caller, "markRead", {"id": 1})
    for wrong in ("", " ", "k" * 101, "a\0b"):
        with pytest.raises(BadUserInput):
            await mutation_keys.claim(database, wrong, caller, "markRead", {})
