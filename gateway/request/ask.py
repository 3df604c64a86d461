"""A GraphQL request as a client sends it, whatever carried it here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asks: a document, which of its operations, and the variables.

    `query_only`: it came by GET, which changes nothing. `plan`: the client wants to see the plan, too.
    """

    query: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    query_only: bool = False
    plan: bool = False
