"""Orders to a launcher that runs: a Unix socket in its data folder, one JSON object there, one back.

The path of a socket may have about a hundred characters, and a data folder may lie deeper; so it is opened by
way of the folder's descriptor.
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
"""Called with what to do and to which process."""


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = f"/proc/self/fd/{descriptor}"
        yield f"{short if Path(short).exists() else folder}/{_NAME}"
    finally:
        os.close(descriptor)


async def listen(folder: Path, handle: Handle) -> asyncio.Server:
    """Take orders until the server is closed; only the user who runs the launcher can give them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, KeyError):
            order = json.loads(await reader.readline())
            try:
                answer = {"said": await handle(order["do"], order["name"])}
            except LaunchError as error:
                answer = {"problem": error.problem, "advice": error.advice}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    with _short(folder) as path:
        listening = _bind(path)
    return await asyncio.start_unix_server(serve, sock=listening)


def _bind(path: str) -> socket.socket:
    Path(path).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    Path(path).chmod(0o600)
    listening.setblocking(False)
    return listening


def ask(folder: Path, do: str, name: str = "") -> Any:
    """Give an order to the launcher that uses this data folder, and answer what it said."""
    nobody = LaunchError(
        f"Nothing that takes orders runs on the data folder {folder.parent}.",
        "Start it: mussikon run (not with --in-process), or say --data FOLDER",
    )
    try:
        with _short(folder) as path, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(90)
            connection.connect(path)
            connection.sendall(json.dumps({"do": do, "name": name}).encode() + b"\n")
            with connection.makefile("rb") as file:
                answer = json.loads(file.readline() or b"{}")
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise nobody from error
    except OSError as error:
        raise LaunchError(
            f"The launcher cannot be asked: {error}", "Run as the user who started it"
        ) from error
    if "said" not in answer:
        raise LaunchError(
            answer.get("problem", "The launcher gave no answer."), answer.get("advice", "Try again")
        )
    return answer["said"]
