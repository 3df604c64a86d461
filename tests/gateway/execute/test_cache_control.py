"""The most restrictive Cache-Control of several."""

import pytest

from gateway.execute.cache_control import merge_cache_control


@pytest.mark.parametrize(
    ("values", "replies", "merged"),
    [
        (["public, max-age=60", "no-cache"], 2, "no-store, no-cache"),
        (["public, max-age=120", "private"], 2, "no-store, no-cache"),
        (["no-store", "public, max-age=300"], 2, "no-store, no-cache"),
        (['private="x-user", max-age=5'], 1, "no-store, no-cache"),
        (["private, max-age=x"], 1, "no-store, no-cache"),
        (["max-age=100", "max-age=999"], 2, "max-age=100"),
        (["public, max-age=10", "max-age=10"], 2, "max-age=10"),
        (["max-age=60", "max-age=60, must-revalidate"], 2, "max-age=60, must-revalidate"),
        (["public, max-age=300", "public, max-age=200", "public, max-age=500"], 3, "public, max-age=200"),
        (["public, max-age=200"], 2, "max-age=200"),
        (["public, max-age=5", "public, max-age=x"], 2, "max-age=5"),
        ([" Public ,MAX-AGE=30 "], 1, "public, max-age=30"),
        (['max-age="30"'], 1, "max-age=30"),
        (["max-age=600, s-maxage=0"], 1, "max-age=0"),
        (["max-age=" + "9" * 50_000], 1, f"max-age={2**31}"),
        (["max-age=-1"], 1, None),
        (["max-age=٣"], 1, None),
        (["public, max-age=5, huh"], 1, "public, max-age=5"),
        (["," * 50_000], 1, None),
        ([""], 1, None),
        ([], 0, None),
    ],
)
def test_merge(values: list[str], replies: int, merged: str | None) -> None:
    """The least age, `public` only of all, and what forbids storing wins; what can't be read is dropped."""
    found = merge_cache_control([one.encode("utf-8") for one in values], replies)
    assert found == (None if merged is None else merged.encode())


def test_a_forced_header_needs_a_value() -> None:
    """A response that must not be stored says so only where a subgraph has said something."""
    assert merge_cache_control([b"max-age=5"], 1, forced=True) == b"no-store, no-cache, must-revalidate"
    assert merge_cache_control([], 0, forced=True) is None
