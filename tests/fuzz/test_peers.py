"""Peers compared with our gateway, bounded: if the responses differ, a kind with a verdict explains it.

`make oracle-peers` is the whole of it. Operations in which two peers agreed with each other but not with us
are in `tests/cases/peers`, shrunk, with a `verdict.txt`: the finding on its first line, then who is right and
why.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.case import Case, Question, Supply, read_case
from tests.fuzz.compare import Verdict
from tests.fuzz.peers import PEERS, Response
from tests.fuzz.peers_known import ANSWERS, PLACES, Seen, kind_of
from tests.fuzz.peers_run import Table, Tally, rounds, told
from tests.fuzz.rig import Outcome, Rig
from tests.oracle.programs import NO_NODE, find_node

CASES = Path(__file__).parent.parent / "cases" / "peers"
NODE = pytest.mark.skipif(find_node() is None, reason=NO_NODE)
FOUND = sorted(path.name for path in CASES.iterdir() if path.is_dir())
SUPPLY = Supply(
    "type Query { a: T list: [Int] }\ntype T { id: ID! name: String }",
    {"s": "type Query { a: T list: [Int] }\ntype T { id: ID! name: String }"},
    {"T": [{"id": "1", "name": "n"}], "Query": [{"a": "T/0", "list": [1, 2]}]},
)


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """Yield the peers' processes."""
    running = Table()
    yield running
    running.end()


@NODE
def test_peers_differ_in_known_kinds_only(table: Table) -> None:
    """In 60 operations over 3 cuts every peer responds, and each difference has a kind."""
    tally, unjudged = Tally(), []
    for one in rounds(table, 5, 3, 60, contexts=False):
        tally.add(one)
        if "unjudged" in one.kinds.values():
            unjudged.append(told(one))
    assert unjudged == []
    assert {peer: counts.total() for peer, counts in tally.counts.items()} == dict.fromkeys(PEERS, 60)
    assert all(counts[""] >= 15 for counts in tally.counts.values()), tally.table()


@NODE
@pytest.mark.parametrize("name", FOUND)
def test_kept_case(name: str, table: Table) -> None:
    """Our response is the monolith's, and the peers that the verdict names differ from us as it says."""
    case = read_case(CASES / name)
    with asyncio.Runner() as runner:
        one = table.round(name, case, Rig(case.supply), runner)
    assert [seen.ours.verdict.kind for seen in one.seen.values()] == [""] * len(PEERS)
    assert one.finding == (CASES / name / "verdict.txt").read_text().splitlines()[0]


def seen_with(data: Any, *messages: str, query: str = "{ a { id name } list }", ours: str = "") -> Seen:
    """Return a peer's response to a question. `ours`: a difference of our response from the monolith's."""
    right = {"a": {"id": "1", "name": "n"}, "list": [1, 2]}
    errors = [{"message": message} for message in messages]
    outcome = Outcome(Verdict(ours), response={"data": right})
    return Seen("apollo", Rig(SUPPLY), Question(query), outcome, Response(data, errors))


@pytest.mark.parametrize(
    ("data", "messages", "kind"),
    [
        ({"list": [1.0, 2.0], "a": {"name": "n", "id": "1"}}, (), ""),
        ({"a": {"id": "1", "name": "n"}, "list": [2, 1]}, (), "unjudged"),
        ({"a": {"id": "1", "name": "n"}, "list": [1, True]}, (), "unjudged"),
        ({"a": {"id": "1", "name": "n"}, "list": []}, (), "unjudged"),
        ({"a": {"id": "1", "name": "n"}, "list": [1, 2], "more": 1}, (), "unjudged"),
        ({"a": {"id": "1", "name": "n"}, "list": [1, 2]}, ("no reason",), "unjudged"),
        ({"a": {"id": "1", "name": "n"}, "list": [1, 2, 1, 2]}, (), "list written twice"),
        ({"a": {"id": "1", "name": None}, "list": [1, 2]}, (), "lost without an error"),
        ({"a": {"id": "1"}, "list": [1, 2]}, (), "lost without an error"),
        ({"a": {"id": "1"}, "list": [2, 1]}, (), "unjudged"),
        (None, ("Failed to plan query: no way",), "no plan"),
        (None, ("another reason",), "lost without an error"),
    ],
)
def test_kinds(data: Any, messages: tuple[str, ...], kind: str) -> None:
    """A difference without a kind for each of its places is unjudged; the order of keys is no difference."""
    assert kind_of(seen_with(data, *messages)) == kind


def test_our_own_difference_is_never_judged() -> None:
    """If we differ from the monolith, no kind of the peers applies."""
    assert kind_of(seen_with({"list": None}, ours="data")) == "unjudged"


def test_kinds_have_names_of_their_own() -> None:
    """Kinds have unique names, and each has a verdict."""
    names = [one.name for one in ANSWERS] + [one.name for one in PLACES]
    assert len(set(names)) == len(names)
    assert all(one.verdict for one in ANSWERS)
    assert all(one.verdict for one in PLACES)


def test_what_can_be_kept_can_be_read() -> None:
    """Every stored case has a verdict and a supply that composes."""
    for name in FOUND:
        case: Case = read_case(CASES / name)
        assert Rig(case.supply).same_schema
        assert len((CASES / name / "verdict.txt").read_text().splitlines()) >= 2
