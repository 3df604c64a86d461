"""The errors and hints of composition, and the Report that all stages add them to.

Errors stop composition; hints do not. Each has a code, and where possible the subgraph, the schema coordinate
and the place in the SDL.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from graphql import Source
from graphql.language import Node

from gateway.compose.hints import HINTS, Level
from gateway.core.errors import CODES, ComposeError, Location

_LINE_END = re.compile(r"\r\n|[\n\r]")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of composition.

    `coordinate`: a schema coordinate, such as `Product.price` or `Query.user(id:)`.
    """

    code: str
    message: str
    subgraph: str | None = None
    coordinate: str | None = None
    location: Location | None = None

    def __str__(self) -> str:
        where = f"[{self.subgraph}] " if self.subgraph else ""
        at = self.location
        place = f" ({at.source}:{at.line}:{at.column})" if at else ""
        return f"{self.code}: {where}{self.message}{place}\n    {CODES[self.code].next_step}"


@dataclass(frozen=True, slots=True)
class Hint:
    """A warning: the subgraphs compose, but the result may not be what their authors intended."""

    code: str
    message: str
    coordinate: str

    @property
    def level(self) -> Level:
        """Return WARN, INFO or DEBUG, from the table of hints."""
        return HINTS[self.code].level

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(slots=True)
class Report:
    """Collects the errors and hints of all stages.

    `places(coordinate, subgraph)` returns the AST node that defines a coordinate, or None; it gives an error
    its line and column.
    """

    places: Callable[[str, str | None], Node | None] = lambda coordinate, subgraph: None
    _problems: dict[Problem, None] = field(default_factory=dict)
    _lines: dict[int, list[int]] = field(default_factory=dict)
    _hints: dict[Hint, None] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return the errors so far, without duplicates, in the order in which they were reported."""
        return tuple(self._problems)

    @property
    def hints(self) -> tuple[Hint, ...]:
        """Return the hints so far, without duplicates."""
        return tuple(self._hints)

    @property
    def count(self) -> int:
        """Return the number of errors so far."""
        return len(self._problems)

    def error(
        self,
        code: str,
        message: str,
        *,
        subgraph: str | None = None,
        coordinate: str | None = None,
        node: Node | None = None,
    ) -> None:
        """Add an error with one of the codes in `core.codes`.

        Its line and column are those of `node`; without it, those of the coordinate's definition in the
        subgraph.
        """
        location = None
        if node is None and coordinate is not None:
            node = self.places(coordinate, subgraph)
        if node is not None and node.loc is not None:
            location = self._location(node.loc.source, node.loc.start)
        self._problems[Problem(code, message, subgraph, coordinate, location)] = None

    def _location(self, source: Source, start: int) -> Location:
        """Return the source, line and column of an offset (in characters) in a source."""
        starts = self._lines.get(id(source))
        if starts is None:
            starts = [0, *(match.end() for match in _LINE_END.finditer(source.body))]
            self._lines[id(source)] = starts
        line = bisect_right(starts, start)
        return Location(line, start - starts[line - 1] + 1, source.name)

    def hint(self, code: str, message: str, coordinate: str) -> None:
        """Add a hint. Raises KeyError for a code that is not in HINTS."""
        self._hints[Hint(HINTS[code].name, message, coordinate)] = None


class CompositionFailed(ComposeError):
    """Raised when the subgraphs can't be composed. `problems`: all errors."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        text = "\n".join(str(problem) for problem in self.problems)
        super().__init__(f"the subgraphs can't be composed:\n{text}", self.problems[0].code)
