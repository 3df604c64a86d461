"""A gateway with settings of documents over one small subgraph."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.answering import Gateway
from gateway.app import create_gateway
from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.documents.hashes import hash_of
from gateway.observe.observer import Observer
from gateway.request.graphql_request import DocumentReference, GraphQLRequest
from gateway.settings import DocumentSettings, Limits, RedisSettings, Settings
from tests.gateway.subgraph import Subgraph
from tests.gateway.support import supergraph_of

SDL = "type Query { a(n: Int): Int b: Int } type Mutation { add: Int }"
DATA: Mapping[str, Any] = {"Query": {"a": 1, "b": 2}}


def gateway_of(
    documents: DocumentSettings,
    facts: list[Any] | None = None,
    plugins: Iterable[object] = (),
    clock: Clock = SYSTEM_CLOCK,
    limits: Limits | None = None,
    redis: RedisSettings | None = None,
) -> Gateway:
    """Return a gateway. `facts`: receives what it reports."""
    observer = Observer([facts.append] if facts is not None else [])
    settings = Settings(documents=documents, limits=limits or Limits(), redis=redis or RedisSettings())
    return create_gateway(
        supergraph_of({"s": SDL}),
        settings,
        {"s": Subgraph(SDL, DATA)},
        observer=observer,
        plugins=plugins,
        clock=clock,
    )


def manifest(folder: Path, documents: Any) -> str:
    """Write a manifest; return its path."""
    file = folder / "manifest.json"
    file.write_text(documents if isinstance(documents, str) else json.dumps(documents))
    return str(file)


def persisted(key: str, version: Any = 1) -> Mapping[str, Any]:
    """Return the extension with a hash."""
    return {"version": version, "sha256Hash": key}


def by_hash(text: str, **rest: Any) -> GraphQLRequest:
    """Return the request for a text by its hash alone."""
    key = hash_of(text)
    return GraphQLRequest("", document=DocumentReference(key, persisted(key)), **rest)


def registering(text: str, key: str | None = None) -> GraphQLRequest:
    """Return the request that registers a text. `key`: its hash, by default the right one."""
    key = hash_of(text) if key is None else key
    return GraphQLRequest(text, document=DocumentReference(key, persisted(key)))


def by_id(document_id: str, text: str = "", **rest: Any) -> GraphQLRequest:
    """Return the request for a trusted document."""
    return GraphQLRequest(text, document=DocumentReference(document_id), **rest)


async def outcome(gateway: Gateway, request: GraphQLRequest, headers: Mapping[str, str] | None = None) -> Any:
    """Return the data of the response to a request, or the code of its first error."""
    envelope = await gateway.answer(request, headers or {})
    response: Any = envelope.response
    answer = json.loads(response) if isinstance(response, bytes) else response
    errors = answer.get("errors")
    return errors[0]["extensions"]["code"] if errors else answer["data"]
