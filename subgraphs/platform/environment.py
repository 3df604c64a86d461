"""Computes the environment variables with which a service and the gateway are started.

They follow from the service's row in the table of services, the options, the servers' URLs and the key files.
"""

import json
import os
from collections.abc import Mapping
from typing import Final

from subgraphs.platform.options import Options
from subgraphs.platform.preparation import KeyFiles
from subgraphs.platform.schema_files import has_live
from subgraphs.platform.servers import Servers
from subgraphs.platform.tables import SERVERS, VALKEY, ServiceRow

CACHED: Final = True
"""Whether the gateway caches replies, unless the variable MUSSIKON_CACHE (`true`, `false`) says otherwise."""


def environment_of(service: str, options: Options, servers: Servers, keys: KeyFiles) -> Mapping[str, str]:
    """Return the variables that `ServiceSettings.from_env` reads for a service."""
    row = options.services[service]
    variables = {
        "HOST": "127.0.0.1",
        "PORT": str(options.port_of(service)),
        "JWT_PUBLIC_KEY_FILE": str(keys.public),
        **_addresses(service, options, servers),
        **_folder(row, options),
        **_own(service, os.environ),
        **options.own.get(service, {}),
    }
    if row.signs:
        variables["JWT_PRIVATE_KEY_FILE"] = str(keys.private if row.signs == "people" else keys.service)
    if row.stand_in:
        variables[f"{service}_STAND_IN".upper()] = options.url_of(row.stand_in)
    if row.calls:
        variables["SERVICE_URLS"] = json.dumps({other: options.url_of(other) for other in row.calls})
    if row.reads_all_events:
        variables["EVENT_SOURCES"] = ",".join(options.services.others(service))
    return variables


def gateway_environment(options: Options, servers: Servers, keys: KeyFiles) -> Mapping[str, str]:
    """Return the variables that `gateway.yaml` refers to.

    All processes of the gateway count rates together, in Valkey, read the revoked tokens there, and share
    cached replies; a single process counts in its memory, and its services refuse revoked tokens. Events for
    subscriptions are read from the queue; without one, subscriptions are refused.
    """
    found = {
        "MUSSIKON_KEY_SET": str(keys.key_set),
        "MUSSIKON_API_KEYS": str(keys.partners),
        "MUSSIKON_MANIFEST": str(options.manifest.resolve()),
    }
    queue = servers.urls.get(VALKEY)
    if queue is None or not has_live(options.services):
        found["GATEWAY__SUBSCRIPTIONS__REDIS__FIELDS"] = "{}"
    else:
        found["MUSSIKON_QUEUE"] = queue
    if not options.in_process:
        found |= {
            "MUSSIKON_RATES": "redis",
            "MUSSIKON_REDIS": servers.redis_url,
            "MUSSIKON_REVOCATION": "true",
            "MUSSIKON_CACHE": os.environ.get("MUSSIKON_CACHE") or ("true" if CACHED else "false"),
        }
    if options.production:
        found |= {"MUSSIKON_PROFILE": "production", "MUSSIKON_DOCUMENTS": "require_listed"}
    return found


def _folder(row: ServiceRow, options: Options) -> dict[str, str]:
    """Return the variables for the folder that a service writes, and for the page that shows it."""
    if row.folder is None:
        return {}
    name = f"{row.name}_{row.folder}".upper()
    found = {name: str(options.data.resolve() / row.folder)}
    if not options.production:
        found[f"{name}_PAGE"] = "on"
    if row.serves_folder and options.in_process:
        found[f"{name}_PORT"] = str(options.port_of(row.name))
    return found


def _own(service: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of this process that are for one service only: USERS_REFRESH_TOKEN_DAYS."""
    return {key: value for key, value in environment.items() if key.startswith(f"{service.upper()}_")}


def _addresses(service: str, options: Options, servers: Servers) -> dict[str, str]:
    """Return the variables with the URLs of the servers that a service uses.

    The row of a server names its variable (`ServerRow.variable`). The URLs of servers without a variable of
    their own are in SERVER_URLS, a JSON object by name.
    """
    used = [server for server in SERVERS if server.name in options.services[service].uses]
    own = {server.variable: servers.url_for(server.name, service) for server in used if server.variable}
    others = {server.name: servers.url_for(server.name, service) for server in used if not server.variable}
    return {**own, "SERVER_URLS": json.dumps(others)} if others else own
