"""A GraphQL request as a client sends it, independent of the protocol. `http/read` creates it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NO_VARIABLES: Mapping[str, Any] = MappingProxyType({})


class GraphQLRequest(NamedTuple):
    """A document, the name of the operation to run, and the variables.

    `query_only`: the request came by GET, so only a query may run. `plan`: the client wants the plan in the
    response's extensions.
    """

    query: str
    variables: Mapping[str, Any] = NO_VARIABLES
    operation_name: str | None = None
    query_only: bool = False
    plan: bool = False
