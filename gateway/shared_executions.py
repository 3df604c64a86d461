"""Lets equal concurrent queries share one execution.

Equal means equal in everything that can change the response: the plan, the variables, the partition of the
request, and every forwarded header except those that only trace a request. The first query executes and the
others wait for its response; if its client disconnects, the execution continues for the others. A response
for one user (`Cache-Control: private` or `no-store`, `Set-Cookie`) is not shared: then each query is
executed.
"""

from collections.abc import Hashable

from gateway.core.envelope import Envelope
from gateway.execution import EnvelopeCallback, StartExecution
from gateway.transport.base import Handle


class Waiter:
    """A request that waits for a shared execution. Cancelling the last waiter cancels the execution.

    `start`: begins an execution for this request alone, if the response can't be shared; `handle`: of that
    execution.
    """

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
        """Pass the result to the request, unless it was cancelled."""
        answered, self.answered = self.answered, None
        if answered is not None:
            answered(found)


class SharedExecution:
    """One execution and the requests that wait for it."""

    __slots__ = ("executions", "handle", "key", "waiters")

    def __init__(self, executions: "SharedExecutions", key: Hashable) -> None:
        self.executions = executions
        self.key = key
        self.waiters: list[Waiter] = []
        self.handle: Handle | None = None

    def join(self, start: StartExecution, answered: EnvelopeCallback) -> Waiter:
        """Add a waiter. `start` begins an execution for it alone, if it needs one."""
        waiter = Waiter(self, start, answered)
        self.waiters.append(waiter)
        return waiter

    def left(self) -> None:
        """A waiter was cancelled: if it was the last one, cancel the execution."""
        if all(waiter.answered is None for waiter in self.waiters):
            self.close()
            if self.handle is not None:
                self.handle.cancel()

    def close(self) -> None:
        """Remove the execution from the open ones, so that no further request joins."""
        if self.executions.open.get(self.key) is self:
            del self.executions.open[self.key]

    def complete(self, found: Envelope | BaseException) -> None:
        """Pass the result to the first waiter, and to the others if it may be shared; else execute for each
        of them.
        """
        self.close()
        waiters = [waiter for waiter in self.waiters if waiter.answered is not None]
        self.waiters, self.handle = [], None  # leave no reference cycle
        shared = isinstance(found, Envelope) and not found.cache.private
        if isinstance(found, Envelope) and shared and len(waiters) > 1:
            found = found.shared()
        for number, waiter in enumerate(waiters):
            if waiter.answered is None:  # cancelled by the callback of an earlier waiter
                continue
            if shared or number == 0:
                waiter.receive(found)
            else:
                waiter.handle = waiter.start(waiter.receive)


class SharedExecutions:
    """The executions in progress, by key."""

    def __init__(self) -> None:
        self.open: dict[Hashable, SharedExecution] = {}

    def share(self, key: Hashable, start: StartExecution, answered: EnvelopeCallback) -> Handle:
        """Execute, or wait for the equal execution in progress.

        `start` begins an execution; it never calls back before it returns.
        """
        execution = self.open.get(key)
        if execution is not None:
            return execution.join(start, answered)
        execution = self.open[key] = SharedExecution(self, key)
        waiter = execution.join(start, answered)
        try:
            execution.handle = start(execution.complete)
        except BaseException:
            execution.close()  # no request may wait for an execution that did not start
            raise
        return waiter
