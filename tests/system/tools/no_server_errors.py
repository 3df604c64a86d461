"""A check for schemathesis: it passes unless the status is 5xx or the response is not JSON.

Errors in a GraphQL response are right for random arguments; its own check counts them as failures.
"""

import schemathesis
from hypothesis import strategies
from schemathesis.graphql import nodes

PRICES = strategies.decimals(min_value=-1, max_value=10**9, places=2).map(str)
schemathesis.graphql.scalar("Decimal", (PRICES | strategies.text()).map(nodes.String))
schemathesis.graphql.scalar("Upload", strategies.text().map(nodes.String))  # files come as forms only


@schemathesis.check
def no_server_error(ctx: object, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Raise AssertionError for a status of 500 and above, and for a body that is not JSON."""
    assert response.status_code < 500, f"status {response.status_code}: {response.text[:500]}"
    response.json()
