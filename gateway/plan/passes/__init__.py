"""The passes over the fetch graph, in the order in which they run. Each returns the groups that remain.

`drop_empty_groups` runs first: an empty group would delay the groups that wait for it, and `merge_requests`
would count it.
"""

from collections.abc import Callable

from gateway.plan.fetch_graph import FetchGroup
from gateway.plan.passes.drop_empty_groups import drop_empty_groups
from gateway.plan.passes.merge_requests import merge_requests

PASSES: tuple[Callable[[list[FetchGroup]], list[FetchGroup]], ...] = (drop_empty_groups, merge_requests)
