"""The differential fuzz, bounded: responses over random supergraphs are those of the monolith.

`make fuzz SEED=1 CUTS=50 OPERATIONS=10000` is the whole of it, `make mutants` shows that it finds faults.
Differences that it has found are in `tests/cases/fuzz`, shrunk; `python -m tests.fuzz.replay FOLDER` prints
such a case.
"""

from pathlib import Path

import pytest

from tests.fuzz.features import FEATURES, Figures
from tests.fuzz.mutant_list import MUTANTS, Mutant
from tests.fuzz.mutants import ROOT
from tests.fuzz.replay import outcome_of
from tests.fuzz.run import fuzz

CASES = Path(__file__).parent.parent / "cases" / "fuzz"


def test_random_supergraphs() -> None:
    """350 random operations over 20 random cuts, nearly half with faults, have the monolith's responses."""
    figures = Figures()
    assert [f"{one.name}: {one.verdict.kind}: {one.verdict.text}" for one in fuzz(1, 20, 350, figures)] == []
    assert (figures.cuts, figures.operations, figures.with_faults) == (20, 350, 170)
    assert figures.far >= 170
    assert figures.leaves >= 3500
    assert [name for name in FEATURES if figures.used[name] < 17] == []


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_kept_case(name: str) -> None:
    """A stored case, which once had a difference, has none."""
    verdict = outcome_of(CASES / name).verdict
    assert verdict.kind == "", verdict.text


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_mutant_can_be_planted(mutant: Mutant) -> None:
    """The text that a mutant replaces occurs once in its file."""
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
