"""Passes over the fetch graph, in the order in which they run.

`drop_unasked` comes first, so that a request for nothing does not hold another back; `merge_requests` then
sees only what is needed.
"""

from collections.abc import Callable

from gateway.plan.fetch_graph import Group
from gateway.plan.passes.drop_unasked import drop_unasked
from gateway.plan.passes.merge_requests import merge_requests

PASSES: tuple[Callable[[list[Group]], list[Group]], ...] = (drop_unasked, merge_requests)
