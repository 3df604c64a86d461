"""Amounts of money in the schema: the types `Money` and `MoneyInput`."""

from decimal import Decimal

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.cache_hints import PART
from subgraphs.kit.currencies import unit_of
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import input_type, object_type


@object_type(shareable=True, cached=PART)
class Money:
    """An amount of money in a currency."""

    amount: Decimal = strawberry.field(
        description="The amount, with the decimals of its currency: 420.00 in EUR, 420 in JPY."
    )
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> "Money":
        """Return the GraphQL object of an amount, rounded to the decimals of its currency."""
        code = currency.strip()
        return cls(amount=amount.quantize(unit_of(code)), currency=code)

    @classmethod
    def of_any(cls, amount: Decimal | None, currency: str) -> "Money | None":
        """Return the GraphQL object of an amount; None for None."""
        return None if amount is None else cls.of(amount, currency)


@input_type
class MoneyInput:
    """An amount of money in a currency."""

    amount: Decimal = strawberry.field(
        description="The amount, not negative, with at most the decimals of its currency."
    )
    currency: str = strawberry.field(description="The currency's code of three letters (ISO 4217).")

    def read(self, field: str) -> tuple[Decimal, str]:
        """Return the checked amount and the currency; `field`: the name of the argument or input field.

        Raises BadUserInput.
        """
        code = checks.currency(self.currency, f"{field}.currency")
        return checks.money(self.amount, f"{field}.amount", code), code

    def read_in(self, field: str, currency: str) -> Decimal:
        """Return the checked amount, which must be in `currency`. Raises BadUserInput."""
        amount, code = self.read(field)
        if code != currency.strip():
            raise BadUserInput(f"'{field}' must be in {currency.strip()}, got {code}", f"{field}.currency")
        return amount
