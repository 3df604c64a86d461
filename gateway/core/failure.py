"""A failed value in the response data, on the exact path before projection."""

from dataclasses import dataclass, replace
from typing import Any

ResponsePath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands in the response data for a value that could not be fetched.

    Projection replaces it by null, and reports the error at its path. An entity whose key or input is a
    failure is not looked up, unless `reads_as_null`.

    - `quiet`: no error is reported. It is used for the fields of an entity that the subgraph does not know.
    - `reads_as_null`: the failure of a field that lacks an input; if the field itself is an input of another
      request, null is sent for it, where null is allowed.
    """

    message: str
    code: str
    subgraph: str
    quiet: bool = False
    reads_as_null: bool = False

    def as_error(self) -> "Failure":
        """Return the same failure, but not quiet."""
        return replace(self, quiet=False) if self.quiet else self

    def as_field_failure(self) -> "Failure":
        """Return the failure of a field whose @requires input has this failure."""
        return replace(self, quiet=False, reads_as_null=True)

    def error(self, path: ResponsePath) -> dict[str, Any]:
        """Return the entry for the response's `errors`."""
        extensions = {"code": self.code, "service": self.subgraph}
        return {"message": self.message, "path": list(path), "extensions": extensions}
