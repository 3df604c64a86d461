"""Shrinks a case with a difference until nothing can be removed: its operation, faults, cut and data."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeVar

from graphql import GraphQLError, parse, validate

from tests.fuzz.case import Case, Question, Supply
from tests.fuzz.rig import Rig
from tests.fuzz.shrink_query import smaller_questions
from tests.fuzz.shrink_supply import fitting_data, smaller_data, smaller_supplies, without_untouched

T = TypeVar("T")
Judge = Callable[[Case, Rig], str]
Smaller = Callable[[T], Iterator[Callable[[], T]]]
SECONDS = 90.0


def verdict_kind(case: Case, rig: Rig) -> str:
    """Return the kind of difference between the gateway and the monolith in a case; "" if there is none."""
    want = rig.monolith(case.question)
    with asyncio.Runner() as runner:
        return rig.outcome(case.question, want, runner).verdict.kind


def shrunk(case: Case, kind: str, judge: Judge = verdict_kind) -> Case:
    """Return the smallest case found within SECONDS that has the same kind of difference, as `judge` names
    it.
    """
    if kind in ("composition", "schema"):
        return case
    search, before = _Search(kind, time.monotonic() + SECONDS, judge), None
    while case != before and not search.late():
        before = case
        case = search.supply(search.question(case))
    return case


@dataclass(frozen=True, slots=True)
class _Search:
    """Makes a case smaller as long as its kind of difference remains and time is left."""

    kind: str
    end: float
    judge: Judge

    def same(self, case: Case, rig: Rig | None = None) -> bool:
        """Return whether a case can be run and has the kind of difference."""
        try:
            rig = rig or Rig(case.supply)
            schema, document = rig.world.schema, parse(case.question.query)
            return not validate(schema, document) and rig.same_schema and self.judge(case, rig) == self.kind
        except Exception:
            return False

    def late(self) -> bool:
        """Return whether the time is over."""
        return time.monotonic() > self.end

    def question(self, case: Case) -> Case:
        """Return the case with a smaller operation and fewer faults."""
        rig, found = Rig(case.supply), case.question
        for smaller in (smaller_questions, _fewer_faults):
            found = self.smallest(found, smaller, lambda one: self.same(Case(case.supply, one), rig))
        return Case(case.supply, found)

    def supply(self, case: Case) -> Case:
        """Return the case with a smaller cut and less data."""
        touched = _touched(case, Rig(case.supply))

        def holds(one: Supply) -> bool:
            return self.same(Case(fitting_data(one), case.question))

        found = self.smallest(case.supply, lambda one: without_untouched(one, touched), holds)
        found = fitting_data(self.smallest(found, smaller_supplies, holds))
        return Case(self.smallest(found, smaller_data, holds), case.question)

    def smallest(self, start: T, smaller: Smaller[T], holds: Callable[[T], bool]) -> T:
        """Apply each step that preserves the difference, and continue after it; then once more from the
        start.
        """
        found, place, stepped = start, 0, False
        while (step := self.step(found, smaller, holds, place)) or stepped:
            if step:
                place, found = step
            else:
                place = 0
            stepped = step is not None
        return found

    def step(
        self, found: T, smaller: Smaller[T], holds: Callable[[T], bool], place: int
    ) -> tuple[int, T] | None:
        """Return the next variant that preserves the difference, and its index; None if there is none."""
        for number, later in islice(enumerate(smaller(found)), place, None):
            if self.late():
                return None
            candidate = _made(later)
            if candidate is not None and candidate != found and holds(candidate):
                return number, candidate
        return None


def _made(later: Callable[[], T]) -> T | None:
    """Return a variant; None if its document would be empty."""
    try:
        return later()
    except GraphQLError:
        return None


def _touched(case: Case, rig: Rig) -> set[tuple[str, str]]:
    """Return the fields that the monolith or a subgraph reads for a case."""
    want = rig.monolith(case.question)
    found = set(rig.world.touched)
    with asyncio.Runner() as runner:
        rig.outcome(case.question, want, runner)
    return found | rig.world.touched


def _fewer_faults(question: Question) -> Iterator[Callable[[], Question]]:
    """Yield variants without a half, a quarter, ... of the faults, down to one."""
    faults = question.faults
    size = max(len(faults) // 2, 1)
    while faults and size:
        for start in range(0, len(faults), size):
            yield partial(replace, question, faults=faults[:start] + faults[start + size :])
        size //= 2
