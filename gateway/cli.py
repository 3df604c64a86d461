"""The `gateway` command: compose, contract, check, plan, serve, config, documents, keys, revoke, errors.

The docstrings of the commands are their help texts. Known errors are printed without a traceback (`main`).
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gateway import options
from gateway.cache_commands import cache_app
from gateway.check.judge import judge
from gateway.check.report import judgement_json, print_judgement
from gateway.compose.compose import compose as compose_subgraphs
from gateway.compose.contract import contract as cut_contract
from gateway.compose.diagnostics import CompositionFailed
from gateway.compose.ingest import SubgraphSource
from gateway.config import schema
from gateway.config.load import read_config
from gateway.config.reference import reference
from gateway.core.codes import CODES, code_tables
from gateway.core.errors import GatewayError, SettingsError, SubgraphError
from gateway.core.jsontext import NotJson, read_json
from gateway.documents_cli import documents_app
from gateway.engine import make_engine
from gateway.key_commands import keys_app, revoke_tokens
from gateway.pipeline import InvalidDocument, pick, prepare, variables_for
from gateway.pipeline import check as check_document
from gateway.plan.explain import plan_json, print_plan
from gateway.plan.planner import plan_operation
from gateway.reload import GatewaySource
from gateway.serve import check_source, compose_running_subgraphs, fetch_sdls, read_text
from gateway.serve import serve as serve_supergraph
from gateway.settings import Limits, Settings
from gateway.shape.introspect import without_meta
from gateway.supergraph.load import load_supergraph
from gateway.transport.local import LocalTransport

app = typer.Typer(
    help="A GraphQL federation gateway: compose subgraphs, show query plans, serve a supergraph.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
SubgraphOption = Annotated[
    list[str] | None, typer.Option("--subgraph", metavar="NAME=WHERE", help="A subgraph; repeat for more.")
]
UrlOption = Annotated[
    list[str] | None,
    typer.Option(
        "--subgraph-url", metavar="NAME=URL", help="The URL of a subgraph; overrides the supergraph's."
    ),
]


@app.command()
def compose(
    subgraph: SubgraphOption = None,
    subgraph_url: UrlOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The output file; by default standard output.")
    ] = None,
    hints: Annotated[
        str, typer.Option(help="The lowest level of hints to print: none, warn, info, debug.")
    ] = "warn",
) -> None:
    """Compose subgraphs into a supergraph SDL. WHERE is an SDL file, or the URL of a running subgraph."""
    given = options.pairs(subgraph, "--subgraph")
    if not given:
        raise SettingsError("expected at least one --subgraph NAME=FILE or NAME=URL, got none", "BAD_OPTION")
    urls = options.pairs(subgraph_url, "--subgraph-url")
    remote = {name: where for name, where in given.items() if where.startswith(("http://", "https://"))}
    fetched = {source.name: source for source in asyncio.run(fetch_sdls(remote))} if remote else {}
    sources = [
        SubgraphSource(
            name,
            urls.get(name, where if name in remote else ""),
            fetched[name].sdl if name in remote else read_text(where, "the SDL"),
        )
        for name, where in given.items()
    ]
    result = compose_subgraphs(sources)
    shown = LEVELS[: LEVELS.index(hints) + 1] if hints in LEVELS else None
    if shown is None:
        raise SettingsError(f"--hints: expected one of {', '.join(LEVELS)}, got {hints!r}", "BAD_OPTION")
    for hint in result.hints:
        if hint.level.lower() in shown:
            print(f"{hint.level.lower()}: {hint}", file=sys.stderr)
    write(result.supergraph, output, f"{len(sources)} subgraphs composed")


LEVELS = ("none", "warn", "info", "debug")


def write(text: str, output: Path | None, done: str) -> None:
    """Print an SDL, or write it to a file and print `done` with the file name to standard error."""
    if output is None:
        print(text)
    else:
        output.write_text(text, encoding="utf-8")
        print(f"{done} into {output}", file=sys.stderr)


@app.command()
def contract(
    supergraph: Annotated[str, typer.Argument(metavar="SUPERGRAPH", help="The supergraph SDL.")],
    include_tag: Annotated[
        list[str] | None, typer.Option(help="Keep only fields with this tag; repeat for more.")
    ] = None,
    exclude_tag: Annotated[
        list[str] | None, typer.Option(help="Hide all elements with this tag; repeat for more.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The output file; by default standard output.")
    ] = None,
) -> None:
    """Reduce a supergraph, by tags, to what some clients may see. Plans still use the hidden elements."""
    if not include_tag and not exclude_tag:
        raise SettingsError("expected at least one --include-tag or --exclude-tag, got none", "BAD_OPTION")
    text = cut_contract(read_text(supergraph, "the supergraph"), include_tag or (), exclude_tag or ())
    write(text, output, "the contract is written")


@app.command()
def check(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The supergraph SDL that clients use now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The supergraph SDL that will replace it.")],
    operations: Annotated[
        Path | None,
        typer.Option(help="A folder of operations (*.graphql); changes that none of them uses are safe."),
    ] = None,
    format: Annotated[str, typer.Option(help="The output format: text or json.")] = "text",
    all: Annotated[bool, typer.Option("--all", help="Also list the safe changes.")] = False,
    limit: options.Limit = None,
) -> None:
    """Compare two supergraphs from the clients' view: breaking, dangerous and safe changes.

    The exit code is 1 when clients break.
    """
    if format not in ("text", "json"):
        raise SettingsError(f"--format: expected text or json, got {format!r}", "BAD_OPTION")
    before = load_supergraph(read_text(old, "the old supergraph"))
    after = load_supergraph(read_text(new, "the new supergraph"))
    texts = None
    if operations is not None:
        files = sorted(operations.rglob("*.graphql"))
        if not files:
            raise SettingsError(f"--operations: found no *.graphql files in {operations}", "BAD_OPTION")
        texts = {str(file.relative_to(operations)): read_text(str(file), "the operation") for file in files}
    judgement = judge(before, after, texts, Limits(**options.changed(Limits, limit, "--limit")))
    if format == "json":
        print(json.dumps(judgement_json(judgement), indent=2))
    else:
        print(print_judgement(judgement, everything=all), end="")
    raise typer.Exit(1 if judgement.breaks else 0)


@app.command()
def plan(
    query_file: Annotated[
        str, typer.Argument(metavar="QUERY_FILE", help="The operation's document; - for standard input.")
    ],
    supergraph: Annotated[str, typer.Option(help="The supergraph SDL.")],
    operation: Annotated[str | None, typer.Option(help="The name of the operation to plan.")] = None,
    format: Annotated[str, typer.Option(help="The output format: text or json.")] = "text",
    variables: Annotated[str, typer.Option(help="Variables as JSON; @skip and @include use them.")] = "{}",
    explain: Annotated[bool, typer.Option("--explain", help="Also print the plan after each pass.")] = False,
    limit: options.Limit = None,
) -> None:
    """Print the plan of an operation, without calling any subgraph."""
    if format not in ("text", "json"):
        raise SettingsError(f"--format: expected text or json, got {format!r}", "BAD_OPTION")
    graph = load_supergraph(read_text(supergraph, "the supergraph"))
    engine = make_engine(
        graph, LocalTransport({}), Settings(limits=Limits(**options.changed(Limits, limit, "--limit")))
    )
    checked = check_document(
        engine, sys.stdin.read() if query_file == "-" else read_text(query_file, "the query")
    )
    node = pick(checked, operation)
    try:
        given = read_json(variables)
    except NotJson as error:
        raise SettingsError(f"--variables is not JSON: {error}", "BAD_OPTION") from error
    # only the variables in @skip and @include change the plan; others may be missing
    values = variables_for(engine, node, given) if given else {}
    prepared = prepare(engine, checked, node, values)
    roots = engine.supergraph.roots.values()
    if explain:
        for name, text in plan_operation(
            engine.graphs.plain, without_meta(prepared.operation, roots), explain=True
        ).explained:
            print(f"after {name}:\n{text}")
    print(
        json.dumps(plan_json(prepared.plan), indent=2) if format == "json" else print_plan(prepared.plan),
        end="",
    )


@app.command()
def serve(
    config: options.Config = None,
    supergraph: options.Supergraph = None,
    subgraph: SubgraphOption = None,
    subgraph_url: UrlOption = None,
    host: options.Host = None,
    port: options.Port = None,
    workers: options.Workers = None,
    operations: options.Operations = None,
    timeout: options.Timeout = None,
    connect_timeout: options.ConnectTimeout = None,
    first_byte_timeout: options.FirstByteTimeout = None,
    connections: options.Connections = None,
    subgraph_ca: options.SubgraphCa = None,
    gzip: options.Gzip = False,
    override_label: options.OverrideLabel = None,
    no_compile: options.NoCompile = False,
    no_share: options.NoShare = False,
    no_batch: options.NoBatch = False,
    extension: options.Extension = None,
    sagas: options.SagasFrom = None,
    limit: options.Limit = None,
    connection: options.ConnectionSetting = None,
    plan_cache: options.PlanCache = None,
    forward_header: options.ForwardHeader = None,
    sticky_header: options.StickyHeader = None,
    production: options.Production = False,
    http_status: options.HttpStatus = None,
) -> None:
    """Serve a supergraph at /graphql; with --subgraph NAME=URL, fetch and compose the subgraphs' SDLs first.

    SIGHUP reads the supergraph and the configuration file again (or fetches and composes the SDLs again)
    without closing a connection.
    """
    chosen = options.ServeOptions(**locals())

    def read() -> GatewaySource:
        base = Settings() if config is None else read_config(Path(config), os.environ)
        settings = chosen.over(base)
        text = (
            read_text(settings.supergraph, "the supergraph")
            if settings.supergraph
            else compose_running_subgraphs(settings)
        )
        return GatewaySource(text, settings)

    serve_supergraph(read)


config_app = typer.Typer(
    help="The configuration file: check it, and describe its settings.", no_args_is_help=True
)
app.add_typer(config_app, name="config")
app.add_typer(documents_app, name="documents")


@config_app.command("check")
def config_check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The configuration file.")],
) -> None:
    """Check a configuration file, and the supergraph, files and keys that it names; print each mistake."""
    settings = read_config(Path(file), os.environ)
    if settings.supergraph is not None:
        check_source(GatewaySource(read_text(settings.supergraph, "the supergraph"), settings))
    if settings.authentication.issuers:
        from gateway.security.authenticate import check_key_sets  # noqa: PLC0415 - an optional extra

        check_key_sets(settings.authentication)
    print(f"{file}: no mistakes")


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON schema of the configuration file, for editors."""
    print(json.dumps(schema.config_schema(), indent=2))


@config_app.command("reference")
def config_reference() -> None:
    """Print all settings with their defaults, as Markdown."""
    print(reference(), end="")


app.add_typer(keys_app, name="keys")
app.add_typer(cache_app, name="cache")
app.command("revoke")(revoke_tokens)


@app.command()
def errors() -> None:
    """Print the table of error codes."""
    print("# Error codes\n\nPrinted by `gateway errors`.")
    print(code_tables(CODES))


def stop(lines: str, next_step: str | None = None) -> NoReturn:
    """Print an error to standard error, and exit with code 1."""
    print(f"gateway: {lines}", file=sys.stderr)
    if next_step:
        print(f"    {next_step}", file=sys.stderr)
    raise SystemExit(1)


def main() -> None:
    """Run the command. A known error is printed as a message with the next step, not as a traceback."""
    try:
        app()
    except CompositionFailed as error:
        stop(error.message)
    except InvalidDocument as error:
        stop("\n".join(_placed(item) for item in error.errors), error.next_step)
    except SubgraphError as error:
        stop(f"{error.code}: subgraph {error.subgraph} {error.message}", error.next_step)
    except GatewayError as error:
        stop(f"{error.code}: {_placed(error)}", error.next_step)


def _placed(error: GatewayError) -> str:
    place = error.locations[0] if error.locations else None
    return f"{error.message} (line {place.line}, column {place.column})" if place else error.message


if __name__ == "__main__":
    main()
