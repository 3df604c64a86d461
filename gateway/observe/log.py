"""Logs facts to standard error: readable lines on a terminal, JSON lines otherwise."""

import sys
from dataclasses import fields
from typing import Any, TextIO

import orjson
import structlog

from gateway.observe.facts import (
    AccessDenied,
    DocumentsNotReloaded,
    DocumentStoreFailed,
    ErrorMasked,
    Fact,
    InternalFailure,
    KeySetFailed,
    OperationCost,
    PlanRunAgain,
    RedisFailed,
    RedisReturned,
    Reloaded,
    ReloadRefused,
    StageEnded,
    StageStarted,
    Started,
    SubgraphFailed,
    UnlistedDocument,
)

MAX_TEXT = 1_000  # characters of a document in the log


class Log:
    """A listener that writes a log entry for each fact (see `observe.facts`).

    `json`: whether to write JSON lines; by default unless the stream is a terminal. `stream`: by default
    `sys.stderr` as it is at each entry.
    """

    def __init__(self, json: bool | None = None, stream: TextIO | None = None) -> None:
        self.json = json
        self.stream = stream

    def __call__(self, fact: Fact) -> None:
        """Log one fact."""
        log = self._logger()
        if not _log_failure(log, fact):
            _log_event(log, fact)

    def _logger(self) -> Any:
        stream = self.stream or sys.stderr
        as_json = not stream.isatty() if self.json is None else self.json
        processors: list[Any] = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _as_json if as_json else structlog.dev.ConsoleRenderer(),
        ]
        return structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors,
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=False,
        )


def _fields(
    fact: ReloadRefused | SubgraphFailed | KeySetFailed | ErrorMasked | OperationCost,
) -> dict[str, Any]:
    """Return the fields of a fact by name, as those of its log entry."""
    return {one.name: getattr(fact, one.name) for one in fields(fact)}


def _log_documents(log: Any, fact: Fact) -> bool:
    """Log that something went wrong with documents; return whether the fact was that."""
    match fact:
        case DocumentsNotReloaded():
            log.error("documents not reloaded", message=fact.message)
        case DocumentStoreFailed():
            names = {"store": fact.store, "message": fact.message}
            log.warning("document store failed", **names, failures=fact.failures)
        case UnlistedDocument():
            shown: dict[str, Any] = {"client": fact.client, "operation": fact.operation}
            log.warning("document not listed", **shown, text=fact.text[:MAX_TEXT], request=fact.request)
        case _:
            return False
    return True


_as_json = structlog.processors.JSONRenderer(
    serializer=lambda value, **_: orjson.dumps(value, default=str).decode()
)


def _log_failure(log: Any, fact: Fact) -> bool:
    """Log something that went wrong; return whether the fact was that."""
    match fact:
        case ReloadRefused():
            log.error("not reloaded", **_fields(fact))
        case SubgraphFailed():
            log.warning("subgraph failed", **_fields(fact))
        case KeySetFailed():
            log.warning("key set failed", **_fields(fact))
        case ErrorMasked():
            log.warning("error masked", **_fields(fact))
        case OperationCost() if fact.result != "COST_OK" or fact.over_budget:
            log.warning("operation above a cost limit", **_fields(fact))
        case RedisFailed():
            log.warning("Redis failed; going on without it", message=fact.message)
        case AccessDenied():
            event = "access would be denied" if fact.dry_run else "access denied"
            log.warning(event, denied=list(fact.denied), client=fact.client, request=fact.request)
        case InternalFailure():
            log.error("internal failure", id=fact.id, exc_info=fact.error)
        case _:
            return _log_documents(log, fact)
    return True


def _log_event(log: Any, fact: Fact) -> None:
    """Log something that happened as it should."""
    match fact:
        case Started():
            log.info("started", address=fact.address, subgraphs=list(fact.subgraphs))
        case Reloaded():
            log.info("reloaded", subgraphs=list(fact.subgraphs))
        case RedisReturned():
            log.info("Redis is back")
        case PlanRunAgain():
            log.info("plan run again", request=fact.request)
        case StageStarted():
            log.debug("stage started", stage=fact.stage, request=fact.request, detail=fact.detail)
        case StageEnded():
            shown = {"stage": fact.stage, "request": fact.request, "detail": fact.detail}
            log.debug("stage ended", **shown, ms=round(fact.seconds * 1000, 3), error=fact.error)
