"""The rules that each subgraph must meet on its own, in RULES. Composition runs all of them.

Each rule is a function in its own module and reports all its errors. `check_external` skips what the rules
before it have reported as invalid; otherwise their order does not matter.
"""

from collections.abc import Callable

from gateway.compose.diagnostics import Report
from gateway.compose.model import SubgraphSchema
from gateway.compose.rules.access import check_access
from gateway.compose.rules.contexts import check_contexts
from gateway.compose.rules.costs import check_costs
from gateway.compose.rules.external import check_external
from gateway.compose.rules.external_sets import check_provides, check_requires
from gateway.compose.rules.keys import check_keys
from gateway.compose.rules.placement import check_placement

RULES: tuple[Callable[[SubgraphSchema, Report], None], ...] = (
    check_keys,
    check_requires,
    check_provides,
    check_external,
    check_placement,
    check_costs,
    check_access,
    check_contexts,
)
