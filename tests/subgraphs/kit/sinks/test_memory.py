"""Tests that MemoryTarget fulfils the contract of targets."""

import pytest

from subgraphs.kit.sinks.memory import MemoryTarget
from subgraphs.kit.sinks.target import TargetUnavailable, Write
from tests.contracts.sinks import KEYS, SinkContract, TargetContract


@pytest.fixture
def target() -> MemoryTarget:
    """An empty target."""
    return MemoryTarget()


class TestTarget(TargetContract):
    """The contract of targets."""


class TestSink(SinkContract):
    """The contract of sinks, with events from a real queue."""


async def test_what_a_test_can_ask_of_it(target: MemoryTarget) -> None:
    """`seen` returns what readers see, and `away` makes every method fail."""
    await target.prepare(1)
    assert target.seen("item") == {}
    await target.serve(1)
    await target.write(1, [Write("item", KEYS[0], 1, {"times": 1}), Write("item", KEYS[1], 1, None)])
    assert target.seen("item") == {KEYS[0]: {"times": 1}}
    target.away = True
    with pytest.raises(TargetUnavailable):
        await target.write(1, [])
