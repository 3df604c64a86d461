"""Drop groups that ask for nothing and that nothing waits for."""

from gateway.plan.fetch_graph import FetchGroup


def drop_empty_groups(groups: list[FetchGroup]) -> list[FetchGroup]:
    """The groups that bring something, or that another needs."""
    while True:
        needed = {parent for group in groups for parent in group.parents}
        kept = [
            group
            for group in groups
            if group in needed or any(lookup.draft.asks() for lookup in group.lookups)
        ]
        if len(kept) == len(groups):
            return kept
        groups = kept
