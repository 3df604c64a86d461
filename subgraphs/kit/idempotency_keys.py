"""The argument `idempotencyKey`, which all mutations have.

A caller chooses a key for each change. A mutation that is sent again with its key and its input is executed
once and returns the first result. A key that was used for another mutation, or with other input, is refused
with the code IDEMPOTENCY_KEY_REUSED. Keys belong to their caller: two users may choose the same one.
"""

from typing import Annotated, Final
from uuid import UUID, uuid5

import strawberry

from subgraphs.kit import checks
from subgraphs.kit.identity import Identity

DESCRIPTION: Final = (
    "A key of your choice, 1 to 100 characters. Send the mutation again with the same key if you got no"
    " answer: it is executed once. A key cannot be used for another change."
)
IdempotencyKey = Annotated[str | None, strawberry.argument(description=DESCRIPTION)]
RequiredKey = Annotated[str, strawberry.argument(description=DESCRIPTION)]
ExpectedVersion = Annotated[
    int | None,
    strawberry.argument(
        description="The `version` that the caller has read: if another change came first, the mutation is"
        " refused with VERSION_CONFLICT."
    ),
]
_NAMESPACE: Final = UUID("3f0c8f6c-6a0e-4b53-9d1e-2c8d4b1f7a10")


def checked(key: str, field: str = "idempotencyKey") -> str:
    """Return a key of 1 to 100 characters. Raises BadUserInput."""
    return checks.text(key, field, 100)


def command_id_of(key: str | None, by: Identity) -> UUID | None:
    """Return the id of the command that the caller `by` has given this key; None if the key is None.

    Raises BadUserInput for an empty or too long key.
    """
    return None if key is None else uuid5(_NAMESPACE, f"{by.user_id}\n{checked(key)}")
