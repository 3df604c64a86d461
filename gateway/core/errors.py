"""One tree of errors and one table of codes.

Every code that leaves the gateway stands in CODES with what it means and what to do next; `gateway errors`
prints the table as docs/errors.md, and a test fails when a code is raised that the table does not know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.core.codes import CODES, Code

__all__ = [
    "CODES",
    "Code",
    "ComposeError",
    "GatewayError",
    "Location",
    "PlanError",
    "RequestError",
    "SagaError",
    "SettingsError",
    "SubgraphError",
    "SupergraphError",
]


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a source text: 1-based line and column, and the name of the source."""

    line: int
    column: int
    source: str = ""


class GatewayError(Exception):
    """The root: a message for a person, a code for a program, and where it went wrong.

    `code` must be in CODES. `extensions` are added to those of the GraphQL error.
    """

    def __init__(
        self,
        message: str,
        code: str,
        *,
        locations: Sequence[Location] = (),
        path: Sequence[str | int] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        if code not in CODES:
            raise KeyError(f"{code} is not in the table of codes")
        self.message = message
        self.code = code
        self.locations = tuple(locations)
        self.path = tuple(path) if path is not None else None
        self.extensions = dict(extensions or {})

    @property
    def next_step(self) -> str:
        """What a person does about it."""
        return CODES[self.code].next_step

    def formatted(self) -> dict[str, Any]:
        """The error as an entry of a GraphQL response's `errors` (GraphQL spec, section 7.1.2)."""
        out: dict[str, Any] = {"message": self.message}
        if self.locations:
            out["locations"] = [{"line": place.line, "column": place.column} for place in self.locations]
        if self.path is not None:
            out["path"] = list(self.path)
        out["extensions"] = {"code": self.code, **self.extensions}
        return out


class ComposeError(GatewayError):
    """Something in the subgraphs' SDLs that keeps them from being composed."""


class SupergraphError(GatewayError):
    """A supergraph SDL that cannot be loaded or served."""


class SettingsError(GatewayError):
    """An option or a file that a person gave and that cannot be used."""


class RequestError(GatewayError):
    """A request that is answered without running anything.

    `status` is its HTTP status, None where the code decides (`http/statuses`).
    """

    def __init__(self, message: str, code: str, *, status: int | None = None, **rest: Any) -> None:
        super().__init__(message, code, **rest)
        self.status = status

    @property
    def errors(self) -> "tuple[RequestError, ...]":
        """Everything that is wrong with the request."""
        return (self,)


class PlanError(RequestError):
    """A valid operation that no plan was found for, or none within the limits."""


class SagaError(GatewayError):
    """Something about a saga that can't be.

    An unknown one, a key used twice, an operator's word at the wrong time.
    """


class SubgraphError(GatewayError):
    """A subgraph that gave no usable answer: unreachable, too slow, or not speaking GraphQL."""

    def __init__(self, message: str, code: str, *, subgraph: str, **rest: Any) -> None:
        super().__init__(message, code, **rest)
        self.subgraph = subgraph
        self.extensions.setdefault("service", subgraph)
