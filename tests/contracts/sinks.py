"""The contract of sinks: what every target has to keep, and what a sink over it does with events of a real
queue.

A new target runs both suites from a file of its own: it subclasses them and gives a fixture `target`. See
tests/subgraphs/kit/sinks/test_files.py for one.
"""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from subgraphs.kit.rebuilds import RebuildRunning
from subgraphs.kit.sinks.rebuild import rebuild
from subgraphs.kit.sinks.target import SinkTarget, TargetUnavailable, Write
from tests.subgraphs.kit.queue.service_pair import started, until
from tests.subgraphs.kit.sinks.sink_setup import SinkSetup

KEYS = [UUID(int=number) for number in (1, 2, 3, 4)]


def item(key: UUID, version: int, times: int | None = 1) -> Write:
    """A document; `times` None: its deletion."""
    return Write(
        "item", key, version, None if times is None else {"times": times, "nested": {"list": [1, None, "é"]}}
    )


class TargetContract:
    """What a target keeps: documents by their versions, in generations."""

    async def test_an_older_version_changes_nothing(self, target: SinkTarget) -> None:
        """A higher version replaces a document, the same one again replaces it too, a lower one does
        nothing."""
        await target.prepare(1)
        for write, expected in [
            (item(KEYS[0], 2, 20), 20),
            (item(KEYS[0], 1, 10), 20),
            (item(KEYS[0], 2, 21), 21),
            (item(KEYS[0], 5, 50), 50),
        ]:
            await target.write(1, [write])
            stored = (await target.read(1, "item", KEYS[:1]))[KEYS[0]]
            assert stored.document == {"times": expected, "nested": {"list": [1, None, "é"]}}
        assert stored.version == 5

    async def test_a_deletion_has_its_version(self, target: SinkTarget) -> None:
        """What is deleted is gone for readers, does not come back by a stale event, and comes back by a newer
        one."""
        await target.prepare(1)
        await target.write(1, [item(KEYS[0], 1), item(KEYS[0], 3, None), item(KEYS[0], 2)])
        await target.write(1, [item(KEYS[0], 2)])
        assert await target.read(1, "item", KEYS[:1]) == {}
        assert list(await target.versions(1, "item", None, 10)) == []
        await target.write(1, [item(KEYS[0], 4)])
        assert list(await target.versions(1, "item", None, 10)) == [(KEYS[0], 4)]

    async def test_one_write_may_hold_several_versions(self, target: SinkTarget) -> None:
        """In whatever order they stand in it, the highest remains."""
        await target.prepare(1)
        await target.write(
            1, [item(KEYS[0], 3, 30), item(KEYS[0], 1, 10), item(KEYS[1], 1), item(KEYS[1], 2, 22)]
        )
        found = await target.read(1, "item", KEYS)
        assert {key: (one.version, one.document["times"]) for key, one in found.items()} == {
            KEYS[0]: (3, 30),
            KEYS[1]: (2, 22),
        }

    async def test_versions_come_in_pages(self, target: SinkTarget) -> None:
        """In the order of their keys, each once; other kinds are not among them."""
        await target.prepare(1)
        await target.write(1, [item(key, number + 1) for number, key in enumerate(KEYS)])
        await target.write(1, [Write("publisher", KEYS[0], 9, {})])
        first = list(await target.versions(1, "item", None, 3))
        assert first == [(KEYS[0], 1), (KEYS[1], 2), (KEYS[2], 3)]
        assert list(await target.versions(1, "item", first[-1][0], 3)) == [(KEYS[3], 4)]
        assert list(await target.versions(1, "item", KEYS[3], 3)) == []

    async def test_generations_know_nothing_of_each_other(self, target: SinkTarget) -> None:
        """Each has its own documents; one that exists is not emptied, one that does not exist can be
        discarded."""
        await target.prepare(1)
        await target.prepare(2)
        await target.write(1, [item(KEYS[0], 1)])
        await target.write(2, [item(KEYS[1], 1)])
        await target.prepare(1)
        assert set(await target.read(1, "item", KEYS)) == {KEYS[0]}
        await target.serve(1)
        await target.serve(2)
        await target.discard(1)
        await target.discard(1)
        await target.discard(7)
        assert set(await target.read(2, "item", KEYS)) == {KEYS[1]}
        await target.prepare(1)
        assert await target.read(1, "item", KEYS) == {}


class SinkContract:
    """What a sink over a target does with the events of a real queue; its bookkeeping is in a real
    PostgreSQL."""

    async def test_events_become_documents(self, setup: SinkSetup) -> None:
        """Each item has the document of its newest event, readers see it, and nothing waits any more."""
        first, second = await setup.publish(3), await setup.publish(4)
        await setup.publish(5, item=first)
        async with started(setup.relay(), setup.consumer):
            await until(setup.documents, {first: (2, 5), second: (1, 4)})
            await until(setup.consumer.lag, 0.0)

    async def test_a_target_that_is_away_loses_nothing(self, setup: SinkSetup) -> None:
        """Events wait while it is away, their lag grows, no try is counted against them; then they arrive."""
        setup.target.away = True
        async with started(setup.relay(), setup.consumer):
            item = [await setup.publish(number) for number in range(5)]
            await until(setup.has_failed_to_write, True)  # perhaps before the relay has published anything
            await until(setup.has_waiting_events, True)
            assert await setup.consumer.lag() > 0
            assert await setup.pair.failures() == []
            setup.target.away = False
            await until(setup.documents, {key: (1, number) for number, key in enumerate(item)})
            assert await setup.pair.failures() == []

    async def test_a_stop_between_write_and_commit_is_harmless(self, setup: SinkSetup) -> None:
        """The document is written, the cursor is not: the next start writes it again, and nothing changes by
        that."""
        async with started(setup.relay()):
            setup.target.hangs_after_write = True
            await setup.consumer.start()
            item = await setup.publish(3)
            await asyncio.wait_for(setup.target.hanging.wait(), 15)
            assert await setup.documents() == {item: (1, 3)}
            await setup.consumer.stop()
            assert await setup.pair.count("inbox", "consumer") == 0
            setup.target.hangs_after_write = False
            before = setup.target.writes
            async with started(setup.new_consumer()):
                await until(lambda: setup.pair.count("inbox", "consumer"), 1)
            assert setup.target.writes > before
            assert await setup.documents() == {item: (1, 3)}

    async def test_a_stale_event_changes_nothing(self, setup: SinkSetup) -> None:
        """An event of a version that the target has passed is written to it in vain, whatever the inbox
        knows."""
        async with started(setup.relay(), setup.consumer):
            item = await setup.publish(1)
            await setup.publish(2, item=item)
            await until(setup.documents, {item: (2, 2)})
            await setup.pair.consumer.execute(text("DELETE FROM inbox_versions"))
            await setup.publish_again(item, version=1, times=1)
            after = await setup.publish(7)
            await until(setup.documents, {item: (2, 2), after: (1, 7)})
            await until(lambda: setup.pair.count("inbox", "consumer"), 4)
            assert await setup.documents() == {item: (2, 2), after: (1, 7)}

    async def test_a_poisoned_event_holds_up_nobody_else(self, setup: SinkSetup) -> None:
        """It is tried again and given up, as every consumer's is; the others of its batch are written."""
        poisoned, sound = await setup.publish(-1), await setup.publish(2)
        async with started(setup.relay(), setup.consumer):
            await until(setup.documents, {sound: (1, 2)})
            await until(setup.pair.statuses, [("failed", 3)])
        assert poisoned not in await setup.documents()

    async def test_it_is_rebuilt_while_it_serves(self, setup: SinkSetup) -> None:
        """Readers see the old documents until the new ones are whole; events meanwhile reach both
        generations."""
        async with started(setup.relay(), setup.consumer):
            old = await setup.publish(1)
            changed = await setup.publish(2)
            await until(setup.documents, {old: (1, 1), changed: (1, 2)})
            await setup.target.write(
                1, [Write("item", uuid4(), 1, {"times": 99})]
            )  # of an item that never was
            building = asyncio.create_task(rebuild(setup.consumer, setup.originals, begun=setup.begun))
            await asyncio.wait_for(setup.building.wait(), 15)
            await setup.publish(3, item=changed)
            late = await setup.publish(4)
            await until(lambda: setup.times_of(changed, late), [3, 4])
            assert len(await setup.documents()) == 4
            with pytest.raises(RebuildRunning):
                await rebuild(setup.consumer, setup.originals)
            setup.go_on.set()
            assert await building == 2
            assert await setup.documents() == {old: (1, 1), changed: (2, 3), late: (1, 4)}
            await setup.publish(5, item=old)
            await until(lambda: setup.times_of(old), [5])
        assert await setup.generations() == [(2, "serving")]

    async def test_a_rebuild_that_is_cut_off_leaves_the_old_generation(self, setup: SinkSetup) -> None:
        """The old one goes on serving; the next rebuild begins anew and removes what the first has left."""
        async with started(setup.relay(), setup.consumer):
            item = await setup.publish(1)
            await until(setup.documents, {item: (1, 1)})
            building = asyncio.create_task(rebuild(setup.consumer, setup.originals, begun=setup.begun))
            await asyncio.wait_for(setup.building.wait(), 15)
            building.cancel()
            await asyncio.wait([building])
            await setup.publish(2, item=item)
            await until(setup.documents, {item: (2, 2)})
            setup.go_on.set()
            assert await rebuild(setup.consumer, setup.originals) == 3
            assert await setup.documents() == {item: (2, 2)}
        assert await setup.generations() == [(3, "serving")]

    async def test_a_target_away_at_the_swap_is_settled_later(self, setup: SinkSetup) -> None:
        """The table says that the new generation serves; the next start shows it, and readers never see half
        of one."""
        setup.go_on.set()
        async with started(setup.relay(), setup.consumer):
            item = await setup.publish(1)
            await until(setup.documents, {item: (1, 1)})
            setup.target.refuses_to_serve = True
            with pytest.raises(TargetUnavailable):
                await rebuild(setup.consumer, setup.originals)
            await setup.publish(2, item=item)
            await until(lambda: setup.target.versions(1, "item", None, 9), [(item, 2)])
        setup.target.refuses_to_serve = False
        async with started(setup.new_consumer()):
            await until(setup.generations, [(2, "serving")])
        assert await setup.documents() == {item: (2, 2)}

    async def test_drift_is_found_and_repaired(self, setup: SinkSetup) -> None:
        """The consistency check compares the target with the owner, as any copy, and has put right what
        differs."""
        async with started(setup.relay(), setup.consumer):
            lost, older, wrong = [await setup.publish(number) for number in (1, 2, 3)]
            await setup.publish(20, item=older)
            expected = {lost: (1, 1), older: (2, 20), wrong: (1, 3)}
            await until(setup.documents, expected)
            assert await setup.check() == (0, 0, 0, 0, 0)
            await setup.spoil(lost, older, wrong)
            assert await setup.check() == (1, 1, 0, 0, 2)
            assert await setup.check(deep=True) == (0, 0, 1, 0, 1)
            assert await setup.documents() == expected
            assert await setup.check(deep=True) == (0, 0, 0, 0, 0)

    async def test_a_repair_and_a_newer_event(self, setup: SinkSetup) -> None:
        """What the owner told before an event does not undo the event."""
        async with started(setup.relay(), setup.consumer):
            item = await setup.publish(1)
            await setup.publish(2, item=item)
            await until(setup.documents, {item: (2, 2)})
        assert await setup.repair(item, version=1, times=1) == 0
        assert await setup.documents() == {item: (2, 2)}
