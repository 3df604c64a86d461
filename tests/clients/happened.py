"""What happens to an operation of a client, whichever program runs the client."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

PATIENCE = 30  # seconds after which a test fails
ENDS = frozenset({"complete", "lost"})


class Happened:
    """What a client reports of one operation, as pairs of a kind and a value.

    `next`: the data of a result. `errors`: `data` and the `codes` of the errors of one. `complete`: the end.
    `lost`: the client has given up, with its reason.
    """

    def __init__(self) -> None:
        self.all: list[tuple[str, Any]] = []

    def add(self, kind: str, value: Any = None) -> None:
        """Record what happens, unless the operation has ended."""
        if not self.is_over:
            self.all.append((kind, value))

    @property
    def kinds(self) -> list[str]:
        """Return what happened, without the values."""
        return [kind for kind, _ in self.all]

    @property
    def data(self) -> list[Any]:
        """Return the data of all results without errors."""
        return [value for kind, value in self.all if kind == "next"]

    @property
    def codes(self) -> list[str]:
        """Return the codes of all errors."""
        return [code for kind, value in self.all if kind == "errors" for code in value["codes"]]

    @property
    def is_over(self) -> bool:
        """Return whether the operation has ended."""
        return bool(self.all) and self.all[-1][0] in ENDS

    async def has(self, kind: str, times: int = 1) -> None:
        """Wait until something has happened this often."""
        await self._wait(lambda: self.kinds.count(kind) >= times, f"{times} x {kind}")

    async def has_data(self, data: Any) -> None:
        """Wait until a result has these data."""
        await self._wait(lambda: data in self.data, str(data))

    async def ends(self) -> None:
        """Wait until the operation has ended."""
        await self._wait(lambda: self.is_over, "the end")

    async def _wait(self, is_there: Callable[[], bool], expected: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not is_there():  # noqa: ASYNC110 - a client reports at any time
                    await asyncio.sleep(0.001)
        except TimeoutError:
            raise AssertionError(f"expected {expected}, got {self.all}") from None


class Running(Protocol):
    """An operation that a client runs."""

    happened: Happened

    def stop(self) -> None:
        """End the operation, as a user of the client does."""
        ...


class Clients(Protocol):
    """Some clients, by name."""

    names: frozenset[str]

    def start(
        self, client: str, connection: str, url: str, request: dict[str, Any], token: str | None = None
    ) -> Running:
        """Start an operation.

        `connection`: a name; operations with the same one share a client, and its connection if it has one.
        """
        ...

    def renew(self, client: str, connection: str, token: str) -> None:
        """Give a connection that is open a new token."""
        ...
