"""The observer: the one place through which the gateway reports facts to listeners."""

from collections.abc import Callable, Iterable

from gateway.core.context import RequestContext
from gateway.observe.facts import Fact, StageEnded, StageStarted

Listener = Callable[[Fact], None]


class Observer:
    """Passes facts to `listeners`, and the start and end of each stage of a request to `stage_listeners`.

    Without stage listeners no stage is timed.
    """

    def __init__(self, listeners: Iterable[Listener] = (), stage_listeners: Iterable[Listener] = ()) -> None:
        self.listeners: tuple[Listener, ...] = tuple(listeners)
        self.stage_listeners: tuple[Listener, ...] = tuple(stage_listeners)
        self.watches_stages = bool(self.stage_listeners)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Add a listener for all facts except stages. Calling the returned function removes it."""
        self.listeners = (*self.listeners, listener)

        def stop() -> None:
            self.listeners = tuple(item for item in self.listeners if item is not listener)

        return stop

    def emit(self, fact: Fact) -> None:
        for listener in self.listeners:
            listener(fact)

    def started(self, stage: str, context: RequestContext, detail: str = "") -> float:
        at = context.clock.time()
        fact = StageStarted(stage, context.id, at, detail)
        for listener in self.stage_listeners:
            listener(fact)
        return at

    def ended(
        self, stage: str, context: RequestContext, since: float, detail: str = "", error: str | None = None
    ) -> None:
        at = context.clock.time()
        fact = StageEnded(stage, context.id, at, at - since, detail, error)
        for listener in self.stage_listeners:
            listener(fact)
