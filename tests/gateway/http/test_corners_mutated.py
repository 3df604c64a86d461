"""Unusual HTTP requests with bytes changed, lost and inserted never cause an internal error."""

import asyncio
import gc
import random
from contextlib import suppress

import pytest

from gateway.settings import Limits, Settings
from tests.gateway.http.corners import CORNERS
from tests.gateway.http.sockets import Served, connected, gone, serving, well

ROWS = [sent.replace(b"PATH", b"/graphql") for sent, _ in CORNERS.values() if len(sent) < 5_000]
PIECES = [
    b"\r\n",
    b"\n",
    b"\x00",
    b"upgrade: h2c\r\n",
    b"connection: upgrade\r\n",
    b"expect: 100-continue\r\n",
]
COUNT = 150


def mutated(chance: random.Random) -> bytes:
    """Return one to three requests, most of them damaged."""
    parts = []
    for _ in range(chance.randint(1, 3)):
        part = bytearray(chance.choice(ROWS))
        for _ in range(chance.choice([0, 1, 2])):
            place = chance.randrange(len(part))
            match chance.randrange(3):
                case 0:
                    part[place] = chance.randrange(256)
                case 1:
                    del part[place : place + chance.randint(1, 20)]
                case _:
                    part[place:place] = chance.choice(PIECES)
            part += b"" if part else b"x"
        parts.append(bytes(part))
    return b"".join(parts)


async def replies(served: Served, sent: bytes, step: int) -> bytes:
    """Return the bytes that come back until the connection ends."""
    async with connected(served) as (reader, writer):
        for start in range(0, len(sent), step):
            if reader.at_eof():
                break
            writer.write(sent[start : start + step])
            await asyncio.sleep(0)
        with suppress(OSError):  # closed already
            writer.write_eof()
        with suppress(ConnectionError):
            return await reader.read()
    return b""


@pytest.mark.parametrize("seed", range(4))
async def test_mutated_requests(seed: int) -> None:
    """Each connection ends with or without replies, none of them a 500, and no callback or task fails."""
    chance = random.Random(seed)
    mistakes: list[object] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: mistakes.append(context))
    try:
        async with serving(settings=Settings(limits=Limits(body=2_000))) as served:
            for _ in range(COUNT):
                sent = mutated(chance)
                got = await replies(served, sent, chance.choice([1, 7, 50, 100_000]))
                assert b"HTTP/1.1 500" not in got, sent
                assert mistakes == [], sent
            await gone(served)
            await well(served)
        gc.collect()
        assert mistakes == []
    finally:
        loop.set_exception_handler(before)
