"""Entity requests to one subgraph become one, where that makes no answer later.

Two requests can be one when neither waits for the other, and when the one that could run earlier is not waited for so soon that
the whole plan would take a round more. Lookups at the same place are joined, others stand side by side in the request (`_entities`
twice, under two aliases): two entity fetches in the same round cost one request.
"""

from gateway.plan.fetch_graph import DraftLookup, Group, ancestors, levels


def merge_requests(groups: list[Group]) -> list[Group]:
    """The groups with those merged that may be; the number of rounds stays."""
    groups = list(groups)
    while pair := _find_pair(groups):
        early, late = pair
        late.parents = (late.parents | early.parents) - {early, late}
        for lookup in early.lookups:
            _add(late, lookup)
        groups.remove(early)
        for group in groups:
            if early in group.parents:
                group.parents = (group.parents - {early}) | {late}
    return groups


def _find_pair(groups: list[Group]) -> tuple[Group, Group] | None:
    by_subgraph: dict[str, list[Group]] = {}
    for group in groups:
        if not any(lookup.root for lookup in group.lookups):
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


def _latest(groups: list[Group], level: dict[Group, int]) -> dict[Group, int]:
    """The last round in which each group can run without the plan taking longer."""
    last = max(level.values())
    latest = dict.fromkeys(groups, last)
    for group in sorted(groups, key=lambda item: -level[item]):
        for parent in group.parents:
            latest[parent] = min(latest[parent], latest[group] - 1)
    return latest


def _add(group: Group, lookup: DraftLookup) -> None:
    for mine in group.lookups:
        if mine.path == lookup.path and mine.root == lookup.root and _compatible(mine, lookup):
            mine.draft.absorb(lookup.draft)
            for representation in lookup.representations:
                mine.represent(representation)
            return
    group.lookups.append(lookup)


def _compatible(one: DraftLookup, other: DraftLookup) -> bool:
    """Whether no object would get two representations."""
    for mine in one.representations:
        for theirs in other.representations:
            same = mine.types == theirs.types and mine.typename == theirs.typename
            apart = mine.types is not None and theirs.types is not None and not mine.types & theirs.types
            if not same and not apart:
                return False
    return True
