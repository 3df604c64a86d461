"""Equal queries that are under way at the same time are answered by one execution.

Equal in everything that can change the answer: the plan, the variables, the partition of the request, and
every header that subgraphs are sent, but for those that only trace a request. The first one executes; the
others wait for its answer, and if it leaves, the execution goes on for them. What a subgraph gives to one
user alone (`Cache-Control: private` or `no-store`, `Set-Cookie`), each executes for itself.
"""

from collections.abc import Hashable

from gateway.core.envelope import Envelope
from gateway.execution import EnvelopeCallback, StartExecution
from gateway.transport.base import Handle


class Waiter:
    """One who waits for an execution. Leaving ends the execution only if no other waits for it."""

    __slots__ = ("answered", "execution", "handle", "start")

    def __init__(
        self, execution: "SharedExecution", start: StartExecution, answered: EnvelopeCallback
    ) -> None:
        self.execution = execution
        self.start = start
        self.answered: EnvelopeCallback | None = answered
        self.handle: Handle | None = None

    def cancel(self) -> None:
        self.answered = None
        if self.handle is not None:
            self.handle.cancel()
        else:
            self.execution.left()

    def receive(self, found: Envelope | BaseException) -> None:
        """Hand over the answer, unless this one has left."""
        answered, self.answered = self.answered, None
        if answered is not None:
            answered(found)


class SharedExecution:
    """One execution, and those who wait for it."""

    __slots__ = ("executions", "handle", "key", "waiters")

    def __init__(self, executions: "SharedExecutions", key: Hashable) -> None:
        self.executions = executions
        self.key = key
        self.waiters: list[Waiter] = []
        self.handle: Handle | None = None

    def join(self, start: StartExecution, answered: EnvelopeCallback) -> Waiter:
        """One more waits; `start` begins an execution of its own, should it need one."""
        waiter = Waiter(self, start, answered)
        self.waiters.append(waiter)
        return waiter

    def left(self) -> None:
        """Somebody has left; with the last one, the execution ends."""
        if all(waiter.answered is None for waiter in self.waiters):
            self.close()
            if self.handle is not None:
                self.handle.cancel()

    def close(self) -> None:
        """Nobody joins any more."""
        if self.executions.open.get(self.key) is self:
            del self.executions.open[self.key]

    def complete(self, found: Envelope | BaseException) -> None:
        """The answer is there: one takes it, and all others do if it may be shared.

        Else each executes anew.
        """
        self.close()
        waiters = [waiter for waiter in self.waiters if waiter.answered is not None]
        self.waiters, self.handle = [], None  # no cycle is left for the garbage collector
        shared = isinstance(found, Envelope) and not found.cache.private
        if isinstance(found, Envelope) and shared and len(waiters) > 1:
            found = found.shared()
        for number, waiter in enumerate(waiters):
            if waiter.answered is None:  # gone with one before it
                continue
            if shared or number == 0:
                waiter.receive(found)
            else:
                waiter.handle = waiter.start(waiter.receive)


class SharedExecutions:
    """The executions that are under way, by what they share."""

    def __init__(self) -> None:
        self.open: dict[Hashable, SharedExecution] = {}

    def share(self, key: Hashable, start: StartExecution, answered: EnvelopeCallback) -> Handle:
        """Execute, or wait for the equal execution that is under way.

        `start` begins one; it never calls back before it returns.
        """
        execution = self.open.get(key)
        if execution is not None:
            return execution.join(start, answered)
        execution = self.open[key] = SharedExecution(self, key)
        waiter = execution.join(start, answered)
        try:
            execution.handle = start(execution.complete)
        except BaseException:
            execution.close()  # nobody may wait for what has not begun
            raise
        return waiter
