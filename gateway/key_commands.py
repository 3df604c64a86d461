"""The commands `gateway keys` and `gateway revoke`."""

import asyncio
import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from gateway.config.load import read_config
from gateway.core.clock import SYSTEM_CLOCK
from gateway.core.errors import SettingsError
from gateway.observe.observer import Observer
from gateway.security.api_keys import KeyFile, KeyLimit, KeyRecord, new_key, read_keys, utc, write_keys
from gateway.security.redis_link import RedisLink, RedisUnavailable
from gateway.security.revocation import Revocation, revoke

keys_app = typer.Typer(help="API keys: create, list and revoke them.", no_args_is_help=True)
FileOption = Annotated[
    str, typer.Option("--file", metavar="FILE", help="The file of keys: the setting keys.file.")
]
PATIENCE = 5.0  # seconds that the command waits for Redis: unlike a gateway, it has to connect first
_SPANS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    file: FileOption,
    scope: Annotated[list[str] | None, typer.Option(help="A scope of the key; repeat for more.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="SPAN", help="When it expires, such as 90d; by default never.")
    ] = None,
    requests: Annotated[
        str | None, typer.Option(metavar="N/SPAN", help="A limit on requests, such as 600/1m.")
    ] = None,
    cost: Annotated[
        str | None, typer.Option(metavar="N/SPAN", help="A limit on the sum of costs, such as 100000/1h.")
    ] = None,
) -> None:
    """Create an API key and print it. It is shown only now: the file has its hash."""
    path = Path(file)
    before = read_keys(path) if path.exists() else KeyFile()
    limits = []
    if requests is not None:
        number, window = _rate(requests, "--requests")
        limits.append(KeyLimit(window, requests=number))
    if cost is not None:
        number, window = _rate(cost, "--cost")
        limits.append(KeyLimit(window, cost=number))
    now = utc(SYSTEM_CLOCK.now())
    end = now + timedelta(seconds=_seconds(expires, "--expires")) if expires is not None else None
    record, key = new_key(name, scope or (), limits, now, end)
    write_keys(path, KeyFile((*before.keys, record)))
    print(key)


@keys_app.command("list")
def list_keys(file: FileOption) -> None:
    """Print the keys of a file: id, name, scopes, limits, and whether they are valid."""
    for one in read_keys(Path(file)).keys:
        scopes = " ".join(one.scopes) or "no scopes"
        limits = ", ".join(_shown(limit) for limit in one.limits) or "no limits"
        print(f"{one.id}  {one.name}  {_state(one)}  {scopes}  {limits}")


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id of the key, as `gateway keys list` has.")
    ],
    file: FileOption,
) -> None:
    """Revoke an API key. Gateways refuse it when they look at the file next (the setting keys.poll)."""
    path = Path(file)
    known = read_keys(path).keys
    if not any(one.id == key_id for one in known):
        raise SettingsError(f"{file} has no key with the id {key_id}; see `gateway keys list`", "BAD_OPTION")
    changed = (structs.replace(one, revoked=True) if one.id == key_id else one for one in known)
    write_keys(path, KeyFile(tuple(changed)))
    print(f"the key {key_id} is revoked")


def revoke_tokens(
    config: Annotated[str, typer.Option("--config", metavar="FILE", help="The configuration file.")],
    token_id: Annotated[
        str | None, typer.Option("--token-id", metavar="JTI", help="The id (`jti`) of one token.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="SUB", help="The subject (`sub`) whose tokens of until now end.")
    ] = None,
) -> None:
    """Revoke one token, or all tokens of a subject, at all gateways that share the Redis server."""
    if (token_id is None) == (subject is None):
        raise SettingsError("expected either --token-id JTI or --subject SUB", "BAD_OPTION")
    settings = read_config(Path(config), os.environ)
    revocation = Revocation(token_id, subject, SYSTEM_CLOCK.now())

    async def send() -> int:
        link = RedisLink(replace(settings.redis, timeout=PATIENCE), Observer())
        try:
            return await link.run(lambda client: revoke(client, revocation, settings.redis.prefix))
        except RedisUnavailable as error:
            raise SettingsError(f"Redis does not reply: {error}", "BAD_OPTION") from error
        finally:
            await link.close()

    print(f"revoked; {asyncio.run(send())} gateways were listening")


def _rate(text: str, option: str) -> tuple[int, float]:
    number, slash, span = text.partition("/")
    if not slash or not number.isdecimal() or int(number) < 1:
        raise SettingsError(
            f"{option}: expected a number and a span such as 600/1m, got {text}", "BAD_OPTION"
        )
    return int(number), _seconds(span, option)


def _seconds(span: str, option: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([smhd])", span)
    if found is None or int(found[1]) == 0:
        raise SettingsError(f"{option}: expected a span such as 30s, 5m, 1h or 90d, got {span}", "BAD_OPTION")
    return float(int(found[1]) * _SPANS[found[2]])


def _shown(limit: KeyLimit) -> str:
    what = f"{limit.requests:,} requests" if limit.requests is not None else f"cost {limit.cost or 0:,}"
    return f"{what} in {limit.window:g} s"


def _state(record: KeyRecord) -> str:
    if record.revoked:
        return "revoked"
    if record.expires is None:
        return "valid"
    word = "expired" if record.expires.timestamp() <= SYSTEM_CLOCK.now() else "valid until"
    return f"{word} {record.expires:%Y-%m-%d}"
