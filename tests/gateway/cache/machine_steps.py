"""What can happen in the cache's state machine: the steps, how often, and with which values."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.gateway.cache.world import KEYS, KINDS, MUTATIONS, SDLS

BOTH = "... on Book { stars } ... on Disc { stars }"
QUERIES = (
    "query ($ids: [ID!]!) { products(ids: $ids) { __typename id title } }",
    f"query ($ids: [ID!]!) {{ products(ids: $ids) {{ __typename id title {BOTH} }} }}",
    "query ($ids: [ID!]!) { products(ids: $ids) { __typename id ... on Book "
    "{ pages best { __typename id name } } } }",
    "query ($ids: [ID!]!) { products(ids: $ids) { __typename id ... on Book "
    "{ best { __typename id note } } } }",
    "query ($people: [ID!]!) { persons(ids: $people) { __typename id name "
    "favourite { __typename id title } } }",
    "query ($people: [ID!]!) { persons(ids: $people) { __typename id note name } }",
    f"query ($ids: [ID!]!, $people: [ID!]!) {{ products(ids: $ids) {{ __typename id {BOTH} }} "
    "persons(ids: $people) { __typename id favourite { __typename id stars title } } }",
)
PRODUCTS = [one for one, kind in KINDS.items() if kind != "Person"]
PEOPLE = [one for one, kind in KINDS.items() if kind == "Person"]
USERS = (None, "kim", "lee")
STALENESS = 0.4  # seconds
SCOPES = ("public", "public", "public", "private", "no-store", "no-cache")
KEY = st.sampled_from(KEYS)
PLACE = st.integers(0, 1)
QUERY = st.tuples(
    st.sampled_from(QUERIES),
    st.sampled_from(USERS),
    st.lists(st.sampled_from(PRODUCTS), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=2, unique=True),
)
HOW = st.sampled_from(("key", "type", "subgraph", "tag"))
BY = st.sampled_from(("everywhere", "invalidate", "message"))
Asked = tuple[str, str | None, list[str], list[str]]
SUBGRAPH = st.sampled_from(sorted(SDLS))
GIVEN: Mapping[str, tuple[int, Mapping[str, st.SearchStrategy[Any]]]] = {
    "ask": (3, {"number": PLACE, "asked": QUERY, "fresh": st.integers(0, 9)}),
    "ask_all": (4, {"number": PLACE, "several": st.lists(QUERY, min_size=2, max_size=6)}),
    "change": (6, {"key": KEY, "how": HOW, "by": BY, "number": PLACE, "null": st.integers(0, 5)}),
    "change_silently": (3, {"key": KEY}),
    "mutate": (
        4,
        {
            "number": PLACE,
            "name": st.sampled_from(sorted(MUTATIONS)),
            "which": st.integers(0, 2),
            "user": st.sampled_from(USERS),
        },
    ),
    "burst": (
        7,
        {
            "number": PLACE,
            "several": st.lists(QUERY, min_size=1, max_size=5),
            "key": KEY,
            "how": HOW,
            "by": BY,
            "other": PLACE,
        },
    ),
    "control": (
        3,
        {
            "name": SUBGRAPH,
            "scope": st.sampled_from(SCOPES),
            "lifetime": st.sampled_from((1, 10, 60)),
            "revalidate": st.sampled_from((0, 0, 20)),
            "error": st.sampled_from((0, 0, 20)),
        },
    ),
    "fail": (
        3,
        {"name": SUBGRAPH, "key": KEY, "asked": QUERY, "what": st.sampled_from(("subgraph", "field"))},
    ),
    "wait": (3, {"seconds": st.sampled_from((0.5, 5.0, 12.0, 61.0))}),
    "set_clock": (1, {"seconds": st.sampled_from((-100.0, -5.0, 5.0, 100.0))}),
    "flush": (1, {}),
    "pause": (1, {"asked": QUERY}),
}
"""What can happen: how often, and with which values."""
STEP = st.sampled_from([name for name, (weight, _) in GIVEN.items() for _ in range(weight)]).flatmap(
    lambda name: st.tuples(st.just(name), st.fixed_dictionaries(dict(GIVEN[name][1])))
)
