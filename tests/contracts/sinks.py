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
from subgraphs.kit.sinks.target import SinkTarget, TargetAway, Write
from tests.subgraphs.kit.queue.street import started, until
from tests.subgraphs.kit.sinks.bells import Bells

KEYS = [UUID(int=number) for number in (1, 2, 3, 4)]


def bell(key: UUID, version: int, times: int | None = 1) -> Write:
    """A document; `times` None: its deletion."""
    return Write(
        "bell", key, version, None if times is None else {"times": times, "nested": {"list": [1, None, "é"]}}
    )


class TargetContract:
    """What a target keeps: documents by their versions, in generations."""

    async def test_an_older_version_changes_nothing(self, target: SinkTarget) -> None:
        """A higher version replaces a document, the same one again replaces it too, a lower one does
        nothing."""
        await target.prepare(1)
        for write, expected in [
            (bell(KEYS[0], 2, 20), 20),
            (bell(KEYS[0], 1, 10), 20),
            (bell(KEYS[0], 2, 21), 21),
            (bell(KEYS[0], 5, 50), 50),
        ]:
            await target.write(1, [write])
            stored = (await target.read(1, "bell", KEYS[:1]))[KEYS[0]]
            assert stored.document == {"times": expected, "nested": {"list": [1, None, "é"]}}
        assert stored.version == 5

    async def test_a_deletion_has_its_version(self, target: SinkTarget) -> None:
        """What is deleted is gone for readers, does not come back by a stale event, and comes back by a newer
        one."""
        await target.prepare(1)
        await target.write(1, [bell(KEYS[0], 1), bell(KEYS[0], 3, None), bell(KEYS[0], 2)])
        await target.write(1, [bell(KEYS[0], 2)])
        assert await target.read(1, "bell", KEYS[:1]) == {}
        assert list(await target.versions(1, "bell", None, 10)) == []
        await target.write(1, [bell(KEYS[0], 4)])
        assert list(await target.versions(1, "bell", None, 10)) == [(KEYS[0], 4)]

    async def test_one_write_may_hold_several_versions(self, target: SinkTarget) -> None:
        """In whatever order they stand in it, the highest remains."""
        await target.prepare(1)
        await target.write(
            1, [bell(KEYS[0], 3, 30), bell(KEYS[0], 1, 10), bell(KEYS[1], 1), bell(KEYS[1], 2, 22)]
        )
        found = await target.read(1, "bell", KEYS)
        assert {key: (one.version, one.document["times"]) for key, one in found.items()} == {
            KEYS[0]: (3, 30),
            KEYS[1]: (2, 22),
        }

    async def test_versions_come_in_pages(self, target: SinkTarget) -> None:
        """In the order of their keys, each once; other kinds are not among them."""
        await target.prepare(1)
        await target.write(1, [bell(key, number + 1) for number, key in enumerate(KEYS)])
        await target.write(1, [Write("tower", KEYS[0], 9, {})])
        first = list(await target.versions(1, "bell", None, 3))
        assert first == [(KEYS[0], 1), (KEYS[1], 2), (KEYS[2], 3)]
        assert list(await target.versions(1, "bell", first[-1][0], 3)) == [(KEYS[3], 4)]
        assert list(await target.versions(1, "bell", KEYS[3], 3)) == []

    async def test_generations_know_nothing_of_each_other(self, target: SinkTarget) -> None:
        """Each has its own documents; one that exists is not emptied, one that does not exist can be
        discarded."""
        await target.prepare(1)
        await target.prepare(2)
        await target.write(1, [bell(KEYS[0], 1)])
        await target.write(2, [bell(KEYS[1], 1)])
        await target.prepare(1)
        assert set(await target.read(1, "bell", KEYS)) == {KEYS[0]}
        await target.serve(1)
        await target.serve(2)
        await target.discard(1)
        await target.discard(1)
        await target.discard(7)
        assert set(await target.read(2, "bell", KEYS)) == {KEYS[1]}
        await target.prepare(1)
        assert await target.read(1, "bell", KEYS) == {}


class SinkContract:
    """What a sink over a target does with the events of a real queue; its bookkeeping is in a real
    PostgreSQL."""

    async def test_events_become_documents(self, bells: Bells) -> None:
        """Each bell has the document of its newest event, readers see it, and nothing waits any more."""
        first, second = await bells.ring(3), await bells.ring(4)
        await bells.ring(5, bell=first)
        async with started(bells.relay(), bells.consumer):
            await until(bells.documents, {first: (2, 5), second: (1, 4)})
            await until(bells.consumer.lag, 0.0)

    async def test_a_target_that_is_away_loses_nothing(self, bells: Bells) -> None:
        """Events wait while it is away, their lag grows, no try is counted against them; then they arrive."""
        bells.target.away = True
        async with started(bells.relay(), bells.consumer):
            rung = [await bells.ring(number) for number in range(5)]
            await until(bells.has_failed_to_write, True)
            assert await bells.consumer.lag() > 0
            assert await bells.street.failures() == []
            bells.target.away = False
            await until(bells.documents, {key: (1, number) for number, key in enumerate(rung)})
            assert await bells.street.failures() == []

    async def test_a_stop_between_write_and_commit_is_harmless(self, bells: Bells) -> None:
        """The document is written, the cursor is not: the next start writes it again, and nothing changes by
        that."""
        async with started(bells.relay()):
            bells.target.hangs_after_write = True
            await bells.consumer.start()
            rung = await bells.ring(3)
            await asyncio.wait_for(bells.target.hanging.wait(), 15)
            assert await bells.documents() == {rung: (1, 3)}
            await bells.consumer.stop()
            assert await bells.street.count("inbox", "ear") == 0
            bells.target.hangs_after_write = False
            before = bells.target.writes
            async with started(bells.new_consumer()):
                await until(lambda: bells.street.count("inbox", "ear"), 1)
            assert bells.target.writes > before
            assert await bells.documents() == {rung: (1, 3)}

    async def test_a_stale_event_changes_nothing(self, bells: Bells) -> None:
        """An event of a version that the target has passed is written to it in vain, whatever the inbox
        knows."""
        async with started(bells.relay(), bells.consumer):
            rung = await bells.ring(1)
            await bells.ring(2, bell=rung)
            await until(bells.documents, {rung: (2, 2)})
            await bells.street.ear.execute(text("DELETE FROM inbox_versions"))
            await bells.tell_again(rung, version=1, times=1)
            after = await bells.ring(7)
            await until(bells.documents, {rung: (2, 2), after: (1, 7)})
            await until(lambda: bells.street.count("inbox", "ear"), 4)
            assert await bells.documents() == {rung: (2, 2), after: (1, 7)}

    async def test_a_poisoned_event_holds_up_nobody_else(self, bells: Bells) -> None:
        """It is tried again and given up, as every consumer's is; the others of its batch are written."""
        poisoned, sound = await bells.ring(-1), await bells.ring(2)
        async with started(bells.relay(), bells.consumer):
            await until(bells.documents, {sound: (1, 2)})
            await until(bells.street.statuses, [("failed", 3)])
        assert poisoned not in await bells.documents()

    async def test_it_is_rebuilt_while_it_serves(self, bells: Bells) -> None:
        """Readers see the old documents until the new ones are whole; events meanwhile reach both
        generations."""
        async with started(bells.relay(), bells.consumer):
            old = await bells.ring(1)
            changed = await bells.ring(2)
            await until(bells.documents, {old: (1, 1), changed: (1, 2)})
            await bells.target.write(
                1, [Write("bell", uuid4(), 1, {"times": 99})]
            )  # of a bell that never was
            building = asyncio.create_task(rebuild(bells.consumer, bells.originals, begun=bells.begun))
            await asyncio.wait_for(bells.building.wait(), 15)
            await bells.ring(3, bell=changed)
            late = await bells.ring(4)
            await until(lambda: bells.times_of(changed, late), [3, 4])
            assert len(await bells.documents()) == 4
            with pytest.raises(RebuildRunning):
                await rebuild(bells.consumer, bells.originals)
            bells.go_on.set()
            assert await building == 2
            assert await bells.documents() == {old: (1, 1), changed: (2, 3), late: (1, 4)}
            await bells.ring(5, bell=old)
            await until(lambda: bells.times_of(old), [5])
        assert await bells.generations() == [(2, "serving")]

    async def test_a_rebuild_that_is_cut_off_leaves_the_old_generation(self, bells: Bells) -> None:
        """The old one goes on serving; the next rebuild begins anew and removes what the first has left."""
        async with started(bells.relay(), bells.consumer):
            rung = await bells.ring(1)
            await until(bells.documents, {rung: (1, 1)})
            building = asyncio.create_task(rebuild(bells.consumer, bells.originals, begun=bells.begun))
            await asyncio.wait_for(bells.building.wait(), 15)
            building.cancel()
            await asyncio.wait([building])
            await bells.ring(2, bell=rung)
            await until(bells.documents, {rung: (2, 2)})
            bells.go_on.set()
            assert await rebuild(bells.consumer, bells.originals) == 3
            assert await bells.documents() == {rung: (2, 2)}
        assert await bells.generations() == [(3, "serving")]

    async def test_a_target_away_at_the_swap_is_settled_later(self, bells: Bells) -> None:
        """The table says that the new generation serves; the next start shows it, and readers never see half
        of one."""
        bells.go_on.set()
        async with started(bells.relay(), bells.consumer):
            rung = await bells.ring(1)
            await until(bells.documents, {rung: (1, 1)})
            bells.target.refuses_to_serve = True
            with pytest.raises(TargetAway):
                await rebuild(bells.consumer, bells.originals)
            await bells.ring(2, bell=rung)
            await until(lambda: bells.target.versions(1, "bell", None, 9), [(rung, 2)])
        bells.target.refuses_to_serve = False
        async with started(bells.new_consumer()):
            await until(bells.generations, [(2, "serving")])
        assert await bells.documents() == {rung: (2, 2)}

    async def test_drift_is_found_and_repaired(self, bells: Bells) -> None:
        """The consistency check compares the target with the owner, as any copy, and has put right what
        differs."""
        async with started(bells.relay(), bells.consumer):
            lost, older, wrong = [await bells.ring(number) for number in (1, 2, 3)]
            await bells.ring(20, bell=older)
            expected = {lost: (1, 1), older: (2, 20), wrong: (1, 3)}
            await until(bells.documents, expected)
            assert await bells.check() == (0, 0, 0, 0, 0)
            await bells.spoil(lost, older, wrong)
            assert await bells.check() == (1, 1, 0, 0, 2)
            assert await bells.check(deep=True) == (0, 0, 1, 0, 1)
            assert await bells.documents() == expected
            assert await bells.check(deep=True) == (0, 0, 0, 0, 0)

    async def test_a_repair_and_a_newer_event(self, bells: Bells) -> None:
        """What the owner told before an event does not undo the event."""
        async with started(bells.relay(), bells.consumer):
            rung = await bells.ring(1)
            await bells.ring(2, bell=rung)
            await until(bells.documents, {rung: (2, 2)})
        assert await bells.repair(rung, version=1, times=1) == 0
        assert await bells.documents() == {rung: (2, 2)}
