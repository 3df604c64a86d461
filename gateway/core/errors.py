"""The exception classes, each with a code of the table CODES.

`gateway errors` prints the table as docs/errors.md. A code that is not in the table raises KeyError.
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
    """A place in a source text: line and column, from 1, and the name of the source ("" for a request)."""

    line: int
    column: int
    source: str = ""


class GatewayError(Exception):
    """The base class of all errors: a message for people, a code for programs, and the place of the error.

    `path`: the response path. `extensions`: added to those of the GraphQL error. Raises KeyError for a code
    that is not in CODES.
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
            raise KeyError(f"the error code {code} is not in CODES; add it to the table")
        self.message = message
        self.code = code
        self.locations = tuple(locations)
        self.path = tuple(path) if path is not None else None
        self.extensions = dict(extensions or {})

    @property
    def next_step(self) -> str:
        """Return what a person can do about the error."""
        return CODES[self.code].next_step

    def formatted(self) -> dict[str, Any]:
        """Return the error as an entry of a GraphQL response's `errors` (GraphQL spec, section 7.1.2)."""
        out: dict[str, Any] = {"message": self.message}
        if self.locations:
            out["locations"] = [{"line": place.line, "column": place.column} for place in self.locations]
        if self.path is not None:
            out["path"] = list(self.path)
        out["extensions"] = {"code": self.code, **self.extensions}
        return out


class ComposeError(GatewayError):
    """An error in the subgraphs' SDLs that prevents composition."""


class SupergraphError(GatewayError):
    """A supergraph SDL that can't be loaded or served."""


class SettingsError(GatewayError):
    """An invalid option, setting or configuration file."""


class RequestError(GatewayError):
    """An error of a request that is not executed; the response has only errors.

    `status`: its HTTP status; None if the code determines it (`http/statuses`). `headers`: added to those of
    the HTTP response, each a lower-case name and a value.
    """

    def __init__(
        self,
        message: str,
        code: str,
        *,
        status: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        **rest: Any,
    ) -> None:
        super().__init__(message, code, **rest)
        self.status = status
        self.headers = headers

    @property
    def errors(self) -> "tuple[RequestError, ...]":
        """Return all errors of the request; a subclass may have several."""
        return (self,)


class PlanError(RequestError):
    """A valid operation for which there is no plan, or none within the limits."""


class SagaError(GatewayError):
    """An operation on a saga that is not possible: an unknown saga, a reused key, a wrong status."""


class SubgraphError(GatewayError):
    """A subgraph call without a usable reply. The message is a predicate, as in "could not be reached"."""

    def __init__(self, message: str, code: str, *, subgraph: str, **rest: Any) -> None:
        super().__init__(message, code, **rest)
        self.subgraph = subgraph
        self.extensions.setdefault("service", subgraph)
