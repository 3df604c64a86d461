"""Merges entity requests to one subgraph into one, if no value arrives later because of it.

Two groups can be merged when neither waits for the other, and when delaying the earlier one to the round of
the later one does not add a round to the plan. Lookups at the same place become one; others remain separate
in one request (`_entities` twice, under two aliases).

Comparing all pairs of groups is cubic, and an operation with a thousand aliases makes a thousand groups. So
groups of the same round, which never wait for each other, are first merged in one sweep; then there is at
most one group per subgraph and round for the pairwise comparison.
"""

from collections.abc import Iterable

from gateway.plan.fetch_graph import DraftLookup, FetchGroup, ancestors, levels
from gateway.plan.nodes import Path


def merge_requests(groups: list[FetchGroup]) -> list[FetchGroup]:
    """Return the groups after merging; the number of rounds stays the same."""
    groups = _merge_rounds(groups)
    while pair := _find_pair(groups):
        early, late = pair
        groups = _join(groups, {early: late})
    return groups


def _entity_groups(groups: Iterable[FetchGroup]) -> list[FetchGroup]:
    return [group for group in groups if not any(lookup.root for lookup in group.lookups)]


def _merge_rounds(groups: list[FetchGroup]) -> list[FetchGroup]:
    """Merge the entity requests to one subgraph in the same round."""
    level = levels(groups)
    first: dict[tuple[str, int], FetchGroup] = {}
    into: dict[FetchGroup, FetchGroup] = {}
    for group in _entity_groups(groups):
        target = first.setdefault((group.subgraph, level[group]), group)
        if target is not group:
            into[group] = target
    return _join(groups, into) if into else groups


def _join(groups: list[FetchGroup], into: dict[FetchGroup, FetchGroup]) -> list[FetchGroup]:
    """Return the groups after each key of `into` is merged into its value, which then waits for the parents
    of both.
    """
    places: dict[FetchGroup, dict[Path, list[DraftLookup]]] = {}
    for group, target in into.items():
        known = places.setdefault(target, {})
        if not known:
            for lookup in target.lookups:
                known.setdefault(lookup.path, []).append(lookup)
        target.parents |= group.parents
        for lookup in group.lookups:
            _add(target, lookup, known)
    kept = [group for group in groups if group not in into]
    for group in kept:
        group.parents = {into.get(parent, parent) for parent in group.parents} - {group}
    return kept


def _find_pair(groups: list[FetchGroup]) -> tuple[FetchGroup, FetchGroup] | None:
    """Return an earlier and a later group that can be merged; None if there are none."""
    by_subgraph: dict[str, list[FetchGroup]] = {}
    for group in _entity_groups(groups):
        by_subgraph.setdefault(group.subgraph, []).append(group)
    if all(len(same) < 2 for same in by_subgraph.values()):
        return None
    level = levels(groups)
    latest = _latest(groups, level)
    for same in by_subgraph.values():
        same.sort(key=level.__getitem__)
        for index, early in enumerate(same):
            for late in same[index + 1 :]:
                if level[late] <= latest[early] and early not in ancestors(late):
                    return early, late
    return None


def _latest(groups: list[FetchGroup], level: dict[FetchGroup, int]) -> dict[FetchGroup, int]:
    """Return the last round in which each group can run without adding a round to the plan.

    `level`: the round in which it can run at the earliest.
    """
    last = max(level.values())
    latest = dict.fromkeys(groups, last)
    for group in sorted(groups, key=lambda item: -level[item]):
        for parent in group.parents:
            latest[parent] = min(latest[parent], latest[group] - 1)
    return latest


def _add(group: FetchGroup, lookup: DraftLookup, known: dict[Path, list[DraftLookup]]) -> None:
    for mine in known.get(lookup.path, ()):
        same = (mine.root, mine.contexts, mine.separate) == (lookup.root, lookup.contexts, lookup.separate)
        if same and _compatible(mine, lookup):
            mine.draft.merge(lookup.draft)
            for representation in lookup.representations:
                mine.add_representation(representation)
            return
    group.lookups.append(lookup)
    known.setdefault(lookup.path, []).append(lookup)


def _compatible(one: DraftLookup, other: DraftLookup) -> bool:
    """Return whether two lookups can be merged: no object gets two representations, and no key two
    meanings.
    """
    return all(
        one.fits(theirs) for theirs in other.representations
    ) and not one.draft.conflicts_with_selection(other.draft)
