"""A GraphQL request as a client sends it, independent of the protocol."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NO_VARIABLES: Mapping[str, Any] = MappingProxyType({})


class GraphQLRequest(NamedTuple):
    """A document, the name of the operation in it, and the variables.

    `query_only`: it came by GET, so only a query may run. `plan`: the client wants the plan in the response.
    """

    query: str
    variables: Mapping[str, Any] = NO_VARIABLES
    operation_name: str | None = None
    query_only: bool = False
    plan: bool = False
