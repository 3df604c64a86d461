"""The options of `gateway serve`, and those that several commands share."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

import typer

from gateway.core.errors import SettingsError
from gateway.settings import HeaderRules, Limits, Settings, Wire

Supergraph = Annotated[str | None, typer.Option(help="The supergraph SDL, ours or another tool's.")]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")]
Operations = Annotated[str | None, typer.Option(help="A folder of example operations for GraphiQL.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds for one subgraph request.")]
ConnectTimeout = Annotated[float, typer.Option(min=0.01, help="Seconds for a new connection to a subgraph.")]
FirstByteTimeout = Annotated[
    float | None,
    typer.Option(min=0.01, help="Seconds until a subgraph's reply begins; as --timeout by default."),
]
Connections = Annotated[int, typer.Option(min=1, help="Connections to one subgraph at once.")]
SubgraphCa = Annotated[
    str | None,
    typer.Option(help="A file of certificates to trust besides the system's, for https subgraphs."),
]
Gzip = Annotated[bool, typer.Option("--gzip", help="Ask subgraphs for compressed replies.")]
OverrideLabel = Annotated[
    list[str] | None, typer.Option(help="A label of a progressive @override that is on for everyone.")
]
NoCompile = Annotated[
    bool, typer.Option("--no-compile", help="Run every plan on the exact path: slower, to compare.")
]
NoShare = Annotated[
    bool,
    typer.Option(
        "--no-share", help="Execute equal queries one by one, also when they come at the same time."
    ),
]
NoBatch = Annotated[
    bool, typer.Option("--no-batch", help="Fetch entities for each request by itself, also at the same time.")
]
SagasFrom = Annotated[
    str | None,
    typer.Option("--sagas", help="MODULE:NAME of a function that gives the sagas which mutations start."),
]
Extension = Annotated[
    list[str] | None,
    typer.Option(help="A key of subgraphs' extensions that goes on to clients; repeat for more."),
]
Production = Annotated[
    bool, typer.Option("--production", help="No GraphiQL, no introspection, no plans to clients.")
]


def _names(kind: type[Any]) -> str:
    return ", ".join(one.name for one in fields(kind))


Limit = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=NUMBER", help=f"A limit of what one request may ask; repeat for more: {_names(Limits)}."
    ),
]
WireSetting = Annotated[
    list[str] | None,
    typer.Option(
        "--wire",
        metavar="NAME=VALUE",
        help=f"A setting of the way to subgraphs; repeat for more: {_names(Wire)}.",
    ),
]
PlanCache = Annotated[int, typer.Option(min=1, help="Operations whose plans are kept.")]
ForwardHeader = Annotated[
    list[str] | None,
    typer.Option(
        help="A header of the client's that goes on to subgraphs, besides the usual ones; repeat for more."
    ),
]
StickyHeader = Annotated[
    str, typer.Option(help="The header whose value keeps a user on one side of a percent(...) override.")
]
HttpStatus = Annotated[
    Literal["audited", "draft-2026"],
    typer.Option(help="HTTP statuses as common clients expect them, or as the draft of 2026 has them."),
]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of `gateway serve`, by the names of its parameters."""

    supergraph: str | None
    subgraph: list[str] | None
    subgraph_url: list[str] | None
    host: str
    port: int
    workers: int
    operations: str | None
    timeout: float
    connect_timeout: float
    first_byte_timeout: float | None
    connections: int
    subgraph_ca: str | None
    gzip: bool
    override_label: list[str] | None
    no_compile: bool
    no_share: bool
    no_batch: bool
    extension: list[str] | None
    sagas: str | None
    limit: list[str] | None
    wire: list[str] | None
    plan_cache: int
    forward_header: list[str] | None
    sticky_header: str
    production: bool
    http_status: Literal["audited", "draft-2026"]

    def settings(self) -> Settings:
        """The settings that they give; SettingsError BAD_OPTION for what can't be read."""
        return Settings(
            urls=pairs(self.subgraph_url, "--subgraph-url"),
            timeout=self.timeout,
            wire=self._wire(),
            limits=Limits(**changed(Limits, self.limit, "--limit")),
            headers=self._headers(),
            plan_cache=self.plan_cache,
            sticky_header=self.sticky_header.lower(),
            introspection=not self.production,
            graphiql=not self.production,
            plan_header=not self.production,
            operations=self.operations,
            labels=frozenset(self.override_label or ()),
            compile=not self.no_compile,
            share=not self.no_share,
            batch=not self.no_batch,
            extensions=frozenset(self.extension or ()),
            sagas=self.sagas,
            http_status=self.http_status,
        )

    def _wire(self) -> Wire:
        """The way to subgraphs: options with names of their own first, then --wire."""
        named = Wire(
            connections=self.connections,
            connect_timeout=self.connect_timeout,
            first_byte_timeout=self.first_byte_timeout,
            compressed=self.gzip,
            ca=self.subgraph_ca,
        )
        return replace(named, **changed(Wire, self.wire, "--wire"))

    def _headers(self) -> HeaderRules:
        more = [name.lower() for name in self.forward_header or ()]
        return HeaderRules(tuple(dict.fromkeys((*HeaderRules().forward, *more))))


def pairs(values: Sequence[str] | None, option: str) -> dict[str, str]:
    """Values of the form NAME=SOMETHING as a mapping; SettingsError BAD_OPTION for others."""
    found: dict[str, str] = {}
    for value in values or ():
        name, sign, rest = value.partition("=")
        if not sign or not name or not rest:
            raise SettingsError(f"{option} takes NAME=VALUE, not {value!r}", "BAD_OPTION")
        if name in found:
            raise SettingsError(f"{option} names {name} twice", "BAD_OPTION")
        found[name] = rest
    return found


def changed(kind: type[T], values: Sequence[str] | None, option: str) -> dict[str, Any]:
    """The settings of a dataclass that NAME=VALUE options give, each of the type of its default.

    Raises SettingsError BAD_OPTION for an unknown name (with the nearest one) and for a value of another
    type.
    """
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for name, text in pairs(values, option).items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            raise SettingsError(f"{option} has no {name}{hint}", "BAD_OPTION")
        default = known[name].default
        found[name] = _value(text, default if default is not MISSING else None, f"{option} {name}")
    return found


def _value(text: str, default: Any, what: str) -> Any:
    """A text as a value of the same type as the default; a setting without one takes a number or a text."""
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise SettingsError(f"{what} is true or false, not {text!r}", "BAD_OPTION")
        return text.lower() == "true"
    wanted = {int: "a whole number", float: "a number"}.get(type(default))
    try:
        number = int(text.replace("_", "")) if isinstance(default, int) else float(text)
    except ValueError as error:
        if wanted is None:
            return text
        raise SettingsError(f"{what} is {wanted}, not {text!r}", "BAD_OPTION") from error
    if number <= 0:
        raise SettingsError(f"{what} is more than 0, not {text}", "BAD_OPTION")
    return number
