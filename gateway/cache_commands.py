"""The commands `gateway cache`: they call the /cache endpoints of a running gateway."""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.core.errors import SettingsError
from gateway.core.jsontext import NotJson, read_json

cache_app = typer.Typer(help="The cache of a running gateway.", no_args_is_help=True)
SECRET = "GATEWAY_CACHE_SECRET"  # noqa: S105 - the name of the variable
PATIENCE = 30.0  # seconds to wait for the gateway
UrlOption = Annotated[str, typer.Option("--url", metavar="URL", help="The gateway's address.")]
SecretOption = Annotated[
    str | None,
    typer.Option(
        "--secret-file",
        metavar="FILE",
        help=f"A file with cache.invalidation.secret; by default the variable {SECRET} has it.",
    ),
]
HOME = "http://127.0.0.1:4000"
Entries = Annotated[
    list[str],
    typer.Argument(
        metavar="ENTRY...",
        help="What is meant: subgraph:users, type:User, type:users:User, tag:NAME, entity:User:id=1.",
    ),
]


@cache_app.command("stats")
def stats(url: UrlOption = HOME, secret_file: SecretOption = None) -> None:
    """Print how often values were found, by level, type and operation."""
    found = _call(url, "/cache/stats", secret_file)
    ratio = found["hit_ratio"]
    print(f"hit ratio: {'no values asked yet' if ratio is None else f'{ratio:.2%}'}")
    print("  ".join(f"{level} {count:,}" for level, count in found["levels"].items()))
    memory = found["memory"]
    used = f"{memory['bytes']:,} of {memory['limit']:,} bytes, {memory['evicted']:,} evicted"
    print(f"memory: {memory['entries']:,} entries, {used}")
    for name in ("redis", "shadow"):
        if found[name] is not None:
            print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found[name].items()))
    for title, rows in (("values", found["types"]), ("operations", found["operations"])):
        for name, row in sorted(rows.items(), key=lambda one: -sum(one[1].values())):
            print(f"{title}  {name or '(no name)'}: " + ", ".join(f"{key} {row[key]:,}" for key in row))


@cache_app.command("invalidate")
def invalidate(entries: Entries, url: UrlOption = HOME, secret_file: SecretOption = None) -> None:
    """Invalidate what is cached, in all processes that share Redis."""
    found = _call(url, "/cache/invalidate", secret_file, [_wish(one) for one in entries])
    print(f"{found['tags']:,} tags are invalid; they concerned {found['entries']:,} entries of one process")


@cache_app.command("explain")
def explain(entries: Entries, url: UrlOption = HOME, secret_file: SecretOption = None) -> None:
    """Print the entries of one process that an invalidation would concern, as JSON."""
    found = _call(url, "/cache/explain", secret_file, [_wish(one) for one in entries])
    print(json.dumps(found, indent=2))


@cache_app.command("operations")
def operations(
    url: UrlOption = HOME,
    secret_file: SecretOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The number of queries.")] = 100,
) -> None:
    """Print the public queries that are asked most, as JSON for `gateway cache warm`."""
    print(json.dumps(_call(url, f"/cache/operations?limit={limit}", secret_file), indent=2))


@cache_app.command("warm")
def warm(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `gateway cache operations` has printed.")],
    url: UrlOption = HOME,
) -> None:
    """Ask queries, so that their values are cached before clients ask."""
    try:
        asked = read_json(Path(file).read_bytes())
    except (OSError, NotJson) as error:
        raise SettingsError(f"{file} can't be read: {error}", "BAD_OPTION") from error
    if not isinstance(asked, list) or not all(isinstance(one, dict) and "query" in one for one in asked):
        raise SettingsError(f'{file}: expected a list of objects with "query"', "BAD_OPTION")
    failed = 0
    for one in asked:
        body = {name: one.get(name) for name in ("query", "operationName", "variables")}
        failed += "errors" in _call(url, "/graphql", None, body, needs_secret=False)
    print(f"asked {len(asked):,} queries, {failed:,} had errors")


def _wish(entry: str) -> dict[str, Any]:
    """Return an entry of the command line as the endpoint reads it. Raises SettingsError BAD_OPTION."""
    kind, _, rest = entry.partition(":")
    if kind == "subgraph" and rest:
        return {"kind": kind, "subgraph": rest}
    if kind == "tag" and rest:
        return {"kind": kind, "tags": [rest]}
    if kind == "type" and rest:
        subgraph, _, name = rest.rpartition(":")
        return {"kind": kind, "type": name, **({"subgraph": subgraph} if subgraph else {})}
    if kind == "entity" and "=" in rest:
        name, _, fields = rest.partition(":")
        pairs = [one.partition("=") for one in fields.split(",")]
        return {"kind": kind, "type": name, "key": {key: value for key, _, value in pairs}}
    message = f"expected subgraph:NAME, type:NAME, tag:NAME or entity:TYPE:key=value, got {entry}"
    raise SettingsError(message, "BAD_OPTION")


def _call(
    url: str, path: str, secret_file: str | None, body: Any = None, *, needs_secret: bool = True
) -> Any:
    """Return the JSON of a gateway's reply. Raises SettingsError BAD_OPTION."""
    headers = {"content-type": "application/json", "accept": "application/json"}
    if needs_secret:
        headers["authorization"] = f"Bearer {_secret(secret_file)}"
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"--url: expected http:// or https://, got {url}", "BAD_OPTION")
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url.rstrip("/") + path, data, headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:  # noqa: S310
            return read_json(reply.read())
    except urllib.error.HTTPError as error:
        raise SettingsError(f"{url}{path}: {_message(error)}", "BAD_OPTION") from error
    except (OSError, NotJson) as error:
        raise SettingsError(f"{url}{path} does not reply as a gateway: {error}", "BAD_OPTION") from error


def _message(error: urllib.error.HTTPError) -> str:
    """Return the message of an error reply."""
    try:
        found = read_json(error.read())
        return f"{found['errors'][0]['message']} (HTTP status {error.code})"
    except (NotJson, KeyError, IndexError, TypeError):
        return f"HTTP status {error.code}"


def _secret(file: str | None) -> str:
    """Return the secret of the endpoint. Raises SettingsError BAD_OPTION if there is none."""
    if file is None:
        found = os.environ.get(SECRET)
        if not found:
            message = f"expected the secret in the variable {SECRET}, or --secret-file FILE"
            raise SettingsError(message, "BAD_OPTION")
        return found
    try:
        return Path(file).read_text().strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} can't be read: {error}", "BAD_OPTION") from error
