"""A value that could not be had, as it stands in the tree of an answer that is being put together."""

from dataclasses import dataclass, replace
from typing import Any

ResponsePath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands in the answer's tree for a value that could not be had.

    It becomes null, with this error at its path. A `quiet` one becomes null without an error: what a subgraph
    would have brought of an entity that it does not know. It is no input for anything. One that
    `reads_as_null` is a field's own failure: as an input it is null, where that may be.
    """

    message: str
    code: str
    subgraph: str
    quiet: bool = False
    reads_as_null: bool = False

    def loud(self) -> "Failure":
        """The failure for a field that needs the value."""
        return replace(self, quiet=False) if self.quiet else self

    def of_field(self) -> "Failure":
        """The failure of a field that lacks this value."""
        return replace(self, quiet=False, reads_as_null=True)

    def error(self, path: ResponsePath) -> dict[str, Any]:
        """The entry for `errors`."""
        extensions = {"code": self.code, "service": self.subgraph}
        return {"message": self.message, "path": list(path), "extensions": extensions}
