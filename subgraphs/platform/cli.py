"""The commands of `mussikon`: run, seed, migrate, schema, errors; stop, start, status of a running platform.

A command's docstring is its help text.
"""

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.core.codes import CODES, code_tables
from subgraphs.kit.codes import CODES as SERVICE_CODES
from subgraphs.platform import control, seeding
from subgraphs.platform.console import console, errors, say
from subgraphs.platform.errors import LaunchError
from subgraphs.platform.options import SCHEMA, SIZES, Options
from subgraphs.platform.preparation import (
    check_ports,
    check_schema,
    load_sample,
    locked_folder,
    prepare_databases,
)
from subgraphs.platform.server_options import Urls, with_server_options
from subgraphs.platform.servers import Servers, check_servers, start_servers
from subgraphs.platform.service_options import Own, with_service_options

app = typer.Typer(
    help="MussikOn: clients book musicians for events.", no_args_is_help=True, pretty_exceptions_enable=False
)
Data = Annotated[Path, typer.Option(help="The folder for all data, logs and keys.")]
Size = Annotated[
    str | None, typer.Option(help="The size of the sample data: small (2,000 musicians) or large (100,000).")
]


@app.command()
@with_server_options
@with_service_options
def run(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="The gateway's port; services listen on the next ones.")
    ] = 4000,
    host: Annotated[str, typer.Option(help="The address that the gateway listens on.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=64, help="The number of gateway processes.")] = 1,
    data: Data = Path(".data"),
    size: Size = None,
    sample: Annotated[bool, typer.Option(help="Load sample data at the first start.")] = True,
    in_process: Annotated[
        bool,
        typer.Option(
            "--in-process",
            help="Run services and gateway in one process, without restarts of single services.",
        ),
    ] = False,
    production: Annotated[
        bool,
        typer.Option(
            "--production",
            help="No GraphiQL, no schema for clients, only operations of schema/documents.json, no sample.",
        ),
    ] = False,
    *,
    urls: Urls,
    own: Own,
) -> None:
    """Start the platform and run it until Ctrl-C."""
    loads_sample = sample and not production  # everybody knows the passwords of the demo accounts
    options = Options(port, host, workers, data, _checked(size), loads_sample, urls, in_process)
    launch(replace_fields(options, production=production, own=own))


def launch(options: Options) -> None:
    """Start the platform and run it until SIGINT, SIGTERM or SIGHUP. Raises LaunchError."""
    with locked_folder(options.data):
        check_ports(options)
        check_schema(options)
        servers = start_servers(options, say)
        try:
            asyncio.run(_runner(options)(servers))
        finally:
            servers.stop()
    say("All processes have ended.")


def _runner(options: Options) -> Callable[[Servers], Any]:
    """Return the coroutine function that runs the platform with running servers, as the options demand.

    Only the needed module is imported: `in_process` imports every service, which takes seconds.
    """
    if options.in_process:
        run_in_process = importlib.import_module("subgraphs.platform.in_process").run_in_process
        return lambda servers: run_in_process(options, servers)
    launcher = importlib.import_module("subgraphs.platform.launcher").Launcher
    return lambda servers: launcher(options, servers).run()


@app.command()
@with_server_options
def seed(
    size: Size = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete all data of the services first.")
    ] = False,
    data: Data = Path(".data"),
    *,
    urls: Urls,
) -> None:
    """Load the sample data, without starting the platform."""
    wanted = _checked(size)
    options = Options(data=data, urls=urls)

    async def work(servers: Servers) -> None:
        await prepare_databases(servers, options.services)
        known = await seeding.stored_sample(servers.postgres_url)
        if not replace:
            seeding.check_size(known, wanted)
            if known and known.is_whole:
                say(f"The sample data ({known.size}) is loaded already; use --replace to load it again.")
                return
            if known is None and await seeding.has_own_data(servers.postgres_url):
                raise LaunchError(
                    "The databases contain data that is not sample data.", "Use --replace to delete all of it"
                )
        await load_sample(servers, options.services, wanted or seeding.DEFAULT_SIZE)

    _with_servers(options, work)


@app.command()
@with_server_options
def migrate(data: Data = Path(".data"), *, urls: Urls) -> None:
    """Create the databases and apply new migrations, without starting the platform."""
    options = Options(data=data, urls=urls)

    async def work(servers: Servers) -> None:
        for service, names in (await prepare_databases(servers, options.services)).items():
            console.print(f"  {service}: {', '.join(names) or 'nothing new'}", markup=False)

    _with_servers(options, work)


def _with_servers(options: Options, work: Callable[[Servers], Awaitable[None]]) -> None:
    async def checked(servers: Servers) -> None:
        await check_servers(options)
        await work(servers)

    with locked_folder(options.data):
        servers = start_servers(options, say)
        try:
            asyncio.run(checked(servers))
        finally:
            servers.stop()


@app.command()
def schema(folder: Annotated[Path, typer.Option(help="The folder for the files.")] = SCHEMA) -> None:
    """Write every service's SDL and the supergraph into files."""
    changed = importlib.import_module("subgraphs.platform.schema_files").write_all(folder)
    for path in changed:
        console.print(f"  wrote {path}", markup=False)
    if not changed:
        console.print("  all files are up to date")


@app.command()
def stop(name: str, data: Data = Path(".data")) -> None:
    """Stop one service or the gateway of a running platform; it is not restarted."""
    console.print(control.send_order(data / "run", "stop", name), markup=False)


@app.command()
def start(name: str, data: Data = Path(".data")) -> None:
    """Start a stopped service or the gateway of a running platform."""
    console.print(control.send_order(data / "run", "start", name), markup=False)


@app.command()
def status(data: Data = Path(".data")) -> None:
    """Show state and process id of each process of a running platform."""
    for name, facts in control.send_order(data / "run", "status").items():
        console.print(f"  {name:16} {facts['state']:12} {facts['pid'] or ''}", markup=False)


@app.command("errors")
def error_codes() -> None:
    """Print the table of error codes, those of the gateway and those of the services (docs/errors.md)."""
    head = "Printed by `mussikon errors`. `gateway errors` prints those of the gateway alone."
    print(f"# Error codes\n\n{head}")
    print(code_tables(CODES))
    print(code_tables(SERVICE_CODES))


def _checked(size: str | None) -> str | None:
    if size is not None and size not in SIZES:
        raise LaunchError(f"There is no sample {size!r}.", f"Use --size {' or --size '.join(SIZES)}")
    return size


def main() -> None:
    """Run the command line. A LaunchError is printed as problem and advice; the exit code is then 1."""
    try:
        app()
    except LaunchError as error:
        _fail(error)
    except BaseExceptionGroup as group:
        launch_errors = [error for error in group.exceptions if isinstance(error, LaunchError)]
        if not launch_errors:
            raise
        _fail(launch_errors[0])
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(130)


def _fail(error: LaunchError) -> None:
    errors.print(f"\n{error.problem}\n  → {error.advice}", markup=False)
    sys.exit(1)


if __name__ == "__main__":
    main()
