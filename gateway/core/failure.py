"""A failed value in the response data, before projection."""

from dataclasses import dataclass, replace
from typing import Any

ResponsePath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Takes the place of a value in the response data that could not be fetched.

    Projection replaces it by null, and reports the error at its path. An entity whose key or
    input is a failure is not looked up, unless `reads_as_null`.

    - `quiet`: no error is reported: the fields of an entity that the subgraph does not know.
    - `reads_as_null`: the failure of a field that lacks an input; as a representation value it is null, where
      null is allowed.
    """

    message: str
    code: str
    subgraph: str
    quiet: bool = False
    reads_as_null: bool = False

    def as_error(self) -> "Failure":
        """The same failure, reported as an error."""
        return replace(self, quiet=False) if self.quiet else self

    def as_field_failure(self) -> "Failure":
        """The failure of a field whose input has this failure."""
        return replace(self, quiet=False, reads_as_null=True)

    def error(self, path: ResponsePath) -> dict[str, Any]:
        """The entry for `errors`."""
        extensions = {"code": self.code, "service": self.subgraph}
        return {"message": self.message, "path": list(path), "extensions": extensions}
