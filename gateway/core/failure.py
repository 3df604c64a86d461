"""A value that could not be had, as it stands in the tree of an answer that is being put together."""

from dataclasses import dataclass
from typing import Any

ResponsePath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands in the answer's tree for a value that could not be had.

    It becomes null, with this error at its path.
    """

    message: str
    code: str
    subgraph: str

    def error(self, path: ResponsePath) -> dict[str, Any]:
        """The entry for `errors`."""
        extensions = {"code": self.code, "service": self.subgraph}
        return {"message": self.message, "path": list(path), "extensions": extensions}
