"""A value that could not be had, as it stands in the tree of an answer that is being put together."""

from dataclasses import dataclass, replace
from typing import Any

ResponsePath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands in the answer's tree for a value that could not be had.

    It becomes null, with this error at its path. A `quiet` one becomes null without an error: what a subgraph
    would have brought of an entity that it does not know. It is no input for anything.
    """

    message: str
    code: str
    subgraph: str
    quiet: bool = False

    def loud(self) -> "Failure":
        """The failure for a field that needs the value."""
        return replace(self, quiet=False) if self.quiet else self

    def error(self, path: ResponsePath) -> dict[str, Any]:
        """The entry for `errors`."""
        extensions = {"code": self.code, "service": self.subgraph}
        return {"message": self.message, "path": list(path), "extensions": extensions}
