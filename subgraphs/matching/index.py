"""An index of all musicians in memory, as columns (numpy arrays), for rankings by `matcher`.

To score 100,000 rows in PostgreSQL takes several times the 50 ms that a ranking may last; in memory it takes
a few milliseconds. The table `matching_musicians` is the source of truth: before each use the index reads the
rows that were written since its last read. Each row has the id of the transaction that wrote it, and the
index stores PostgreSQL's snapshot of its last read. It reads exactly the rows whose transaction was not
visible in that snapshot, however late it committed. Every process has an index of its own, and reads the
whole table at its start.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from subgraphs.kit.database import Database
from subgraphs.matching.model import Columns, Requirements, hours_between, unit_vectors
from subgraphs.matching.records import RequestCopy

_WORD = 64
_FULL_WORD = (1 << _WORD) - 1
# A musician whose account is closed has no place, so nobody is within reach of them.
_COLUMNS = """musician_id, stage_name, hourly_rate, currency, experience_years,
    case when is_closed then null else latitude end, case when is_closed then null else longitude end,
    skill_ids
"""
_ALL = f"""
select pg_current_snapshot()::text as snapshot, changed_by::text::bigint as version, {_COLUMNS}
from (values (1)) as look left join matching_musicians on true
"""  # noqa: S608 - names of columns, nothing from outside
_CHANGED = text(f"""
select pg_current_snapshot()::text as snapshot, changed_by::text::bigint as version, {_COLUMNS}
from (values (1)) as look left join matching_musicians
    on changed_by >= pg_snapshot_xmin(cast(:seen as text)::pg_snapshot)
    and not pg_visible_in_snapshot(changed_by, cast(:seen as text)::pg_snapshot)
""")  # noqa: S608 - as above
# Rows that were restored into another server may have higher transaction ids than that server has used yet.
_AFTER_RESTORE = """
update matching_musicians set changed_by = pg_current_xact_id() where changed_by > pg_current_xact_id()
"""


class Index:
    """The index of musicians; a part of the service, which loads it at its start."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshot = ""
        self._loading: asyncio.Task[None] | None = None
        self._place_of: dict[UUID, int] = {}
        self._skill_bits: dict[UUID, int] = {}
        self._currencies: dict[str, int] = {}
        self._columns = _empty(1024, 2)
        self._view: Columns | None = None
        self.version = 0
        """The id of the newest transaction in the index, which changes whenever a musician changes."""

    async def start(self) -> None:
        """Start to read the whole table in the background; `catch_up` waits until it is read."""
        self._loading = asyncio.create_task(self._load(), name="load the musicians")
        self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def stop(self) -> None:
        """Cancel the first read of the table, if it still runs."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])

    async def _load(self) -> None:
        connection = await self._database.listener()
        try:
            await connection.execute(_AFTER_RESTORE)
            self._apply(await connection.fetch(_ALL))
        finally:
            await connection.close()

    async def catch_up(self) -> None:
        """Read the rows that were written since the last read; at the first call wait for the whole table."""
        if self._snapshot:
            self._apply(await self._database.fetch_all(_CHANGED.bindparams(seen=self._snapshot)))
            return
        if self._loading is None or self._loading.done():
            await self.start()
        if self._loading is not None:
            await asyncio.shield(self._loading)

    def __len__(self) -> int:
        """Return the number of musicians."""
        return len(self._columns.ids)

    @property
    def columns(self) -> Columns:
        """The data of all musicians; use them only until the next `catch_up`, which may replace the
        arrays.
        """
        if self._view is None:
            self._view = _used_part(self._columns, len(self))
        return self._view

    def requirements_of(self, request: RequestCopy) -> Requirements:
        """Return the requirements of a request, encoded as in the columns: the currency as its number
        (`currency`), the skills as bits.
        """
        skills = np.zeros(len(self._columns.skills), np.uint64)
        for skill in request.skill_ids:
            bit = self._skill_bits.get(skill)
            if bit is not None:
                skills[bit // _WORD] |= np.uint64(1 << bit % _WORD)
        return Requirements(
            latitude=request.latitude,
            longitude=request.longitude,
            hours=hours_between(request.starts_at, request.ends_at),
            budget_min=float(request.budget_min),
            budget_max=float(request.budget_max),
            currency=self.currency(request.currency),
            skills=skills,
            skill_count=len(set(request.skill_ids)),
        )

    def currency(self, code: str) -> int:
        """Return the number that the columns use for a currency; a new code gets the next number."""
        return self._currencies.setdefault(code, len(self._currencies))

    def _apply(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows of the table `matching_musicians` into the columns.

        The first value of each row is the snapshot of the read. A read without changes has one row, in which
        the other values are None.
        """
        self._snapshot = rows[0][0]
        present = [row for row in rows if row[2] is not None]
        if not present:
            return
        _, versions, ids, names, rates, currencies, years, latitudes, longitudes, skills = zip(
            *present, strict=True
        )
        places = np.array([self._place(key) for key in ids])
        for skill in {skill for own in skills for skill in own}:
            self._skill_bits.setdefault(skill, len(self._skill_bits))
        self._reserve()
        columns = self._columns
        x, y, z = unit_vectors(np.array(latitudes, float), np.array(longitudes, float))
        columns.x[places], columns.y[places], columns.z[places] = x, y, z
        columns.rates[places] = np.array(rates, float)
        columns.years[places] = np.array(years, float)
        columns.currencies[places] = [self.currency(code) for code in currencies]
        columns.skills[:, places] = self._masks(skills)
        for place, name in zip(places, names, strict=True):
            columns.names[place] = name
        self.version = max(self.version, *versions)
        self._view = None

    def _place(self, key: UUID) -> int:
        place = self._place_of.setdefault(key, len(self))
        if place == len(self):
            self._columns.ids.append(UUID(int=key.int))
            self._columns.names.append("")
        return place

    def _reserve(self) -> None:
        """Make the columns larger if they are full; they double, so that the amortised cost is small."""
        old = self._columns
        rows, words = len(old.rates), len(old.skills)
        if len(self) > rows or len(self._skill_bits) > words * _WORD:
            self._columns = _empty(
                max(rows, 2 * len(self)), max(words, 2 * len(self._skill_bits) // _WORD), old
            )

    def _masks(self, skills: Iterable[Sequence[UUID]]) -> NDArray[np.uint64]:
        """Return the skills of each row as bits, as an array of 64-bit words: the first index is the word.

        Example: if the skills of a row have the bits 0 and 65, its first word is 1 and its second word is 2.
        """
        bits = [sum(1 << self._skill_bits[skill] for skill in set(own)) for own in skills]
        words = range(len(self._columns.skills))
        return np.array([[row >> _WORD * word & _FULL_WORD for row in bits] for word in words], np.uint64)


def _empty(rows: int, words: int, old: Columns | None = None) -> Columns:
    """Return columns with space for `rows` musicians and `words` 64-bit words of skills, and the data of
    `old`.
    """
    columns = Columns(
        ids=old.ids if old else [],
        names=old.names if old else [],
        x=np.full(rows, np.nan),
        y=np.full(rows, np.nan),
        z=np.full(rows, np.nan),
        rates=np.zeros(rows),
        years=np.zeros(rows),
        currencies=np.zeros(rows, np.int16),
        skills=np.zeros((words, rows), np.uint64),
    )
    if old is not None:
        for new_part, old_part in zip(_arrays(columns), _arrays(old), strict=True):
            new_part[: len(old_part)] = old_part
        columns.skills[: len(old.skills), : old.skills.shape[1]] = old.skills
    return columns


def _arrays(columns: Columns) -> list[NDArray[Any]]:
    return [columns.x, columns.y, columns.z, columns.rates, columns.years, columns.currencies]


def _used_part(columns: Columns, size: int) -> Columns:
    """Return columns that are views on the first `size` rows, without the reserved space."""
    x, y, z, rates, years, currencies = (part[:size] for part in _arrays(columns))
    skills = columns.skills[:, :size]
    return Columns(columns.ids, columns.names, x, y, z, rates, years, currencies, skills)
