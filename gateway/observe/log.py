"""Logs facts to standard error: readable lines on a terminal, JSON lines otherwise."""

import sys
from typing import Any, TextIO

import orjson
import structlog

from gateway.observe.facts import (
    AccessDenied,
    DocumentsNotReloaded,
    DocumentStoreFailed,
    Fact,
    InternalFailure,
    KeySetFailed,
    PlanRunAgain,
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
        match fact:
            case Started():
                log.info("started", address=fact.address, subgraphs=list(fact.subgraphs))
            case Reloaded():
                log.info("reloaded", subgraphs=list(fact.subgraphs))
            case ReloadRefused():
                log.error("not reloaded", code=fact.code, message=fact.message, next_step=fact.next_step)
            case SubgraphFailed():
                names = {"subgraph": fact.subgraph, "code": fact.code, "message": fact.message}
                log.warning("subgraph failed", **names, request=fact.request)
            case KeySetFailed():
                log.warning("key set failed", issuer=fact.issuer, message=fact.message)
            case AccessDenied():
                event = "access would be denied" if fact.dry_run else "access denied"
                log.warning(event, denied=list(fact.denied), client=fact.client, request=fact.request)
            case PlanRunAgain():
                log.info("plan run again", request=fact.request)
            case InternalFailure():
                log.error("internal failure", id=fact.id, exc_info=fact.error)
            case StageStarted():
                log.debug("stage started", stage=fact.stage, request=fact.request, detail=fact.detail)
            case StageEnded():
                shown = {"stage": fact.stage, "request": fact.request, "detail": fact.detail}
                log.debug("stage ended", **shown, ms=round(fact.seconds * 1000, 3), error=fact.error)
            case _:
                _log_documents(log, fact)

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


def _log_documents(log: Any, fact: Fact) -> None:
    """Log a fact about documents."""
    match fact:
        case DocumentsNotReloaded():
            log.error("documents not reloaded", message=fact.message)
        case DocumentStoreFailed():
            names = {"store": fact.store, "message": fact.message}
            log.warning("document store failed", **names, failures=fact.failures)
        case UnlistedDocument():
            shown: dict[str, Any] = {"client": fact.client, "operation": fact.operation}
            log.warning("document not listed", **shown, text=fact.text[:MAX_TEXT], request=fact.request)


_as_json = structlog.processors.JSONRenderer(
    serializer=lambda value, **_: orjson.dumps(value, default=str).decode()
)
