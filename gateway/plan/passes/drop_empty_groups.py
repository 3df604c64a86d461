"""The pass that removes groups that select nothing and that no other group waits for."""

from gateway.plan.fetch_graph import FetchGroup


def drop_empty_groups(groups: list[FetchGroup]) -> list[FetchGroup]:
    """Return the groups that select a field or that another group waits for."""
    while True:
        needed = {parent for group in groups for parent in group.parents}
        kept = [
            group
            for group in groups
            if group in needed or any(lookup.draft.selects_anything() for lookup in group.lookups)
        ]
        if len(kept) == len(groups):
            return kept
        groups = kept
