"""The environment of a service: what its row in the table, the options, the servers and the keys say
of it."""

import json
from collections.abc import Mapping

from subgraphs.platform.options import Options
from subgraphs.platform.preparation import KeyFiles
from subgraphs.platform.servers import Servers
from subgraphs.platform.tables import SERVERS


def environment_of(service: str, options: Options, servers: Servers, keys: KeyFiles) -> Mapping[str, str]:
    """The variables that `ServiceSettings.from_env` reads, for a service as a process or in this one."""
    row = options.services[service]
    found = {
        "HOST": "127.0.0.1",
        "PORT": str(options.port_of(service)),
        "JWT_PUBLIC_KEY_FILE": str(keys.public),
        **_addresses(service, options, servers),
    }
    if row.signs:
        found["JWT_PRIVATE_KEY_FILE"] = str(keys.private if row.signs == "people" else keys.service)
    if row.asks:
        found["SERVICE_URLS"] = json.dumps({other: options.url_of(other) for other in row.asks})
    if row.reads_all_events:
        found["EVENT_SOURCES"] = ",".join(options.services.others(service))
    return found


def _addresses(service: str, options: Options, servers: Servers) -> dict[str, str]:
    """The addresses of the servers that a service uses: in a variable of their own, or together in
    SERVER_URLS."""
    used = [server for server in SERVERS if server.name in options.services[service].uses]
    own = {server.variable: servers.url_for(server.name, service) for server in used if server.variable}
    others = {server.name: servers.url_for(server.name, service) for server in used if not server.variable}
    return {**own, "SERVER_URLS": json.dumps(others)} if others else own
