"""Hashing of passwords with argon2id, in threads: a hash takes tens of milliseconds and 64 MiB on purpose."""

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_AT_ONCE: Final = 4
_HASHER: Final = PasswordHasher()
# A hash of the usual cost that matches no password, to be checked for names that do not exist.
_NOBODYS: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5IG5vYm9keQ$gBRc4M8UyZkQVzqkvYAGcgZJQKPwfCfE9Z4yI8tHLxk"
)


class Passwords:
    """Hashes and checks passwords, a few at a time, so that many log-ins at once cannot use up the memory."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return the hash of a password, to be stored."""
        async with self._free:
            hashed: str = await asyncio.to_thread(_HASHER.hash, password)
            return hashed

    async def matches(self, stored: str | None, password: str) -> bool:
        """Return whether a password matches a hash; False after the usual time if `stored` is None."""
        async with self._free:
            return await asyncio.to_thread(_matches, stored or _NOBODYS, password) and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than the current ones."""
        return bool(_HASHER.check_needs_rehash(stored))


def _matches(stored: str, password: str) -> bool:
    try:
        return bool(_HASHER.verify(stored, password))
    except (VerificationError, InvalidHashError):
        return False
