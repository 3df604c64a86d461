"""The handlers of events from which sagas follow: a closed account ends what it has begun."""

from collections.abc import Mapping

from subgraphs.kit.closed_accounts import AccountFacts
from subgraphs.kit.messages import Envelope
from subgraphs.kit.queue.inbox import EventHandler
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.orchestration.engine import SagaEngine
from subgraphs.orchestration.sagas import CLOSURE


def event_handlers(engine: SagaEngine) -> Mapping[str, EventHandler]:
    """Return the handlers, by event type; they start sagas of `engine`."""

    async def close_account(uow: UnitOfWork, envelope: Envelope) -> None:
        facts = envelope.read(AccountFacts)
        if not facts.is_active:
            data = {"userId": str(facts.user_id)}
            await engine.start_once(CLOSURE, str(envelope.event_id), data, str(facts.user_id))

    return {"UserUpdated": close_account}
