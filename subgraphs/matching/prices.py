"""How a rate compares with those of musicians of like experience."""

import numpy as np

from subgraphs.matching.model import Columns

_GROUPS = (0, 3, 6, 11, 1000)
"""Years of experience that count as alike: 0-2, 3-5, 6-10, 11 and more."""
_FEWEST = 10
_LOW, _HIGH = 0.33, 0.75


def band_of(columns: Columns, currency: int, rate: float, years: int) -> str | None:
    """The band of a rate: its share of lower ones in the group; None where too few can be compared."""
    group = int(np.searchsorted(_GROUPS, max(years, 0), side="right"))
    alike = (columns.years >= _GROUPS[group - 1]) & (columns.years < _GROUPS[min(group, len(_GROUPS) - 1)])
    rates = columns.rates[alike & (columns.currencies == currency)]
    if len(rates) < _FEWEST:
        return None
    lower = float(np.count_nonzero(rates < rate)) / len(rates)
    return "budget" if lower < _LOW else "standard" if lower < _HIGH else "premium"
