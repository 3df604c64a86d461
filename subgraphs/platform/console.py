"""Output on the terminal while the platform starts: one line per step, progress bars for long steps.

The launcher's modules print with it; `errors` writes to standard error.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from subgraphs.platform.accounts import DEMO_ACCOUNTS, DEMO_PASSWORD
from subgraphs.platform.options import Options
from subgraphs.platform.seeding import Progress as Report

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a line that begins with the time of day."""
    console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Show the name of a step while the `with` block runs, and print a line with its duration at the end."""
    begin = time.monotonic()
    with console.status(name) if console.is_terminal else _no_status(name):
        yield
    console.print(f"  {name:44} {time.monotonic() - begin:6.1f} s", markup=False)


@contextmanager
def _no_status(name: str) -> Iterator[None]:
    yield


@contextmanager
def progress_bars() -> Iterator[Report]:
    """Yield a callback that shows the progress of steps as bars.

    If the output is no terminal, it prints a line for each finished step.
    """
    if not console.is_terminal:
        yield _print_finished
        return
    columns = (TextColumn("  {task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=total)

        yield report


def _print_finished(name: str, done: int, total: int) -> None:
    if done >= total:
        console.print(f"  {name:44} {done:8}", markup=False)


def welcome(options: Options, has_sample: bool) -> None:
    """Print the addresses, the demo accounts, and how to stop the platform."""
    table = Table(box=None, show_header=False, padding=(0, 2))
    if not options.production:
        table.add_row("GraphiQL", f"{options.gateway_url}/", style="bold")
    for title, url in options.pages.items():
        table.add_row(f"{title}, for admins", url, style="bold")
    table.add_row("GraphQL", f"{options.gateway_url}/graphql")
    for service in options.services.names if not options.in_process else ():
        table.add_row(service, options.url_of(service))
    if options.mailbox_url is not None:
        table.add_row("mailbox", options.mailbox_url)
    table.add_row("data and logs", str(options.data.resolve()))
    console.print("\nMussikOn runs.\n", style="bold")
    console.print(table)
    if has_sample:
        _print_accounts()
    if options.host not in ("127.0.0.1", "localhost", "::1"):
        console.print(
            "\nOther machines can reach the gateway and log in with the demo accounts:"
            " deactivate them (setUserActive), or start with new data and --no-sample."
        )
    console.print(f"\n{_how_to_end(options)}\n", markup=False)


def _print_accounts() -> None:
    """Print the demo accounts, and how to log in as one of them."""
    console.print(f"\nDemo accounts, password {DEMO_PASSWORD}:")
    for account in DEMO_ACCOUNTS:
        console.print(f"  {account.username:16} {account.user_type:10} {account.description}", markup=False)
    given = f'{{login: "demo_admin", password: "{DEMO_PASSWORD}"}}'
    log_in = f"mutation {{ logIn(input: {given}) {{ session {{ token }} }} }}"
    console.print("\nTo log in, run this in GraphiQL, and paste the token into the token field of a page:")
    console.print(f"  {log_in}", markup=False)


def _how_to_end(options: Options) -> str:
    ending = "Ctrl-C stops everything."
    if options.in_process:
        return ending
    folder = "" if str(options.data) == ".data" else f" --data {options.data}"
    return (
        f"{ending} To stop and start one service: mussikon stop users{folder}, mussikon start users{folder}."
    )
