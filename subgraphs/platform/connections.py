"""Connections of the `mussikon` command to PostgreSQL; a failure is a LaunchError with advice for
the user.
"""

from urllib.parse import urlsplit

import asyncpg

from subgraphs.platform.errors import LaunchError


async def connect(url: str) -> asyncpg.Connection:
    """Open a connection; the caller must close it. Raises LaunchError if PostgreSQL refuses it or is down."""
    shown = urlsplit(url)
    place = f"{shown.hostname or ''}:{shown.port or 5432}"
    try:
        return await asyncpg.connect(url, timeout=5)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise LaunchError(
            f"PostgreSQL at {place} refuses the user or password.", "Correct --postgres-url"
        ) from error
    except PermissionError as error:
        raise LaunchError(
            f"You may not read {error.filename or 'the files for TLS'},"
            " which may be needed to reach PostgreSQL.",
            "Set HOME to a folder that you may read, or append ?sslmode=disable to the URL in --postgres-url",
        ) from error
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise LaunchError(
            f"PostgreSQL at {place} does not answer: {error}", "Start it, or correct --postgres-url"
        ) from error


async def check_postgres(url: str) -> None:
    """Raise LaunchError unless PostgreSQL accepts a connection at this URL."""
    await (await connect(url)).close()
