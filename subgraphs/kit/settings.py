"""What a service is told from outside: addresses of its servers, keys, and where it listens."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from subgraphs.kit.clock import SYSTEM_CLOCK, Clock


class ServiceSettingsError(Exception):
    """A setting is missing or makes no sense; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Everything one service process needs to know; passwords in the URLs stay out of its `repr`."""

    name: str
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    jwt_public_key_file: Path
    jwt_private_key_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    service_urls: Mapping[str, str] = field(default_factory=dict)
    """Where other services answer, for those that ask them; most learn of others by events alone."""
    event_sources: tuple[str, ...] = ()
    """The other services of the platform, for those that read everybody's events."""
    clock: Clock = SYSTEM_CLOCK
    server_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The addresses of further servers by name: those that sinks write to."""

    @classmethod
    def from_env(cls, name: str, environment: Mapping[str, str] = os.environ) -> "ServiceSettings":
        """Read the settings of the service of this name from environment variables."""
        missing = [
            key for key in ("DATABASE_URL", "REDIS_URL", "JWT_PUBLIC_KEY_FILE") if not environment.get(key)
        ]
        if missing:
            raise ServiceSettingsError(f"service {name}: set {', '.join(missing)} in the environment")
        private = environment.get("JWT_PRIVATE_KEY_FILE")
        return cls(
            name=name,
            database_url=environment["DATABASE_URL"],
            redis_url=environment["REDIS_URL"],
            jwt_public_key_file=_existing(name, "JWT_PUBLIC_KEY_FILE", environment["JWT_PUBLIC_KEY_FILE"]),
            jwt_private_key_file=_existing(name, "JWT_PRIVATE_KEY_FILE", private) if private else None,
            host=environment.get("HOST") or "127.0.0.1",
            port=_port(name, environment.get("PORT") or "0"),
            service_urls=_urls(name, "SERVICE_URLS", environment),
            event_sources=tuple(filter(None, environment.get("EVENT_SOURCES", "").split(","))),
            server_urls=_urls(name, "SERVER_URLS", environment),
        )


def _existing(name: str, key: str, value: str) -> Path:
    path = Path(value)
    if not path.is_file():
        raise ServiceSettingsError(f"service {name}: {key} names {path}, which is no readable file")
    return path


def _urls(name: str, key: str, environment: Mapping[str, str]) -> Mapping[str, str]:
    try:
        found = json.loads(environment.get(key) or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(url, str) for url in found.values()):
        raise ServiceSettingsError(f"service {name}: {key} must be a JSON object of names and addresses")
    return found


def _port(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) > 65535:
        raise ServiceSettingsError(f"service {name}: PORT must be a number from 0 to 65535, not {value!r}")
    return int(value)
