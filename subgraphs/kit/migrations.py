"""Migrations of a service's database: numbered SQL files, each applied once, in order.

A service applies its own and the kit's files when it starts. A file and its record, with a checksum, are one
transaction; an advisory lock lets several processes of a service start at once. The files are plain SQL, so
that readers see the tables as the database has them.
"""

import hashlib
import re
from pathlib import Path

import asyncpg

OWN = Path(__file__).parent / "migrations"
_LOCK = 0x6D7573696B6F6E  # "musikon"
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_NUMBERED = re.compile(r"\d{4}_\w+\.sql")


class MigrationError(Exception):
    """A migration was changed after it was applied, or the name of its file has no number."""


async def migrate(url: str, folder: Path) -> list[str]:
    """Apply the migrations of the kit and of `folder` that are new to the database; return their names.

    Raises MigrationError.
    """
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_TABLE)
        rows = await connection.fetch("SELECT name, checksum FROM schema_migrations")
        known = {row["name"]: row["checksum"] for row in rows}
        scripts = [*_scripts("kit", OWN), *_scripts("service", folder)]
        return [name for name, path in scripts if await _apply(connection, known, name, path.read_text())]
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, known: dict[str, str], name: str, script: str) -> bool:
    checksum = hashlib.sha256(script.encode()).hexdigest()
    if name in known:
        if known[name] != checksum:
            raise MigrationError(
                f"{name} was changed after it was applied to this database: restore the file as it was,"
                " and make the change in a new file"
            )
        return False
    async with connection.transaction():
        await connection.execute(script)
        await connection.execute(
            "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", name, checksum
        )
    return True


def _scripts(owner: str, folder: Path) -> list[tuple[str, Path]]:
    paths = sorted(folder.glob("*.sql"))
    if wrong := [path.name for path in paths if not _NUMBERED.fullmatch(path.name)]:
        raise MigrationError(
            f"migrations must be named like 0001_what_it_does.sql, got {', '.join(wrong)} in {folder}"
        )
    return [(f"{owner}/{path.stem}", path) for path in paths]
