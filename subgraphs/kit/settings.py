"""The settings of a service process: addresses of servers, key files, and the address on which it listens.

They are read from environment variables, which `mussikon run` and docker-compose.yml set.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from subgraphs.kit.clock import SYSTEM_CLOCK, Clock


class ServiceSettingsError(Exception):
    """A setting of a service is missing or not valid."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings of one service process; its `repr` omits URLs that may contain passwords."""

    name: str
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    jwt_public_key_file: Path
    jwt_private_key_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    service_urls: Mapping[str, str] = field(default_factory=dict)
    """The GraphQL URLs of the other services that this one calls, by name."""
    event_sources: tuple[str, ...] = ()
    """The names of all other services, for a service that consumes the events of all of them."""
    clock: Clock = SYSTEM_CLOCK
    server_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The URLs of further servers, such as the targets of sinks, by name."""
    own: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables of this service only, by name without the prefix: SMTP_URL for NOTIFICATIONS_SMTP_URL.

    Empty variables are left out.
    """
    max_offers: int = 5
    """How many unanswered offers a client may have."""

    @classmethod
    def from_env(cls, name: str, environment: Mapping[str, str] = os.environ) -> "ServiceSettings":
        """Read the settings of the service `name` from environment variables. Raises ServiceSettingsError."""
        missing = [
            key for key in ("DATABASE_URL", "REDIS_URL", "JWT_PUBLIC_KEY_FILE") if not environment.get(key)
        ]
        if missing:
            raise ServiceSettingsError(
                f"service {name}: the environment lacks {', '.join(missing)}: set each of them"
            )
        private = environment.get("JWT_PRIVATE_KEY_FILE")
        return cls(
            name=name,
            database_url=environment["DATABASE_URL"],
            redis_url=environment["REDIS_URL"],
            jwt_public_key_file=_existing(name, "JWT_PUBLIC_KEY_FILE", environment["JWT_PUBLIC_KEY_FILE"]),
            jwt_private_key_file=_existing(name, "JWT_PRIVATE_KEY_FILE", private) if private else None,
            host=environment.get("HOST") or "127.0.0.1",
            port=_whole(name, "PORT", environment.get("PORT") or "0", 0, 65535),
            service_urls=_urls(name, "SERVICE_URLS", environment),
            event_sources=tuple(filter(None, environment.get("EVENT_SOURCES", "").split(","))),
            server_urls=_urls(name, "SERVER_URLS", environment),
            own=_own(name, environment),
            max_offers=_whole(name, "MAX_OFFERS", environment.get("MAX_OFFERS") or "5", 1, 1000),
        )

    def whole_number(self, name: str, default: int, least: int, most: int) -> int:
        """Return the value of a variable in `own` as a number. Raises ServiceSettingsError."""
        return _whole(self.name, f"{self.name.upper()}_{name}", self.own.get(name, str(default)), least, most)


def _own(name: str, environment: Mapping[str, str]) -> Mapping[str, str]:
    prefix = f"{name.upper()}_"
    return {
        key.removeprefix(prefix): value
        for key, value in environment.items()
        if key.startswith(prefix) and value
    }


def _existing(name: str, key: str, value: str) -> Path:
    path = Path(value)
    if not path.is_file():
        raise ServiceSettingsError(f"service {name}: {key} must name a readable file, got {path}")
    return path


def _urls(name: str, key: str, environment: Mapping[str, str]) -> Mapping[str, str]:
    try:
        urls = json.loads(environment.get(key) or "{}")
    except ValueError:
        urls = None
    if not isinstance(urls, dict) or not all(isinstance(url, str) for url in urls.values()):
        raise ServiceSettingsError(
            f'service {name}: {key} must be a JSON object of URLs by name, such as {{"users": "http://..."}}'
        )
    return urls


def _whole(name: str, key: str, value: str, least: int, most: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 19 and least <= int(value) <= most):
        raise ServiceSettingsError(
            f"service {name}: {key} must be a number from {least} to {most}, got {value!r}"
        )
    return int(value)
