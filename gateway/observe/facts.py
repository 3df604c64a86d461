"""The closed list of facts that the gateway reports; logs, metrics and traces listen to them."""

from dataclasses import dataclass
from typing import NamedTuple


class StageStarted(NamedTuple):
    """A stage of a request has started.

    `at`: seconds of the request's clock; `detail`: a subgraph's name for a call.
    """

    stage: str
    request: str
    at: float
    detail: str = ""


class StageEnded(NamedTuple):
    """A stage of a request has ended after `seconds`; `error` is a code, None when nothing went wrong."""

    stage: str
    request: str
    at: float
    seconds: float
    detail: str = ""
    error: str | None = None


REQUEST = "request"
PREPARE = "prepare"
EXECUTE = "execute"
CALL = "call"
"""The stages of a request: all of it; parsing, validating and planning of an operation that is not known yet;
the execution of its plan; one call to a subgraph.
"""


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
    """A supergraph or settings that were to be served next can't be; those before are served on."""

    code: str
    message: str
    next_step: str


@dataclass(frozen=True, slots=True)
class SubgraphFailed:
    """A request to a subgraph brought no usable answer. `request`: the id of the client's request."""

    subgraph: str
    code: str
    message: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class InternalFailure:
    """A mistake of the gateway's own; `id` is the request's, which the client was told."""

    id: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class PlanRunAgain:
    """A field failed that a hasty plan had asked of too much: the careful plan runs. `request`: its id."""

    request: str


Fact = (
    StageStarted
    | StageEnded
    | Started
    | Reloaded
    | ReloadRefused
    | SubgraphFailed
    | PlanRunAgain
    | InternalFailure
)
