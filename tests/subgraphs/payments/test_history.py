"""Test of the history of escrows."""

from subgraphs.kit.testing import ApiUser, SigningKeys
from subgraphs.kit.unit_of_work import UnitOfWork
from subgraphs.payments.aggregates import ESCROWS
from tests.subgraphs.payments.conftest import Deal

HISTORY = """query($id: ID!) {
  escrowHistory(id: $id) { version type changes } escrowAsOf(id: $id, version: 2) { state } }"""


async def test_an_escrow_is_rebuilt(deal: Deal, keys: SigningKeys) -> None:
    """The charge, a partial refund and its undo are events; only the two users of the booking see them."""
    made, refund = await deal.create("400").do(), deal.refund(25)
    await refund.do()
    await refund.undo()
    data = await deal.client.data(HISTORY, deal.player, id=made["escrowId"])
    types = [one["type"] for one in data["escrowHistory"]]
    assert types == ["EscrowRestored", "EscrowRefunded", "EscrowCreated"]
    state = data["escrowAsOf"]["state"]
    assert (state["status"], state["released"], state["refunded"]) == ("partly_refunded", "300.00", "100.00")
    assert await deal.client.codes(HISTORY, ApiUser.make(keys), id=made["escrowId"]) == [
        "FORBIDDEN",
        "FORBIDDEN",
    ]
    async with UnitOfWork(deal.client.service.database) as uow:
        assert list((await ESCROWS.verify(uow)).drifts) == []
