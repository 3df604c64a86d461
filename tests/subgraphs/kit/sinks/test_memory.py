"""The target in memory keeps the contract of every target."""

import pytest

from subgraphs.kit.sinks.memory import MemoryTarget
from subgraphs.kit.sinks.target import TargetUnavailable, Write
from tests.contracts.sinks import KEYS, SinkContract, TargetContract


@pytest.fixture
def target() -> MemoryTarget:
    """An empty one."""
    return MemoryTarget()


class TestTarget(TargetContract):
    """Documents, versions and generations."""


class TestSink(SinkContract):
    """Events from a real queue."""


async def test_what_a_test_can_ask_of_it(target: MemoryTarget) -> None:
    """It shows what readers see, and can be away."""
    await target.prepare(1)
    assert target.seen("item") == {}
    await target.serve(1)
    await target.write(1, [Write("item", KEYS[0], 1, {"times": 1}), Write("item", KEYS[1], 1, None)])
    assert target.seen("item") == {KEYS[0]: {"times": 1}}
    target.away = True
    with pytest.raises(TargetUnavailable):
        await target.write(1, [])
