"""The command line options for external servers, such as --postgres-url: one for each row of the table of
servers.

`cli` adds them to its commands by a decorator.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from subgraphs.platform.tables import SERVERS

Urls = Mapping[str, str]
"""The URLs of external servers by the server's name."""


def with_server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with one option per server in place of its parameter `urls`.

    The returned command calls `command` with the values of these options, by name of the server, as `urls`.
    Options that the user has not set are left out.
    """

    @wraps(command)
    def wrapped(**options: Any) -> None:
        urls = {server.name: url for server in SERVERS if (url := options.pop(server.option))}
        command(**options, urls=urls)

    signature = inspect.signature(command)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "urls"]
    added = [
        inspect.Parameter(
            server.option,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, typer.Option(help=server.help)],
        )
        for server in SERVERS
    ]
    parameters = [*own, *added]
    vars(wrapped)["__signature__"] = signature.replace(parameters=parameters)
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped
