"""The headers that a request hands on to subgraphs, worked out once for all of its calls."""

from typing import Self

Pairs = tuple[tuple[str, str], ...]
TRACING = frozenset({"traceparent", "tracestate", "x-request-id"})
"""Headers that only trace a request: they differ from request to request and change no answer."""


class Headers:
    """Headers for subgraphs as pairs of a lower-case name and a value.

    `lines` and `sharing` are made when they are first needed, and belong to the request: nothing that holds a token
    outlives it.
    """

    __slots__ = ("_lines", "_sharing", "pairs")

    def __init__(self, pairs: Pairs = ()) -> None:
        self.pairs = pairs
        self._lines: bytes | None = None
        self._sharing: Pairs | None = None

    @property
    def lines(self) -> bytes:
        """The header lines of an HTTP/1.1 request; a value with a line break, which could add a header, is left out."""
        if self._lines is None:
            lines = []
            for name, value in self.pairs:
                line = f"{name}: {value}"
                if "\r" not in line and "\n" not in line:
                    lines.append(line.encode("latin-1", "replace") + b"\r\n")
            self._lines = b"".join(lines)
        return self._lines

    @property
    def sharing(self) -> Pairs:
        """What can change an answer: all headers but those that only trace."""
        if self._sharing is None:
            self._sharing = tuple([one for one in self.pairs if one[0] not in TRACING])
        return self._sharing

    def adding(self, pairs: Pairs) -> Self:
        """These headers with some replaced or added."""
        names = {name for name, _ in pairs}
        return type(self)((*(one for one in self.pairs if one[0] not in names), *pairs))

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self.pairs)})"


NO_HEADERS = Headers()
