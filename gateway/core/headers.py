"""A client request's headers, decoded only when they are read."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

FORWARDED = "x-forwarded-for"
FORWARDED_BYTES = FORWARDED.encode()


@lru_cache(maxsize=1024)
def _bytes(name: str) -> bytes:
    return name.encode("latin-1", "replace")


def raw_value(headers: Mapping[str, str], name: bytes) -> bytes | None:
    """Return the bytes of a header that the client has sent; None if it is missing."""
    if isinstance(headers, RequestHeaders):
        return headers.raw.get(name)
    found = headers.get(name.decode("latin-1"))
    return None if found is None else found.encode("latin-1", "replace")


def _joined(raw: Collection[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in raw:
        between = b"; " if name == b"cookie" else b", "
        found[name] = found[name] + between + value if name in found else value
    return found


class RequestHeaders(Mapping[str, str]):
    """The headers of a client's request, by lower-case name.

    `x-forwarded-for` is always the address of the client (`address`), whatever the request contains. The
    values of a repeated header are joined by commas (RFC 9110, 5.2), cookies by semicolons.
    """

    __slots__ = ("address", "raw")

    def __init__(self, raw: Collection[tuple[bytes, bytes]], address: str | None) -> None:
        found = dict(raw)
        self.raw: dict[bytes, bytes] = found if len(found) == len(raw) else _joined(raw)
        self.address = address

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header's value as text, by its lower-case name; `default` if it is missing."""
        if name == FORWARDED:
            return self.address or default
        found = self.raw.get(_bytes(name))
        return default if found is None else found.decode("latin-1")

    def chosen(self, names: Iterable[bytes], address: bool) -> tuple[tuple[bytes, bytes], ...]:
        """Return (name, value) of those of `names` that the request has.

        `address`: whether to append the client's address as `x-forwarded-for`.
        """
        raw = self.raw
        found = [(name, raw[name]) for name in names if name in raw]
        if address and self.address is not None:
            found.append((FORWARDED_BYTES, self.address.encode("latin-1", "replace")))
        return tuple(found)

    def __contains__(self, name: object) -> bool:
        if name == FORWARDED:
            return self.address is not None
        return isinstance(name, str) and _bytes(name) in self.raw

    def __getitem__(self, name: str) -> str:
        if name == FORWARDED:
            if self.address is None:
                raise KeyError(name)
            return self.address
        return self.raw[_bytes(name)].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        names = (name.decode("latin-1") for name in self.raw)
        return iter(
            [
                *(name for name in names if name != FORWARDED),
                *([FORWARDED] if self.address is not None else []),
            ]
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)
