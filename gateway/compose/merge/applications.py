"""Merges the directives that composition copies into the supergraph, such as @cost and those of
@composeDirective.

All different applications of a repeatable directive remain. Others are merged by the strategies of their spec
(`federation.carried`), or without strategies the most frequent application is used.
"""

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from graphql import parse_const_value, value_from_ast_untyped

from gateway.compose.diagnostics import Report
from gateway.compose.model import Application
from gateway.federation.carried import CARRIED, Strategy

Sided = Sequence[tuple[str, Sequence[Application]]]


def merge_applications(coordinate: str, sides: Sided, report: Report) -> tuple[Application, ...]:
    """Return the merged directives of one element. `sides`: pairs of a subgraph and its applications.

    Reports hints where applications differ.
    """
    named: dict[tuple[str, bool], list[tuple[str, Application]]] = {}
    for subgraph, applied in sides:
        for one in applied:
            named.setdefault((one.name, one.spec), []).append((subgraph, one))
    merged: list[Application] = []
    for found in named.values():
        merged.extend(_merge(coordinate, found, report))
    return tuple(merged)


def _merge(
    coordinate: str, found: Sequence[tuple[str, Application]], report: Report
) -> Iterable[Application]:
    by_value: dict[Hashable, Application] = {}
    for _, one in found:
        by_value.setdefault(one.value, one)
    distinct = list(by_value.values())
    first = distinct[0]
    if len(distinct) == 1 or any(one.repeatable for one in distinct):
        return distinct
    strategies = CARRIED[first.name].merged if first.spec and first.name in CARRIED else None
    if strategies is None:
        return [_most_frequent(coordinate, found, report)]
    values = [_values(one) for one in distinct]
    merged = {}
    for name, strategy in strategies.items():
        given = [value[name] for value in values if value.get(name) is not None]
        if given:
            merged[name] = merge_values(strategy, given)
    message = (
        f"@{first.local} has different arguments on {coordinate}, which were merged by {dict(strategies)}"
    )
    report.hint("MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS", message, coordinate)
    arguments = tuple((name, json.dumps(value)) for name, value in merged.items())
    return [Application(first.name, first.local, arguments)]


def _most_frequent(coordinate: str, found: Sequence[tuple[str, Application]], report: Report) -> Application:
    counts = Counter(one.value for _, one in found)
    chosen = max((one for _, one in found), key=lambda one: counts[one.value])
    shown = ", ".join(f"{dict(one.arguments)} in {subgraph}" for subgraph, one in found)
    message = f"@{chosen.local} is not repeatable, but has different arguments on {coordinate}: {shown}"
    report.hint("INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS", message, coordinate)
    return chosen


def _values(one: Application) -> Mapping[str, Any]:
    return {name: value_from_ast_untyped(parse_const_value(text)) for name, text in one.arguments}


def merge_values(strategy: Strategy, given: Sequence[Any]) -> Any:
    """Return one argument value for the values of several subgraphs.

    "max": the maximum; "and": true if all are true; "union": all list items without duplicates; "dnf": see
    `conjunction`.
    """
    if strategy == "max":
        return max(given)
    if strategy == "and":
        return all(given)
    if strategy == "union":
        return list(dict.fromkeys(item for one in given for item in one))
    return conjunction([[list(group) for group in one] for one in given])


def conjunction(given: Sequence[list[list[str]]]) -> list[list[str]]:
    """Return requirements that hold exactly if all the given ones do; each is in disjunctive normal form.

    [[a], [b]] (a or b) and [[c]] give [[a, c], [b, c]]. Alternatives that contain another one are omitted.
    """
    out: list[frozenset[str]] = [frozenset()]
    for one in given:
        out = [left | frozenset(right) for left in out for right in one]
    least = [
        one
        for index, one in enumerate(out)
        if not any(o < one or (o == one and i < index) for i, o in enumerate(out))
    ]
    return [sorted(one) for one in least]
