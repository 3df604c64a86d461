"""All musicians in memory, in columns, as this process last saw them in matching's own table.

Asking PostgreSQL to score 100,000 rows takes a multiple of the 50 ms that a match may take; over columns in
memory it is a few. The table stays the truth: before each use the index reads what was written since its last
look. "Since" is exact: each row names the transaction that wrote it, and the index keeps PostgreSQL's
snapshot of its last look, so it reads the rows whose transaction that snapshot could not see, however late it
committed. Any number of processes can do so, and one that starts begins with the whole table.
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

_WORD = 64
_FULL_WORD = (1 << _WORD) - 1
_COLUMNS = "musician_id, stage_name, hourly_rate, currency, experience_years, latitude, longitude, skill_ids"
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
# A table restored into another server names transactions that this one has still before it.
_AFTER_RESTORE = """
update matching_musicians set changed_by = pg_current_xact_id() where changed_by > pg_current_xact_id()
"""


class Index:
    """The musicians; a part of the service that loads them at its start."""

    def __init__(self, database: Database) -> None:
        """An empty index over this database."""
        self._database = database
        self._snapshot = ""
        self._loading: asyncio.Task[None] | None = None
        self._place_of: dict[UUID, int] = {}
        self._skill_bits: dict[UUID, int] = {}
        self._currencies: dict[str, int] = {}
        self._columns = _empty(1024, 2)
        self._view: Columns | None = None
        self.version = 0
        """The newest transaction whose musicians are here: it differs when any musician differs."""

    async def start(self) -> None:
        """Begin to read the whole table.

        Whoever needs the musicians waits for the end of it, others do not.
        """
        self._loading = asyncio.create_task(self._load(), name="load the musicians")
        self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def stop(self) -> None:
        """Read no more."""
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
        """Read what was written since the last look; all of it, if there was none."""
        if self._snapshot:
            self._apply(await self._database.fetch_all(_CHANGED.bindparams(seen=self._snapshot)))
            return
        if self._loading is None or self._loading.done():
            await self.start()
        if self._loading is not None:
            await asyncio.shield(self._loading)

    def __len__(self) -> int:
        """How many musicians it knows."""
        return len(self._columns.ids)

    @property
    def columns(self) -> Columns:
        """The columns as they are now; valid until the next catching up."""
        if self._view is None:
            self._view = _cut(self._columns, len(self))
        return self._view

    def wanted(self, request: Any) -> Requirements:
        """A row of `matching_requests` in the terms of the columns."""
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
        """The number of a currency in the columns."""
        return self._currencies.setdefault(code, len(self._currencies))

    def _apply(self, rows: Sequence[Sequence[Any]]) -> None:
        """Put rows in their places; the first column of each is the snapshot that saw them."""
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
        """Make room for twice as much when there is too little, so that growing costs little over time."""
        old = self._columns
        rows, words = len(old.rates), len(old.skills)
        if len(self) > rows or len(self._skill_bits) > words * _WORD:
            self._columns = _empty(
                max(rows, 2 * len(self)), max(words, 2 * len(self._skill_bits) // _WORD), old
            )

    def _masks(self, skills: Iterable[Sequence[UUID]]) -> NDArray[np.uint64]:
        """The skills of each row as bits, a word of them at a time."""
        bits = [sum(1 << self._skill_bits[skill] for skill in set(own)) for own in skills]
        words = range(len(self._columns.skills))
        return np.array([[row >> _WORD * word & _FULL_WORD for row in bits] for word in words], np.uint64)


def _empty(rows: int, words: int, old: Columns | None = None) -> Columns:
    """Room for this many musicians and words of skills, with what the old columns hold."""
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


def _cut(columns: Columns, size: int) -> Columns:
    """The part of the columns that is in use, without copying it."""
    x, y, z, rates, years, currencies = (part[:size] for part in _arrays(columns))
    skills = columns.skills[:, :size]
    return Columns(columns.ids, columns.names, x, y, z, rates, years, currencies, skills)
