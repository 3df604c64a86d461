"""The closed list of facts that stages emit; logs, metrics and traces listen to them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """The gateway accepts requests."""

    address: str
    subgraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Another supergraph is served from now on."""

    subgraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """A supergraph that was to be served next is none; the one before is served on."""

    code: str
    message: str
    next_step: str


@dataclass(frozen=True, slots=True)
class SubgraphFailed:
    """A request to a subgraph brought no usable answer."""

    subgraph: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class InternalFailure:
    """A mistake of the gateway's own; `id` is what the client was told."""

    id: str
    error: BaseException


Fact = Started | Reloaded | ReloadRefused | SubgraphFailed | InternalFailure
Listener = Callable[[Fact], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> Callable[[], None]:
    """Call a listener with every fact from now on; the result ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def emit(fact: Fact) -> None:
    """Tell everyone who listens."""
    for listener in _listeners:
        listener(fact)
