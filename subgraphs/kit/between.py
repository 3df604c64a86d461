"""Spans of time in arguments: the input type `BetweenInput`, which all services share.

Example: `between: {from: "2027-06-01T00:00:00Z", to: "2027-07-01T00:00:00Z"}` is June 2027 in UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import ColumnElement

from subgraphs.kit import checks
from subgraphs.kit.errors import BadUserInput
from subgraphs.kit.graphql import input_type


@dataclass(frozen=True, slots=True)
class Between:
    """A span of time in UTC, with its start and without its end; None: it has no start, or no end."""

    start: datetime | None = None
    end: datetime | None = None

    def conditions(self, column: ColumnElement[Any]) -> Sequence[ColumnElement[bool]]:
        """Return the SQL conditions for rows whose time in `column` is in the span."""
        after = [] if self.start is None else [column >= self.start]
        return after if self.end is None else [*after, column < self.end]


EVER = Between()
"""The span without a start and an end."""


@input_type
class BetweenInput:
    """A span of time. Times without an offset are in UTC."""

    start: datetime | None = strawberry.field(
        name="from", default=None, description="The start, which belongs to the span; null: no start."
    )
    end: datetime | None = strawberry.field(
        name="to", default=None, description="The end, which does not belong to the span; null: no end."
    )

    def read(self, field: str = "between") -> Between:
        """Return the span; `field` is the name of the argument or input field.

        Raises BadUserInput if the end is before the start.
        """
        return Between(*checks.period(self.start, self.end, (f"{field}.from", f"{field}.to")))

    def read_both(self, field: str = "between") -> tuple[datetime, datetime]:
        """Return start and end as they were sent, for a field that needs both. Raises BadUserInput."""
        with checks.Mistakes() as mistakes:
            start = mistakes.check(_required, self.start, f"{field}.from")
            end = mistakes.check(_required, self.end, f"{field}.to")
        return start, end


def between_of(given: BetweenInput | None, field: str = "between") -> Between:
    """Return the span in an optional argument; the span without a start and an end for None.

    Raises BadUserInput.
    """
    return EVER if given is None else given.read(field)


def _required(value: datetime | None, field: str) -> datetime:
    if value is None:
        raise BadUserInput(f"'{field}' is required here: set the start and the end of the time", field)
    return value
