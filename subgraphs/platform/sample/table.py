"""The sample data in memory, and the tables into which it is copied."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from subgraphs.platform.sample.gigs import Gig
from subgraphs.platform.sample.people import People, SampleMusician

SEED = 20_261_122
Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class SampleData:
    """All sample data; its dates are relative to `now`."""

    people: People
    gigs: list[Gig]
    now: datetime

    def booked(self, status: str | None = None) -> Iterator[tuple[Gig, SampleMusician]]:
        """Yield the booked gigs, each with its musician. `status`: that of the bookings; None for any."""
        for gig in self.gigs:
            if gig.booked is not None and status in (None, gig.booking_status):
                yield gig, gig.booked.musician


@dataclass(frozen=True, slots=True)
class Table:
    """The rows for one table of one service; `columns`: the names of the columns, separated by blanks."""

    service: str
    name: str
    columns: str
    rows: Callable[[SampleData], Iterator[Row]]
