"""Executes operators' commands on sagas: `retry`, `skip`, `compensate` and `cancel` (`machine.VERBS`)."""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from gateway.core.errors import SagaError
from gateway.saga.definition import Definitions
from gateway.saga.journal import Journal, SagaView
from gateway.saga.machine import VERBS, Verb

FORWARD_VERBS: Final = frozenset[Verb]({"retry", "skip"})
"""What an operator may do with a saga that must reach its end (`Saga.forward_only`)."""


async def operate(
    journal: Journal, definitions: Definitions, saga_id: UUID, verb: Verb, by: str, reason: str
) -> None:
    """Execute an operator's command on a saga.

    `by`, `reason`: the operator and why, for the journal. Raises SagaError UNKNOWN_SAGA, SAGA_STATE if the
    saga's status does not allow the command, and FORWARD_ONLY if its definition does not.
    """
    view = await journal.view(saga_id)
    if view is not None and verb not in _verbs_of_type(definitions, view):
        raise SagaError(
            f"{verb} is not possible: a saga of the type {view.saga_type} must reach its end, so that nothing"
            " is left half done; retry it, or skip the step that fails",
            "FORWARD_ONLY",
        )
    await journal.operate(saga_id, verb, by, reason)


def allowed_verbs(definitions: Definitions, view: SagaView) -> Sequence[Verb]:
    """Return the commands that a saga's definition and its present status allow."""
    by_type = _verbs_of_type(definitions, view)
    return [verb for verb, statuses in VERBS.items() if verb in by_type and view.status in statuses]


def _verbs_of_type(definitions: Definitions, view: SagaView) -> Collection[Verb]:
    saga = definitions.known.get((view.saga_type, view.version))
    return FORWARD_VERBS if saga is not None and saga.forward_only else VERBS.keys()
