"""What operators can do with sagas that must reach their end."""

from dataclasses import replace

import pytest

from gateway.core.errors import SagaError
from gateway.saga.definition import Definitions
from gateway.saga.machine import Verb
from gateway.saga.operators import allowed_verbs, operate
from gateway.saga.postgres import PostgresJournal
from tests.gateway.saga.world import World, begin, run_to_rest


async def test_a_saga_that_must_reach_its_end(journal: PostgresJournal) -> None:
    """An operator can retry or skip a saga that is forward_only, but neither cancel nor undo it."""
    world = World()
    saga = replace(world.saga(), forward_only=True)
    definitions, saga_id = Definitions.of([saga]), await begin(journal, saga)
    verbs: tuple[Verb, ...] = ("cancel", "compensate")
    for verb in verbs:
        with pytest.raises(SagaError, match="must reach its end") as refused:
            await operate(journal, definitions, saga_id, verb, "admin", "because")
        assert refused.value.code == "FORWARD_ONLY"
    view = await journal.view(saga_id)
    assert view is not None
    assert allowed_verbs(definitions, view) == []
    assert allowed_verbs(Definitions.of([world.saga()]), view) == ["compensate", "cancel"]
    found = await run_to_rest(journal, saga, saga_id)
    assert (found.status, world.effects) == ("completed", ["a", "b", "c"])
