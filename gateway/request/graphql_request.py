"""A GraphQL request as a client sends it, independent of the protocol. `http/read` creates it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

PlanWish = bool | Literal["only"]
"""Whether a response shall have the operation's plan; "only": the plan without an execution."""

NO_VARIABLES: Mapping[str, Any] = MappingProxyType({})


class DocumentReference(NamedTuple):
    """How a request refers to its document without its text.

    `id`: the document id; None if the request has none. `persisted`: its `extensions.persistedQuery` as it is
    in the request, not checked; None if it has none.
    """

    id: str | None = None
    persisted: Any = None


class GraphQLRequest(NamedTuple):
    """A document, the name of the operation to run, and the variables.

    `query_only`: the request came by GET, so only a query may run. `plan`: whether the client wants the plan
    in the response's extensions. `after`: the cursor after which a subscription goes on. `streams`: whether
    the response to a request by GET may be a stream, so that it may be a subscription. `document`: how the
    request refers to its document by id; `query` may then be "".
    """

    query: str
    variables: Mapping[str, Any] = NO_VARIABLES
    operation_name: str | None = None
    query_only: bool = False
    plan: PlanWish = False
    document: DocumentReference | None = None
    after: str | None = None
    streams: bool = False
    incremental: str | None = None
