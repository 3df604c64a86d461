"""Collects the keys that one operation asks of one function, and asks for them in one call.

Strawberry calls `resolve_reference` for each representation of an `_entities` field, at once and one after
the other; aliases of the field follow before the event loop goes on. So a batch is complete when the loop has
turned. A batch belongs to one execution of an operation: nothing is shared with another one.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from inspect import isawaitable
from typing import Any

Ask = Callable[[list[Any]], Any]
"""Returns a sequence with an entity, None or an exception for each key; or an awaitable of one."""


class Batch:
    """The keys of one call, without duplicates, and for each of them the futures of who waits for it.

    `execution`: identifies the operation's execution. `name`: the function's, for messages.
    """

    def __init__(self, execution: object, ask: Ask, name: str) -> None:
        self.execution = execution
        self.ask = ask
        self.name = name
        self.keys: dict[Hashable, Any] = {}
        self.waiting: dict[Hashable, list[asyncio.Future[Any]]] = {}
        self.task: asyncio.Task[None] | None = None

    def add(self, key: Any, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[Any]":
        """Add a key; return the future of its entity."""
        future: asyncio.Future[Any] = loop.create_future()
        future.add_done_callback(self._left)
        identity = frozen(key)
        self.keys.setdefault(identity, key)
        self.waiting.setdefault(identity, []).append(future)
        return future

    def start(self) -> None:
        """Ask for the keys, unless nobody waits for any of them."""
        if not self._is_abandoned:
            self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            found = self.ask([*self.keys.values()])
            results = self._checked(await found if isawaitable(found) else found)
        except Exception as error:
            results = [error] * len(self.keys)
        except BaseException:
            for future in self._futures:
                future.cancel()
            raise
        for futures, result in zip(self.waiting.values(), results, strict=True):
            for future in futures:
                _finish(future, result)

    def _checked(self, results: object) -> Sequence[Any]:
        """Return the results. Raises TypeError if there is not one for each key."""
        is_list = isinstance(results, Sequence) and not isinstance(results, str | bytes)
        if isinstance(results, Sequence) and is_list and len(results) == len(self.keys):
            return results
        found = (
            f"{len(results)} elements" if isinstance(results, Sequence) and is_list else repr(type(results))
        )
        raise TypeError(
            f"{self.name} must return a list with an element for each key: expected {len(self.keys)}"
            f" elements, "
            f"got {found}"
        )

    @property
    def _futures(self) -> "list[asyncio.Future[Any]]":
        return [future for futures in self.waiting.values() for future in futures]

    @property
    def _is_abandoned(self) -> bool:
        return all(future.cancelled() for future in self._futures)

    def _left(self, future: "asyncio.Future[Any]") -> None:
        """Cancel the call if the operation was cancelled, so that nobody waits any more."""
        if future.cancelled() and self.task is not None and self._is_abandoned:
            self.task.cancel()


_collecting: dict[tuple[int, Hashable], Batch] = {}
"""The batches that the loop's next turns start. A batch refers to its execution, whose id therefore is not
used again while the batch is here.
"""


def collect(execution: object, group: Hashable, key: Any, ask: Ask, name: str) -> "asyncio.Future[Any]":
    """Return the future of a key's entity.

    Keys with equal `group` are asked for in one call of `ask` (that of the first key), if they belong to the
    same `execution`. Raises RuntimeError outside of an event loop.
    """
    loop = asyncio.get_running_loop()
    place = (id(execution), (loop, group))
    batch = _collecting.get(place)
    if batch is None:
        batch = _collecting[place] = Batch(execution, ask, name)
        loop.call_soon(loop.call_soon, _start, place)  # the second turn: resolvers may run in tasks
    return batch.add(key, loop)


def _start(place: tuple[int, Hashable]) -> None:
    _collecting.pop(place).start()


def _finish(future: "asyncio.Future[Any]", result: Any) -> None:
    if future.done():
        return
    if not isinstance(result, Exception):
        future.set_result(result)
        return
    stops = isinstance(result, StopIteration)  # which no future can have
    future.set_exception(RuntimeError(f"the batch raised {result!r}") if stops else result)
    future.exception()  # an execution that has already failed does not fetch it; asyncio would log that


def frozen(value: Any) -> Hashable:
    """Return a hashable value that is equal for equal keys, and different for 1, True and "1"."""
    if isinstance(value, Mapping):
        return (dict, frozenset((name, frozen(one)) for name, one in value.items()))
    if isinstance(value, list | tuple):
        return (type(value), tuple(frozen(one) for one in value))
    if is_dataclass(value) and not isinstance(value, type):
        return (type(value), tuple(frozen(getattr(value, field.name, None)) for field in fields(value)))
    try:
        hash(value)
    except TypeError:
        return (type(value), id(value))  # a scalar of its own that can't be compared: no duplicate
    return (type(value), value)
