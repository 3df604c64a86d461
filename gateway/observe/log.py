"""Facts as structured log lines: for people on a terminal, as JSON elsewhere."""

import sys

import orjson
import structlog

from gateway.observe.events import Fact, InternalFailure, Reloaded, ReloadRefused, Started, SubgraphFailed


def configure_log(json: bool | None = None) -> None:
    """Set up logging to standard error. `json`: whether as JSON lines; by default unless that is a terminal."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer = (
        structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value, default=str).decode())
        if as_json
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def log_fact(fact: Fact) -> None:
    """Write one fact."""
    log = structlog.get_logger("gateway")
    match fact:
        case Started():
            log.info("started", address=fact.address, subgraphs=list(fact.subgraphs))
        case Reloaded():
            log.info("reloaded", subgraphs=list(fact.subgraphs))
        case ReloadRefused():
            log.error("not reloaded", code=fact.code, message=fact.message, next_step=fact.next_step)
        case SubgraphFailed():
            log.warning("subgraph failed", subgraph=fact.subgraph, code=fact.code, message=fact.message)
        case InternalFailure():
            log.error("internal failure", id=fact.id, exc_info=fact.error)
