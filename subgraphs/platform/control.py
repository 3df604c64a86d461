"""Orders (stop, start, status) from `mussikon` commands to a running launcher, over a Unix socket.

The socket is in the data folder. An order is one JSON object, {"do": "stop", "name": "users"}, and so is the
response: {"said": result}, or {"problem": ..., "advice": ...}. The path of a socket is limited to about a
hundred characters, which the path of a data folder may exceed, so the socket is opened through the folder's
file descriptor.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from subgraphs.platform.errors import LaunchError

_NAME = "control.sock"
Handle = Callable[[str, str], Awaitable[Any]]
"""Executes an order and returns its result as JSON values.

Its arguments are the order (stop, start, status) and the name of the process.
"""


@contextmanager
def _socket_path(folder: Path) -> Iterator[str]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{descriptor}"
        yield f"{short if Path(short).exists() else folder}/{_NAME}"
    finally:
        os.close(descriptor)


async def serve_orders(folder: Path, handle: Handle) -> asyncio.Server:
    """Start a server that executes orders with `handle`, and return it; it runs until it is closed.

    `folder`: where the socket is created. Only the user who runs the launcher can send orders.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, KeyError):
            order = json.loads(await reader.readline())
            try:
                response = {"said": await handle(order["do"], order["name"])}
            except LaunchError as error:
                response = {"problem": error.problem, "advice": error.advice}
            writer.write(json.dumps(response).encode() + b"\n")
            await writer.drain()
        writer.close()

    with _socket_path(folder) as path:
        listening = _bind(path)
    return await asyncio.start_unix_server(serve, sock=listening)


def _bind(path: str) -> socket.socket:
    Path(path).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    Path(path).chmod(0o600)
    listening.setblocking(False)
    return listening


def send_order(folder: Path, do: str, name: str = "") -> Any:
    """Send an order to the launcher whose socket is in `folder`, and return the order's result.

    `do`: stop, start or status; `name`: the service, or "gateway". Raises LaunchError if no launcher runs or
    the order fails.
    """
    not_running = LaunchError(
        f"No platform that accepts orders runs on the data folder {folder.parent}.",
        "Start it with mussikon run (without --in-process), or use --data FOLDER",
    )
    try:
        with _socket_path(folder) as path, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(90)
            connection.connect(path)
            connection.sendall(json.dumps({"do": do, "name": name}).encode() + b"\n")
            with connection.makefile("rb") as file:
                response = json.loads(file.readline() or b"{}")
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise not_running from error
    except OSError as error:
        raise LaunchError(
            f"The connection to the launcher failed: {error}", "Run the command as the user who started it"
        ) from error
    if "said" not in response:
        raise LaunchError(
            response.get("problem", "The launcher sent no response."), response.get("advice", "Try again")
        )
    return response["said"]
