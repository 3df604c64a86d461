"""Hashes and checks passwords with argon2id, in threads.

A hash takes tens of milliseconds and 64 MiB on purpose, so only a few are computed at the same time.
"""

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_AT_ONCE: Final = 4
_HASHER: Final = PasswordHasher()
# A hash of the usual cost that matches no password. It is checked for names that do not exist, so that the
# duration of a log-in does not show whether a name exists.
_NOBODYS: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5IG5vYm9keQ$gBRc4M8UyZkQVzqkvYAGcgZJQKPwfCfE9Z4yI8tHLxk"
)


class Passwords:
    """Hashes and checks passwords, at most four at a time, so that many log-ins cannot use up the memory."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return the hash of a password, to be stored."""
        async with self._free:
            hashed: str = await asyncio.to_thread(_HASHER.hash, password)
            return hashed

    async def matches(self, stored: str | None, password: str) -> bool:
        """Return whether a password matches the hash `stored`.

        None: the user does not exist; the result is False, after the usual time.
        """
        async with self._free:
            return await asyncio.to_thread(_matches, stored or _NOBODYS, password) and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than the present ones, and is to be
        replaced.
        """
        return bool(_HASHER.check_needs_rehash(stored))


def _matches(stored: str, password: str) -> bool:
    try:
        return bool(_HASHER.verify(stored, password))
    except (VerificationError, InvalidHashError):
        return False
