"""Idempotency keys of mutations that may be repeated without harm, such as "mark as read".

Services with a command log do not need this module: the log executes a command once (`kit/commands/log`).
Here the mutation is executed again, which changes nothing more, and only a key that was used for another
change is refused. Keys are remembered for a week.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import text

from subgraphs.kit.database import Session
from subgraphs.kit.errors import IdempotencyKeyReused
from subgraphs.kit.idempotency_keys import checked

_CLAIM = text(
    """
WITH old AS (
    DELETE FROM mutation_keys WHERE key_hash IN (
        SELECT key_hash FROM mutation_keys WHERE created_at < clock_timestamp() - interval '7 days'
        ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED)
)
INSERT INTO mutation_keys (key_hash, input_hash) VALUES (:key_hash, :input_hash) ON CONFLICT DO NOTHING
"""
)
_FIND = text("SELECT input_hash FROM mutation_keys WHERE key_hash = :key_hash")


async def claim(session: Session, key: str | None, by: str, mutation: str, given: Mapping[str, Any]) -> bool:
    """Record that the caller `by` uses a key for a mutation; return whether it is a repetition.

    `session`: a database, or the unit of work of the change, so that the key of a change that fails is free.
    `by`: a user's id, or for a caller without a token what identifies the change, such as an e-mail address.
    `given`: the input without secrets. Without a key nothing is recorded, and the result is False. Raises
    IdempotencyKeyReused if the key was used for another mutation or other input, and BadUserInput for a key
    that is empty or too long.
    """
    if key is None:
        return False
    key_hash = _hash([by, checked(key)])
    input_hash = _hash([mutation, given])
    if await session.execute(_CLAIM.bindparams(key_hash=key_hash, input_hash=input_hash)) == 1:
        return False
    if await session.fetch_value(_FIND, key_hash=key_hash) != input_hash:
        raise _reused()
    return True


async def is_repeated(
    session: Session, key: str | None, by: str, mutation: str, given: Mapping[str, Any]
) -> bool:
    """Return whether `claim` would find a repetition, without recording anything: for work before the
    transaction that claims the key.

    Raises as `claim`.
    """
    if key is None:
        return False
    known = await session.fetch_value(_FIND, key_hash=_hash([by, checked(key)]))
    if known is not None and known != _hash([mutation, given]):
        raise _reused()
    return known is not None


def _reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused("The idempotency key was used for another change: choose a new key")


def _hash(value: Any) -> bytes:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)).digest()
