"""Serves the pictures on a port of their own, and nothing else there.

It is for platforms whose users service has no port (`mussikon run --in-process`), or none that browsers reach
(docker-compose).
"""

import asyncio
import socket

import uvicorn

from subgraphs.kit.serve import Server
from subgraphs.kit.settings import ServiceSettingsError
from subgraphs.users.pictures.page import PicturesPage


class PicturesServer:
    """The server as a part of the service; `page` has no other application behind it."""

    def __init__(self, page: PicturesPage, host: str, port: int) -> None:
        self._page = page
        self._address = (host, port)
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises ServiceSettingsError if the port cannot be used."""
        host, port = self._address
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = socket.create_server(self._address, family=family)
        except OSError as error:
            raise ServiceSettingsError(
                f"service users: USERS_PICTURES_PORT must be a free port of {host}, got {port}: {error}"
            ) from error
        config = uvicorn.Config(
            self._page,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=5,
        )
        self._server = Server(config)
        self._serving = asyncio.create_task(self._server.serve([listening]), name="server of pictures")

    async def stop(self) -> None:
        """Complete the running requests, and stop listening."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
