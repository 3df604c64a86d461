"""The complete list of facts that the gateway reports to listeners, for logs, metrics and traces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class StageStarted(NamedTuple):
    """A stage of a request has started.

    `request`: the request's id. `at`: the clock's time in seconds. `detail`: the subgraph, for a call.
    """

    stage: str
    request: str
    at: float
    detail: str = ""


class StageEnded(NamedTuple):
    """A stage of a request has ended after `seconds`. `error`: an error code; None after success."""

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
"""The stages of a request: the whole request; parsing, validating and planning of an operation that is not
cached; the execution of its plan; one call to a subgraph.
"""


@dataclass(frozen=True, slots=True)
class Started:
    """The gateway accepts requests."""

    address: str
    subgraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The gateway now serves another supergraph."""

    subgraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """A new supergraph or new settings are not valid; the gateway still serves the previous ones."""

    code: str
    message: str
    next_step: str


@dataclass(frozen=True, slots=True)
class SubgraphFailed:
    """A subgraph call had no usable reply. `request`: the id of the client's request."""

    subgraph: str
    code: str
    message: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class ErrorMasked:
    """An error of a subgraph that the client does not receive in full.

    `request`: the request's id, which the client receives with the error. `code`: as the client receives it.
    `path`: of the first of several equal errors. `extensions`: as the subgraph has sent them.
    """

    request: str
    subgraph: str
    code: str
    message: str
    path: tuple[str | int, ...]
    extensions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InternalFailure:
    """An unexpected exception. `id`: the request's id, which the client receives too."""

    id: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class KeySetFailed:
    """The keys of an issuer of tokens could not be read; the previous keys stay in use."""

    issuer: str
    message: str


@dataclass(frozen=True, slots=True)
class RedisFailed:
    """Redis does not reply in time, or with an error; until it does, requests go on without it."""

    message: str


@dataclass(frozen=True, slots=True)
class RedisReturned:
    """Redis replies again."""


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """A request needs access rights that it lacks. `request`: its id. `client`: the client's name.

    `denied`: the denied places of the operation, as response paths with dots; in a dry run, which denies
    nothing, the missing requirements.
    """

    request: str
    client: str | None
    denied: tuple[str, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class DocumentsNotReloaded:
    """The trusted documents could not be read again; the previous ones stay in use."""

    message: str


@dataclass(frozen=True, slots=True)
class DocumentStoreFailed:
    """A store of documents ("remote") does not respond as it should.

    `failures`: how often, since the last such fact.
    """

    store: str
    message: str
    failures: int


@dataclass(frozen=True, slots=True)
class UnlistedDocument:
    """A text that is not one of the trusted documents runs, in the mode `log`; once for each text and client.

    `request`: its id. `client`: the client's name. `operation`: the name of the text's first operation.
    `text`: the text.
    """

    request: str
    client: str | None
    operation: str | None
    text: str


@dataclass(frozen=True, slots=True)
class OperationCost:
    """The cost of a request, before the execution and, if it is computed, after it.

    `request`: its id. `operation`: its operation's name. `result`: COST_OK, COST_ESTIMATED_TOO_EXPENSIVE or
    COST_ACTUAL_TOO_EXPENSIVE. `actual`: None before the execution. `over_budget`: the subgraphs above their
    budgets.
    """

    request: str
    operation: str | None
    result: str
    estimated: int
    actual: int | None = None
    over_budget: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanRunAgain:
    """The careful plan runs, because a field failed that a hasty plan had fetched for too many objects.

    `request`: the request's id.
    """

    request: str


Fact = (
    StageStarted
    | StageEnded
    | Started
    | Reloaded
    | ReloadRefused
    | SubgraphFailed
    | KeySetFailed
    | RedisFailed
    | RedisReturned
    | AccessDenied
    | DocumentsNotReloaded
    | DocumentStoreFailed
    | UnlistedDocument
    | OperationCost
    | PlanRunAgain
    | ErrorMasked
    | InternalFailure
)
