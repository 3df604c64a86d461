"""The headers that a client request's calls send to subgraphs, encoded once for all of these calls."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Self

from gateway.settings import TRACING_HEADERS

Pairs = tuple[tuple[str, str], ...]
RawPairs = tuple[tuple[bytes, bytes], ...]
TRACING = frozenset(name.encode() for name in TRACING_HEADERS)
"""Headers that only trace a request: they differ for each request, and change no reply."""


class Headers:
    """Headers for subgraphs, as pairs of bytes: a lower-case name and a value.

    `lines` and `sharing_key` are computed on first use and stored in this object, so that no cache with a
    token outlives the request. `by_subgraph`: the headers of each subgraph with own rules, and those of all
    others under the name ""; None if all subgraphs receive these headers.
    """

    __slots__ = ("_lines", "_sharing_key", "by_subgraph", "raw")

    def __init__(self, raw: RawPairs = ()) -> None:
        self.raw = raw
        self.by_subgraph: Mapping[str, Headers] | None = None
        self._lines: bytes | None = None
        self._sharing_key: Hashable = None

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Return headers from pairs of text; characters outside of ISO-8859-1 become question marks."""
        return cls(
            tuple(
                [
                    (name.encode("latin-1", "replace"), text.encode("latin-1", "replace"))
                    for name, text in pairs
                ]
            )
        )

    @property
    def pairs(self) -> Pairs:
        """Return the headers as pairs of text."""
        return tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw])

    @property
    def lines(self) -> bytes:
        """Return the header lines of an HTTP/1.1 request.

        A value with a line break, which could add a header, is omitted.
        """
        if self._lines is None:
            self._lines = b"".join(
                [
                    b"%b: %b\r\n" % (name, value)
                    for name, value in self.raw
                    if b"\n" not in value and b"\r" not in value
                ]
            )
        return self._lines

    @property
    def sharing_key(self) -> Hashable:
        """Return all headers that can change a reply, without those that only trace the request."""
        if self._sharing_key is None:
            self._sharing_key = tuple([one for one in self.raw if one[0] not in TRACING])
            if self.by_subgraph is not None:
                others = [(name, one.sharing_key) for name, one in self.by_subgraph.items()]
                self._sharing_key = (self._sharing_key, *others)
        return self._sharing_key

    def adding(self, pairs: Iterable[tuple[str, str | None]]) -> Self:
        """Return these headers with some replaced or added, and without those whose value is None."""
        given = list(pairs)
        names = {name.encode("latin-1", "replace") for name, _ in given}
        more = self.of((name, value) for name, value in given if value is not None).raw
        return type(self)((*(one for one in self.raw if one[0] not in names), *more))

    def __repr__(self) -> str:
        return f"Headers({', '.join(name.decode('latin-1') for name, _ in self.raw)})"


NO_HEADERS = Headers()
