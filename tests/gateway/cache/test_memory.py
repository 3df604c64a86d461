"""The memory of entries: bounded by bytes that are really used, SIEVE's choice, invalid and late entries."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.fence import Fence
from gateway.cache.memory import OVERHEAD, Entry, Memory, Space


def space_of() -> Space:
    """Return a new space."""
    return Space(b"a space", ("subgraph:a",))


def entry_of(value: bytes = b"1", *tags: str, born: float = 0.0, position: int = 0) -> Entry:
    """Return an entry that is fresh for a long time."""
    return Entry(value, tags, position, born, 1e9)


def keys(memory: Memory) -> list[bytes]:
    """Return the keys of all entries."""
    return [key for _, key, _ in memory.all()]


def test_sizes_are_those_of_the_process() -> None:
    space = space_of()
    memory = Memory(100_000_000, Fence())
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(5_000):
        key = b'{"__typename":"Thing","id":"%d"}' % number
        memory.put(space, key, entry_of(b"x" * 200 + b"%d" % number, f'entity:Thing:{{"id":"{number}"}}'))
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.7 < memory.size / used < 1.5


def test_sieve_keeps_what_was_used() -> None:
    space = space_of()
    memory = Memory(20 * (OVERHEAD + 2), Fence())
    for number in range(20):
        memory.put(space, b"%c" % (65 + number), entry_of())
    for key in (b"A", b"C"):
        memory.spaces[space.digest].entries[key].used = True
    for number in range(5):
        memory.put(space, b"%c" % (97 + number), entry_of())
    found = keys(memory)
    assert b"A" in found and b"C" in found
    assert not {b"B", b"D", b"E", b"F", b"G"} & set(found)
    assert (memory.count, memory.evicted) == (20, 5)


def test_an_older_fetch_does_not_replace_a_newer_one() -> None:
    space = space_of()
    memory = Memory(1_000_000, Fence())
    newer = memory.put(space, b"k", entry_of(b"new", born=2.0))
    assert memory.put(space, b"k", entry_of(b"old", born=1.0)) is newer
    assert memory.put(space, b"k", entry_of(b"newest", born=3.0)).value == b"newest"


def test_a_value_that_would_push_out_all_others_is_not_stored() -> None:
    space = space_of()
    memory = Memory(100_000, Fence())
    memory.put(space, b"small", entry_of())
    memory.put(space, b"large", entry_of(b"x" * 50_000))
    assert keys(memory) == [b"small"]


def test_an_entry_from_before_an_invalidation_is_not_stored() -> None:
    space = space_of()
    fence = Fence()
    memory = Memory(1_000_000, fence)
    fence.invalidate(["tag:x"])
    memory.put(space, b"before", entry_of(b"1", "tag:x", position=0))
    memory.put(space, b"after", entry_of(b"1", "tag:x", position=fence.local.position))
    assert keys(memory) == [b"after"]
    fence.invalidate(["subgraph:a"])
    assert not memory.is_valid(space.entries[b"after"], space)
    assert (keys(memory), memory.size, memory.spaces) == ([], 0, {})


@given(
    st.lists(
        st.tuples(st.sampled_from("puri"), st.integers(0, 12), st.integers(0, 400), st.integers(0, 2)),
        max_size=80,
    )
)
def test_the_books_balance(steps: list[tuple[str, int, int, int]]) -> None:
    """After any operations the size and the count are those of the entries, and the limit holds."""
    fence = Fence(limit=4)
    memory = Memory(6_000, fence)
    for step, number, size, place in steps:
        space = Space(b"%d" % place, (f"subgraph:{place}",))
        entries = memory.spaces.get(space.digest, space).entries
        key = b"%d" % number
        if step == "p":
            entry = entry_of(b"x" * size, f"tag:{number}", position=fence.local.position)
            memory.put(space, key, entry)
        elif step == "u" and key in entries:
            entries[key].used = True
        elif step == "r" and key in entries:
            memory.remove(entries[key])
        elif step == "i":
            fence.invalidate([f"tag:{number}"])
        found = [entry for _, _, entry in memory.all()]
        assert memory.size == sum(entry.size for entry in found) <= 6_000
        assert memory.count == len(found)
    memory.clear()
    assert (memory.size, memory.count, memory.newest, memory.oldest) == (0, 0, None, None)
