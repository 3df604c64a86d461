"""The settings of documents that clients send by id: trusted documents, and automatic persisted queries."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from gateway.settings.units import Bytes, Count, File, HeaderName, Seconds, Secret, Url

DocumentMode = Literal["off", "log", "prefer", "require", "require_listed"]
_JSON_PATH = re.compile(r"\w+(\.\w+)*", re.ASCII)
_SEGMENT = re.compile(r"\*|:id|[A-Za-z0-9._~-]+")
_REQUEST_FIELDS = ("query", "operationName", "variables")
_PLACEHOLDERS = ("{app}", "{version}", "{id}")


@dataclass(frozen=True, slots=True)
class SelectorSettings:
    """One place of a request that may have the document id: `json`, `query_param` or `path`."""

    json: Annotated[
        str | None,
        Meta(description="A field of the body, with dots for nested ones; by GET, a query parameter."),
    ] = None
    query_param: Annotated[str | None, Meta(description="A parameter of the URL's query string.")] = None
    path: Annotated[
        str | None,
        Meta(
            description="The path below /graphql, such as `/:id` or `/v1/*/:id`: `:id` is the id,"
            " `*` any one segment."
        ),
    ] = None

    def __str__(self) -> str:
        """Return it as in the configuration file."""
        names = ("json", "query_param", "path")
        return ", ".join(f"{one}: {getattr(self, one)}" for one in names if getattr(self, one) is not None)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that do not fit each other."""
        given = [one for one in (self.json, self.query_param, self.path) if one is not None]
        if len(given) != 1:
            yield "json", f"expected one of `json`, `query_param` and `path`, got {len(given)} of them"
        if self.json is not None and (problem := _json_problem(self.json)):
            yield "json", problem
        if self.query_param == "":
            yield "query_param", "expected the name of a query parameter, got an empty text"
        if self.path is not None and (problem := _path_problem(self.path)):
            yield "path", problem


def _json_problem(path: str) -> str | None:
    """Return what is wrong with the path of a field in the body; None if nothing is."""
    if not _JSON_PATH.fullmatch(path):
        return f"expected names with dots between them, such as extensions.id, got {path!r}"
    if path.split(".")[0] in _REQUEST_FIELDS or path == "extensions":
        return f"the field {path} of a GraphQL request has another meaning; use another one"
    return None


def _path_problem(pattern: str) -> str | None:
    """Return what is wrong with a pattern of URL paths; None if nothing is."""
    first, *segments = pattern.split("/")
    if first or not segments or not all(_SEGMENT.fullmatch(one) for one in segments):
        return f"expected segments such as /docs/*/:id, got {pattern!r}"
    if segments.count(":id") != 1:
        return f"expected the segment :id once, got it {segments.count(':id')} times in {pattern!r}"
    return None


DEFAULT_SELECTORS = (
    SelectorSettings(json="documentId"),
    SelectorSettings(json="extensions.persistedQuery.sha256Hash"),
)


@dataclass(frozen=True, slots=True)
class HeaderValue:
    """A header; the document id is required only from requests with this value of it."""

    header: Annotated[HeaderName, Meta(description="The request header.")]
    value: Annotated[str, Meta(min_length=1, description="Its value.")]


@dataclass(frozen=True, slots=True)
class HeaderSecret:
    """A header; the document id is not required from requests with this secret value of it."""

    header: Annotated[HeaderName, Meta(description="The request header.")]
    secret: Annotated[
        Secret | None, Meta(description="Its value; without one, no request has the right value.")
    ] = None


@dataclass(frozen=True, slots=True)
class RemoteDocumentSettings:
    """A server from which each document is fetched when a client first sends its id."""

    url: Annotated[
        Url | None,
        Meta(
            description="The URL of a document, such as https://cdn.example.com/{app}/{version}/{id}. Ids are"
            " `app~version~id`, or an id alone from a client that sends its name and version."
        ),
    ] = None
    headers: Annotated[
        Mapping[HeaderName, Secret], Meta(description="Headers of the requests for documents.")
    ] = field(default_factory=dict)
    timeout: Annotated[Seconds, Meta(description="Timeout of one request for a document.")] = 5.0
    retries: Annotated[int, Meta(ge=0, le=5, description="How often a failed request is repeated.")] = 1
    misses: Annotated[
        float,
        Meta(ge=0, extra={"unit": "seconds"}, description="How long it is remembered that an id is unknown."),
    ] = 5.0
    count: Annotated[Count, Meta(description="The number of documents that are cached.")] = 10_000
    size: Annotated[Bytes, Meta(description="Their total size.")] = 50_000_000

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that do not fit each other."""
        for name in _PLACEHOLDERS if self.url is not None else ():
            if (self.url or "").count(name) != 1:
                yield "url", f"expected {name} once in the URL"


@dataclass(frozen=True, slots=True)
class AutomaticDocumentSettings:
    """Automatic persisted queries: clients send a hash, and the text only when the hash is unknown."""

    enabled: Annotated[bool, Meta(description="Whether clients may use them.")] = False
    count: Annotated[Count, Meta(description="The number of documents in memory.")] = 10_000
    size: Annotated[Bytes, Meta(description="Their total size in memory.")] = 50_000_000
    store: Annotated[
        Literal["memory", "redis"],
        Meta(description="Where documents are shared: `memory`: nowhere; `redis`: in the server of `redis`."),
    ] = "memory"
    ttl: Annotated[Seconds, Meta(description="How long Redis stores a document after its last use.")] = (
        604_800.0
    )


@dataclass(frozen=True, slots=True)
class DocumentSettings:
    """Documents that clients send by id."""

    mode: Annotated[
        DocumentMode,
        Meta(
            description="`prefer`: clients may send ids of trusted documents, or texts. `log`: the same, and"
            " texts that are not trusted are reported. `require`: only ids. `require_listed`: ids, or texts"
            " that are trusted."
        ),
    ] = "off"
    manifest: Annotated[
        File | None, Meta(description="A file with the trusted documents, in Apollo's or Relay's format.")
    ] = None
    manifest_url: Annotated[Url | None, Meta(description="The URL of such a file.")] = None
    folder: Annotated[
        File | None, Meta(description="A folder of *.graphql files, whose ids are the hashes of their texts.")
    ] = None
    remote: RemoteDocumentSettings = field(default_factory=RemoteDocumentSettings)
    headers: Annotated[
        Mapping[HeaderName, Secret], Meta(description="Headers of the request for `manifest_url`.")
    ] = field(default_factory=dict)
    poll: Annotated[Seconds, Meta(description="How often the trusted documents are read again.")] = 10.0
    selectors: Annotated[
        tuple[SelectorSettings, ...], Meta(description="Where a request may have the id; the first one wins.")
    ] = DEFAULT_SELECTORS
    required_when: Annotated[
        HeaderValue | None, Meta(description="Ids are required only from requests with this header.")
    ] = None
    lifted_by: Annotated[
        HeaderSecret | None, Meta(description="Ids are not required from requests with this header.")
    ] = None
    introspection: Annotated[
        bool, Meta(description="Whether texts that only read the schema run without an id.")
    ] = False
    automatic: AutomaticDocumentSettings = field(default_factory=AutomaticDocumentSettings)

    @property
    def enabled(self) -> bool:
        """Return whether requests may have a document id."""
        return self.mode != "off" or self.automatic.enabled

    @property
    def requires(self) -> bool:
        """Return whether some texts are refused."""
        return self.mode in ("require", "require_listed")

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (field, message) for fields that do not fit each other."""
        sources = [self.manifest, self.manifest_url, self.folder, self.remote.url]
        count = sum(one is not None for one in sources)
        if self.mode != "off" and count != 1:
            names = "`manifest`, `manifest_url`, `folder` and `remote.url`"
            yield "mode", f"trusted documents need one of {names}, got {count} of them"
        if self.mode in ("log", "require_listed") and self.remote.url is not None:
            yield "mode", f"a remote server can't list its documents, as `{self.mode}` needs"
        if self.automatic.enabled and self.requires:
            yield "automatic", f"clients can't register documents in the mode `{self.mode}`"
        yield from self._selector_problems()

    def _selector_problems(self) -> Iterator[tuple[str, str]]:
        if not self.selectors:
            yield "selectors", "expected at least one place where a request may have the id, got none"
        if len(set(self.selectors)) < len(self.selectors):
            yield "selectors", "expected each place once, got one of them twice"
