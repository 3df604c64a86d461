"""Compares a musician's hourly rate with the rates of musicians of similar experience, for `priceBand`."""

import numpy as np

from subgraphs.matching.model import Columns

_GROUPS = (0, 3, 6, 11, 1000)
"""The lowest years of each group of experience (0-2, 3-5, 6-10, 11 and more), and the end of the last one."""
_MIN_RATES = 10
_LOW, _HIGH = 0.33, 0.75


def band_of(columns: Columns, currency: int, rate: float, years: int) -> str | None:
    """Return "budget", "standard" or "premium", by the share of lower rates among musicians of similar
    experience.

    `currency` is the number of a currency in the columns (`Index.currency`); `years`: the musician's years of
    experience. Returns None if fewer than ten musicians of similar experience have rates in this currency.
    """
    group = int(np.searchsorted(_GROUPS, max(years, 0), side="right"))
    alike = (columns.years >= _GROUPS[group - 1]) & (columns.years < _GROUPS[min(group, len(_GROUPS) - 1)])
    rates = columns.rates[alike & (columns.currencies == currency)]
    if len(rates) < _MIN_RATES:
        return None
    lower = float(np.count_nonzero(rates < rate)) / len(rates)
    return "budget" if lower < _LOW else "standard" if lower < _HIGH else "premium"
