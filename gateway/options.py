"""The options of `gateway serve`, those that several commands share, and how their texts become settings."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

import typer

from gateway.core.errors import SettingsError
from gateway.settings import ConnectionSettings, HeaderRules, Limits, Settings, SubgraphSettings

Config = Annotated[
    str | None,
    typer.Option(help="The configuration file (YAML); the options given beside it change its settings."),
]
Supergraph = Annotated[str | None, typer.Option(help="The supergraph SDL file.")]
Host = Annotated[str | None, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="The port to listen on.")]
Workers = Annotated[
    int | None, typer.Option(min=1, max=64, help="The number of processes that share the port.")
]
Operations = Annotated[str | None, typer.Option(help="A folder of example operations for GraphiQL.")]
Timeout = Annotated[float | None, typer.Option(min=0.1, help="Timeout of a subgraph request, in seconds.")]
ConnectTimeout = Annotated[
    float | None, typer.Option(min=0.01, help="Timeout for opening a connection to a subgraph, in seconds.")
]
FirstByteTimeout = Annotated[
    float | None,
    typer.Option(min=0.01, help="Timeout for the first byte of a reply, in seconds; by default --timeout."),
]
Connections = Annotated[
    int | None, typer.Option(min=1, help="The maximum number of connections to a subgraph.")
]
SubgraphCa = Annotated[
    str | None,
    typer.Option(help="A file of CA certificates for https subgraphs, in addition to the system's."),
]
Gzip = Annotated[bool, typer.Option("--gzip", help="Accept gzip-compressed replies from subgraphs.")]
OverrideLabel = Annotated[
    list[str] | None, typer.Option(help="A label of a progressive @override to activate; repeat for more.")
]
NoCompile = Annotated[
    bool, typer.Option("--no-compile", help="Run every plan on the exact path: slower, for comparison.")
]
NoShare = Annotated[
    bool,
    typer.Option("--no-share", help="Execute equal concurrent queries separately."),
]
NoBatch = Annotated[
    bool, typer.Option("--no-batch", help="Fetch entities for each concurrent request separately.")
]
SagasFrom = Annotated[
    str | None,
    typer.Option("--sagas", help="MODULE:NAME of a function that returns the sagas which mutations start."),
]
Extension = Annotated[
    list[str] | None,
    typer.Option(help="A key of subgraphs' response extensions to pass on; repeat for more."),
]
Production = Annotated[
    bool,
    typer.Option(
        "--production",
        help="Disable GraphiQL, introspection, suggestions, and plans in responses; mask errors.",
    ),
]


def _names(kind: type[Any]) -> str:
    return ", ".join(item.name for item in fields(kind))


Limit = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=NUMBER", help=f"A limit on one request; repeat for more: {_names(Limits)}."),
]
ConnectionSetting = Annotated[
    list[str] | None,
    typer.Option(
        "--connection",
        metavar="NAME=VALUE",
        help=f"A setting of the connections to subgraphs; repeat for more: {_names(ConnectionSettings)}.",
    ),
]
PlanCache = Annotated[
    int | None, typer.Option(min=1, help="The number of operations whose plans are cached.")
]
ForwardHeader = Annotated[
    list[str] | None,
    typer.Option(
        help="A client header to forward to subgraphs, in addition to the default ones; repeat for more."
    ),
]
StickyHeader = Annotated[
    str | None, typer.Option(help="The header that identifies a user for percent(...) override labels.")
]
HttpStatus = Annotated[
    Literal["audited", "draft-2026"] | None,
    typer.Option(
        help="HTTP statuses as graphql-http audits them, or as in the GraphQL-over-HTTP draft of 2026."
    ),
]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of `gateway serve`, named as the parameters of the command; None if not given."""

    config: str | None
    supergraph: str | None
    subgraph: list[str] | None
    subgraph_url: list[str] | None
    host: str | None
    port: int | None
    workers: int | None
    operations: str | None
    timeout: float | None
    connect_timeout: float | None
    first_byte_timeout: float | None
    connections: int | None
    subgraph_ca: str | None
    gzip: bool
    override_label: list[str] | None
    no_compile: bool
    no_share: bool
    no_batch: bool
    extension: list[str] | None
    sagas: str | None
    limit: list[str] | None
    connection: list[str] | None
    plan_cache: int | None
    forward_header: list[str] | None
    sticky_header: str | None
    production: bool
    http_status: Literal["audited", "draft-2026"] | None

    def over(self, base: Settings) -> Settings:
        """Return the settings `base` with the changes of the options that are given.

        Raises SettingsError BAD_OPTION for an invalid value.
        """
        urls = pairs(self.subgraph_url, "--subgraph-url")
        return _with(
            base.production() if self.production else base,
            **self._source(base),
            **self._switches(),
            server=_with(base.server, host=self.host, port=self.port, workers=self.workers),
            subgraphs={**base.subgraphs, **_with_urls(base.subgraphs, urls)},
            connections=self._connections(base.connections),
            limits=replace(base.limits, **changed(Limits, self.limit, "--limit")),
            headers=self._headers(base.headers),
            labels=base.labels | frozenset(self.override_label or ()),
            extensions=base.extensions | frozenset(self.extension or ()),
        )

    def _switches(self) -> dict[str, Any]:
        """Return the settings that are one value each; None for those that are not given."""
        return {
            "timeout": self.timeout,
            "plan_cache": self.plan_cache,
            "sticky_header": self.sticky_header.lower() if self.sticky_header else None,
            "operations": self.operations,
            "compile": False if self.no_compile else None,
            "share": False if self.no_share else None,
            "batch": False if self.no_batch else None,
            "sagas": self.sagas,
            "http_status": self.http_status,
        }

    def _source(self, base: Settings) -> dict[str, Any]:
        """Return the settings `supergraph` and `compose`: by the options, or without them those of `base`.

        Raises SettingsError unless exactly one of them is given.
        """
        given = pairs(self.subgraph, "--subgraph")
        supergraph, compose = self.supergraph, given
        if supergraph is None and not given:
            supergraph, compose = base.supergraph, dict(base.compose)
        if (supergraph is None) == (not compose):
            message = "expected either --supergraph FILE or --subgraph NAME=URL ..., or one of the settings"
            raise SettingsError(f"{message} `supergraph` and `compose` in --config", "BAD_OPTION")
        return {"supergraph": supergraph or "", "compose": compose}

    def _connections(self, base: ConnectionSettings) -> ConnectionSettings:
        """Return the connection settings: those of --connections, --gzip and so on, then of --connection."""
        named = _with(
            base,
            connections=self.connections,
            connect_timeout=self.connect_timeout,
            first_byte_timeout=self.first_byte_timeout,
            compressed=True if self.gzip else None,
            ca=self.subgraph_ca,
        )
        return replace(named, **changed(ConnectionSettings, self.connection, "--connection"))

    def _headers(self, base: HeaderRules) -> HeaderRules:
        more = [name.lower() for name in self.forward_header or ()]
        made = replace(base, forward=tuple(dict.fromkeys((*base.forward, *more))))
        for _, message in made.problems():
            raise SettingsError(f"--forward-header: {message}", "BAD_OPTION")
        return made


def _with_urls(base: Mapping[str, SubgraphSettings], urls: Mapping[str, str]) -> dict[str, SubgraphSettings]:
    """Return the settings of the subgraphs in `urls` with these URLs, and all else as in `base`."""
    return {name: replace(base.get(name, SubgraphSettings()), url=url) for name, url in urls.items()}


def _with(base: T, **changes: Any) -> T:
    """Return a dataclass with changed fields; None changes nothing."""
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(base, **given)  # type: ignore[type-var]


def pairs(values: Sequence[str] | None, option: str) -> dict[str, str]:
    """Return options of the form NAME=VALUE as a mapping. Raises SettingsError BAD_OPTION for other texts.

    `option`: the option's name, for the message.
    """
    found: dict[str, str] = {}
    for value in values or ():
        name, sign, rest = value.partition("=")
        if not sign or not name or not rest:
            raise SettingsError(f"{option}: expected NAME=VALUE, got {value!r}", "BAD_OPTION")
        if name in found:
            raise SettingsError(f"{option}: expected each name once, got {name} twice", "BAD_OPTION")
        found[name] = rest
    return found


def changed(kind: type[T], values: Sequence[str] | None, option: str) -> dict[str, Any]:
    """Return the fields of the dataclass `kind` that NAME=VALUE options set, each with the type of its
    default.

    Raises SettingsError BAD_OPTION for an unknown name (suggesting a similar one) and for a value of another
    type.
    """
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for name, text in pairs(values, option).items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
            raise SettingsError(f"{option}: there is no setting {name}; {hint}", "BAD_OPTION")
        default = known[name].default
        found[name] = _value(text, default if default is not MISSING else None, f"{option} {name}")
    return found


def _value(text: str, default: Any, what: str) -> Any:
    """Convert an option's text to the type of the setting's default value.

    A setting without a default accepts a number or a text. `what`: the option's name, for errors. Raises
    SettingsError BAD_OPTION for a text of another type and for numbers that are not positive.
    """
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise SettingsError(f"{what}: expected true or false, got {text!r}", "BAD_OPTION")
        return text.lower() == "true"
    wanted = {int: "a whole number", float: "a number"}.get(type(default))
    try:
        number = int(text.replace("_", "")) if isinstance(default, int) else float(text)
    except ValueError as error:
        if wanted is None:
            return text
        raise SettingsError(f"{what}: expected {wanted}, got {text!r}", "BAD_OPTION") from error
    if number <= 0:
        raise SettingsError(f"{what}: expected a number greater than 0, got {text}", "BAD_OPTION")
    return number
